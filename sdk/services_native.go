//go:build !wasip1

package sdk

import "bytes"

// Export hands a plug-in to the runtime of its module: var _ = sdk.Export(&rule{}). Anywhere but in a module it does nothing.
func Export(any) Exported { return Exported{} }

// Now is the instant of the batch in nanoseconds since 1970. A module needs the capability now.
func (b *Batch) Now() int64 { return b.at }

// Log writes a line to the log of the engine, which cuts and drops what is over its limits. A module needs the capability log.
func (b *Batch) Log(level Level, text string) {
	if f := b.in.services.Log; f != nil {
		f(level, text)
	}
}

// Count adds to a counter of the plug-in. A module needs the capability metric_add.
func (b *Batch) Count(metric string, delta float64) {
	if f := b.in.services.Count; f != nil {
		f(metric, delta)
	}
}

func (in *Instance) lookup(query int, args []byte) ([]byte, error) {
	if f := in.services.Lookup; f != nil {
		return f(query, args)
	}
	return nil, ErrRefused
}

// Get reads a value that the plug-in has put; ok is false where there is none. A module needs the capability kv.
//
// # Errors
//
// ErrRefused, ErrInvalid.
func (b *Batch) Get(key string) (value []byte, ok bool, err error) {
	if f := b.in.services.Get; f != nil {
		return f(key)
	}
	return nil, false, ErrRefused
}

// Put keeps a value, in the transaction that is judged: it goes when that is rolled back. A module needs the capability kv.
//
// # Errors
//
// ErrRefused, ErrInvalid.
func (b *Batch) Put(key string, value []byte) error {
	f := b.in.services.Put
	if f == nil {
		return ErrRefused
	}
	return accepted(f(key, value))
}

// Remove takes a value away. A module needs the capability kv.
//
// # Errors
//
// ErrRefused, ErrInvalid.
func (b *Batch) Remove(key string) error {
	if f := b.in.services.Remove; f != nil {
		return f(key)
	}
	return ErrRefused
}

// post hands an encoded message to the outbox.
func (b *Batch) post(endpoint string, message []byte) error {
	f := b.in.services.Post
	if f == nil {
		return ErrRefused
	}
	return accepted(f(endpoint, bytes.Clone(message)))
}

func accepted(ok bool, err error) error {
	if err == nil && !ok {
		return ErrRefused
	}
	return err
}
