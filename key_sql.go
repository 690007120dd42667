package engine

import (
	"context"
	"fmt"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/ledger"
	"github.com/tidegate/engine/core/sqldb"
)

// WithKey returns a context for one call through [DB.SQL], which takes no options of its own: an ExecContext, or a BeginTx. What [Key] says of a
// call holds for it. key is a [Key]; more may hold an [AlreadyApplied].
//
// An ExecContext that was applied before returns the first one's result. Of a transaction the statements are its caller's, and cannot be left
// out: BeginTx returns [ErrAlreadyApplied] in its place, and there is nothing left to do. The key is written by Commit. A transaction
// with a key takes the writer when it begins, also with [ReadFirst]. Inside of it the same context may be used for everything.
//
// Queries ignore the key. A query that writes (RETURNING), a read-only transaction, and a statement of a transaction that was begun without the
// key are refused with [ErrArgs]. The context goes on to all that the call does, so make it for the call and not for a request.
func WithKey(ctx context.Context, key Option, more ...Option) context.Context {
	k := &sqlKey{}
	for _, o := range append([]Option{key}, more...) {
		k.opts.apply(o)
	}
	return context.WithValue(ctx, sqlKeyed{}, k)
}

// sqlKeyed is the context key of a *sqlKey.
type sqlKeyed struct{}

type sqlKey struct{ opts callOptions }

// mistake is what is wrong with the options that WithKey was given.
func (k *sqlKey) mistake() error {
	only := callOptions{key: k.opts.key, already: k.opts.already}
	switch {
	case k.opts.key == nil:
		return argErrorf("WithKey: there is no Key")
	case k.opts != only:
		return argErrorf("WithKey: it takes Key and AlreadyApplied, other options have no meaning there")
	}
	return k.opts.keyMistake()
}

// AlreadyAppliedError says that a transaction with a key was not begun, because one with this key was committed before.
type AlreadyAppliedError struct {
	// Key is the key.
	Key string
}

// Error says that there is nothing left to do.
func (e *AlreadyAppliedError) Error() string {
	return fmt.Sprintf("engine: a transaction with the key %q was committed before: there is nothing left to do", e.Key)
}

// Is matches ErrAlreadyApplied.
func (e *AlreadyAppliedError) Is(target error) bool { return target == ErrAlreadyApplied }

// ErrorType is the value of the error.type attribute in spans.
func (e *AlreadyAppliedError) ErrorType() string { return "already_applied" }

// sqlKeys lets the driver ask for keys.
type sqlKeys struct{ db *DB }

// Once implements sqldb.Keys.
func (s sqlKeys) Once(ctx context.Context, kind string, parts func() []any) (sqldb.Once, error) {
	k, _ := ctx.Value(sqlKeyed{}).(*sqlKey)
	if k == nil {
		return nil, nil
	}
	if err := k.mistake(); err != nil {
		return nil, err
	}
	once, err := k.opts.keyed(s.db, kind, parts)
	if err != nil {
		return nil, err
	}
	return sqlOnce{once}, nil
}

// Refuse implements sqldb.Keys.
func (s sqlKeys) Refuse(ctx context.Context, why string) error {
	if k, _ := ctx.Value(sqlKeyed{}).(*sqlKey); k != nil {
		return argErrorf("WithKey: a key cannot belong to %s", why)
	}
	return nil
}

// sqlOnce is a call of the driver's with a key.
type sqlOnce struct{ k *keyed }

// Prove implements sqldb.Once.
func (o sqlOnce) Prove(opt lane.JobOptions) lane.JobOptions { return o.k.prove(opt) }

// Look implements sqldb.Once.
func (o sqlOnce) Look(ctx context.Context, w *lane.Tx) (res lane.Result, done bool, err error) {
	steps, done, err := o.k.look(ctx, w)
	if len(steps) > 0 {
		res = lane.Result{RowsAffected: steps[0].RowsAffected, LastInsertID: steps[0].LastInsertID}
	}
	return res, done, err
}

// Record implements sqldb.Once.
func (o sqlOnce) Record(ctx context.Context, w *lane.Tx, res lane.Result) error {
	return o.k.record(context.WithoutCancel(ctx), w, []ledger.Step{{RowsAffected: res.RowsAffected, LastInsertID: res.LastInsertID}})
}

// Tell implements sqldb.Once.
func (o sqlOnce) Tell() { o.k.tell() }

// Applied implements sqldb.Once.
func (o sqlOnce) Applied() error { return &AlreadyAppliedError{Key: o.k.Key} }
