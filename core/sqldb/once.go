package sqldb

import (
	"context"

	"github.com/tidegate/engine/core/lane"
)

// Keys finds out what is to be applied once. It is safe for concurrent use.
type Keys interface {
	// Once returns what ctx says of a call of that kind; nil where it says nothing. parts lists what the call is about.
	Once(ctx context.Context, kind string, parts func() []any) (Once, error)
	// Refuse returns an error where ctx asks for a call to be applied once that cannot be; why says which.
	Refuse(ctx context.Context, why string) error
}

// Once is one call that is to be applied once. It belongs to one goroutine at a time.
type Once interface {
	// Prove lets the lane find out what became of the COMMIT.
	Prove(opt lane.JobOptions) lane.JobOptions
	// Look reads, inside the transaction, what an earlier call did; done reports whether there was one.
	Look(ctx context.Context, w *lane.Tx) (res lane.Result, done bool, err error)
	// Record writes, as the last part of the transaction, what this call did.
	Record(ctx context.Context, w *lane.Tx, res lane.Result) error
	// Tell is called once the call has succeeded.
	Tell()
	// Applied is the error of a transaction that an earlier one was applied in place of.
	Applied() error
}

// never is the Once of calls without a key.
type never struct{}

func (never) Prove(opt lane.JobOptions) lane.JobOptions { return opt }
func (never) Look(context.Context, *lane.Tx) (lane.Result, bool, error) {
	return lane.Result{}, false, nil
}
func (never) Record(context.Context, *lane.Tx, lane.Result) error { return nil }
func (never) Tell()                                               {}
func (never) Applied() error                                      { return nil }

// once is what ctx says of a call.
func (c *Connector) once(ctx context.Context, kind string, parts func() []any) (Once, error) {
	if c.opt.Keys == nil {
		return never{}, nil
	}
	o, err := c.opt.Keys.Once(ctx, kind, parts)
	if err != nil || o != nil {
		return o, err
	}
	return never{}, nil
}

// keyless refuses a key where there is nothing that could be applied once.
func (c *Connector) keyless(ctx context.Context, why string) error {
	if c.opt.Keys == nil {
		return nil
	}
	return c.opt.Keys.Refuse(ctx, why)
}

// execText is what the fingerprint of a statement is made of.
func execText(sql string, args []any) func() []any {
	return func() []any { return append([]any{sql}, args...) }
}

// begun notes what ctx says of a transaction.
func (t *tx) begun(ctx context.Context) error {
	if t.conn.opt.Keys == nil {
		return nil
	}
	o, err := t.conn.opt.Keys.Once(ctx, "tx", nil)
	if o == nil || err != nil {
		return err
	}
	if t.readOnly {
		return t.conn.keyless(ctx, "a transaction that only reads")
	}
	t.once = o
	return nil
}

// leased looks, once the transaction has the writer, whether it was applied before. It has the writer for nothing then, and gives it back.
func (t *tx) leased(ctx context.Context) error {
	if t.once == nil {
		return nil
	}
	_, done, err := t.once.Look(ctx, t.write)
	if done {
		t.once.Tell()
		err = t.once.Applied()
	}
	if err != nil {
		_, _ = t.write.Rollback() // it has written nothing
		t.write = nil
	}
	return err
}

// named refuses a key that comes with a statement of a transaction: the transaction is what is applied once.
func (t *tx) named(ctx context.Context) error {
	if t.once != nil {
		return nil // most callers have one context for all of it
	}
	return t.conn.keyless(ctx, "a statement of a transaction: give it to BeginTx")
}
