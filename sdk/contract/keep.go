package contract

import "context"

// Keeper keeps values of plug-ins in the transaction that is judged: what a call keeps is committed with its rows, or rolled back with them. A call
// reads what transactions before it left, and what this one has kept so far. It is in the context of Validate, beside the [Store].
type Keeper interface {
	// Get reads a value; ok is false where there is none.
	Get(ctx context.Context, plugin, key string) (value []byte, ok bool, err error)
	// Put keeps a value; ok is false, and nothing is changed, where the plug-in would then keep more than most bytes.
	Put(ctx context.Context, plugin, key string, value []byte, most int) (ok bool, err error)
	// Delete takes a value away. It is no error where there is none.
	Delete(ctx context.Context, plugin, key string) error
}

// DefaultKept is how many bytes a plug-in may keep whose manifest names no other number.
const DefaultKept = 1 << 20

// KeptSize is what a value counts towards the limit of its plug-in.
func KeptSize(key string, value int) int { return 32 + len(key) + value }

// WithKeeper returns a context that carries k and no [Store]: for calls outside of a transaction.
func WithKeeper(ctx context.Context, k Keeper) context.Context {
	return context.WithValue(ctx, storeKey{}, k)
}

// KeeperFrom returns the keeper of a context: the store, where that keeps values; nil where there is none.
func KeeperFrom(ctx context.Context) Keeper {
	k, _ := ctx.Value(storeKey{}).(Keeper)
	return k
}
