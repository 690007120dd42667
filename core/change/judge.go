package change

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

// Rows of a statement go to a validator in calls of at most this many rows and about this many bytes, so that a large import needs no large guest.
const (
	callRows  = 4096
	callBytes = 4 << 20
)

// judge asks every rule of a moment about the rows.
func (w *warden) judge(ctx context.Context, when contract.Moment, c *changes) error {
	asked := make([]*table, 0, 4)
next:
	for i := range c.rows {
		t := c.rows[i].t
		for _, a := range asked {
			if a == t {
				continue next
			}
		}
		asked = append(asked, t)
		for k := range t.rules {
			if r := &t.rules[k]; r.When == when {
				if err := w.rule(ctx, t, r, c); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// rule asks one rule, first about what goes, last about what comes.
func (w *warden) rule(ctx context.Context, t *table, r *bound, c *changes) error {
	for _, op := range [...]struct {
		bit contract.Ops
		op  abi.Op
	}{{contract.OnDelete, abi.OpDelete}, {contract.OnUpdate, abi.OpUpdate}, {contract.OnInsert, abi.OpInsert}} {
		if !r.Ops.Has(op.bit) {
			continue
		}
		call := call{w: w, t: t, r: r, c: c, op: op.op, rows: w.asking.rows[:0]}
		for i := range c.rows {
			if c.rows[i].t != t || !c.rows[i].as(op.bit, r.Ops) {
				continue
			}
			call.add(&c.rows[i])
			if r.When == contract.AtStatement && call.full() {
				if err := call.ask(ctx); err != nil {
					return err
				}
			}
		}
		err := call.ask(ctx)
		if w.asking.rows = call.rows; cap(call.rows) > callRows {
			w.asking.rows = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// call is one call of a validator in the making.
type call struct {
	w    *warden
	t    *table
	r    *bound
	c    *changes
	op   abi.Op
	rows []*row
}

func (k *call) add(r *row) {
	b := &k.w.batch
	if len(k.rows) == 0 {
		b.Reset(k.op, k.r.Schema, len(k.r.at))
	}
	k.rows = append(k.rows, r)
	if k.op != abi.OpDelete {
		k.image(r.new)
	}
	if k.op != abi.OpInsert {
		k.image(r.old)
	}
}

func (k *call) full() bool { return len(k.rows) >= callRows || k.w.batch.Size() >= callBytes }

func (k *call) image(at int) {
	b, row := &k.w.batch, k.c.image(k.t, at)
	for _, i := range k.r.at {
		put(b, &row[i])
	}
}

// put adds a value to a batch.
func put(b *abi.Batch, v *sqlite.Value) {
	switch v.Type {
	case sqlite.Integer:
		b.Int(v.Int)
	case sqlite.Float:
		b.Float(v.Float)
	case sqlite.Text:
		b.TextBytes(v.Bytes)
	case sqlite.Blob:
		b.Blob(v.Bytes)
	default:
		b.Null()
	}
}

// ask calls the validator and takes its verdicts.
func (k *call) ask(ctx context.Context) error {
	if len(k.rows) == 0 {
		return nil
	}
	defer func() {
		clear(k.rows)
		k.rows = k.rows[:0]
	}()
	e := k.w.e
	began := time.Now()
	out, err := k.validate(ctx, e.now(began))
	if late := k.w.ended(err != nil); late != nil && err == nil {
		err = late
	}
	took := out.Elapsed
	if took <= 0 { // nobody has measured it
		took = time.Since(began)
	}
	e.stats.called(len(k.rows), took)
	k.r.counts.called(len(k.rows), took)
	if e.cfg.Called != nil {
		k.w.told = Call{Who: k.r.Validator.Identity(), Table: k.t.name, Rows: len(k.rows), Start: began, Took: took, Err: err}
		e.cfg.Called(ctx, &k.w.told)
	}
	if err == nil {
		if out.Verdicts == nil {
			return nil
		}
		if err = k.sound(out.Verdicts); err == nil {
			return k.verdicts(ctx, &out)
		}
	}
	if ctx.Err() != nil && !errors.Is(err, contract.ErrFault) && !errors.Is(err, contract.ErrQuarantined) {
		return context.Cause(ctx) // the caller gave up: nobody's fault
	}
	return k.failed(ctx, err)
}

// validate calls foreign code, whose panic is a fault like any other.
func (k *call) validate(ctx context.Context, at time.Time) (out contract.Outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = contract.Outcome{}, fmt.Errorf("it panicked: %v", p)
		}
	}()
	if k.r.misfit != nil {
		return out, k.r.misfit
	}
	if c, ok := k.r.Validator.(*check); ok {
		return k.w.check(c, k)
	}
	if err := k.w.batch.Check(); err != nil {
		return out, fmt.Errorf("its rows do not fit one call: %w", err)
	}
	own := k.w.own
	k.w.own = true
	defer func() { k.w.own = own }()
	k.w.kept.begun(k.r.Shadow)
	return k.r.Validator.Validate(contract.WithStore(ctx, k.w), &k.w.batch, at)
}

// sound refuses verdicts about rows and columns that were not in the batch: nobody else looks at those of a validator that is Go code.
func (k *call) sound(verdicts []abi.Record) error {
	for i := range verdicts {
		v := &verdicts[i]
		switch {
		case int64(v.Row) >= int64(len(k.rows)):
			return fmt.Errorf("it judged row %d of %d", v.Row, len(k.rows))
		case v.Col != abi.WholeRow && int(v.Col) >= len(k.r.at):
			return fmt.Errorf("it judged column %d of %d", v.Col, len(k.r.at))
		case v.Action != abi.Reject && v.Action != abi.Warn:
			return fmt.Errorf("it answered with action %d, which no verdict has", v.Action)
		}
	}
	return nil
}

func (k *call) verdicts(ctx context.Context, out *contract.Outcome) error {
	var first *RejectedError
	var receipt Receipt
	for i := range out.Verdicts {
		v := &out.Verdicts[i]
		if receipt.Batch == "" {
			receipt = k.receipt(out)
		}
		e := k.verdict(v, receipt)
		if v.Action == abi.Warn {
			k.observe(ctx, &Event{Kind: Warned, Verdict: *e})
			continue
		}
		if first == nil {
			first = e
		} else {
			first.Rows++
		}
	}
	switch {
	case first == nil:
		return nil
	case k.r.Shadow:
		k.observe(ctx, &Event{Kind: Shadowed, Verdict: *first})
		return nil
	}
	k.observe(ctx, &Event{Kind: Rejected, Verdict: *first})
	return first
}

func (k *call) observe(ctx context.Context, ev *Event) {
	k.r.counts.events[ev.Kind].Add(1)
	k.w.e.observe(ctx, ev)
}

func (k *call) verdict(v *abi.Record, receipt Receipt) *RejectedError {
	who := k.r.Validator.Identity()
	r := k.rows[v.Row]
	e := &RejectedError{Plugin: who.Name, Version: who.Version, Rule: v.Code, Op: k.op, Table: k.t.name, Key: k.c.label(r, k.w.e.cfg.Keys),
		Reason: abi.Cut(v.Message, abi.MaxMessage), Severity: v.Severity, Rows: 1, Receipt: receipt}
	if v.Col != abi.WholeRow {
		e.Column = k.t.cols[k.r.at[v.Col]]
	}
	return e
}

func (k *call) receipt(out *contract.Outcome) Receipt {
	who := k.r.Validator.Identity()
	r := Receipt{Module: who.Module, Config: who.Config, Fuel: out.Fuel}
	if b, err := k.w.batch.Append(nil); err == nil {
		sum := sha256.Sum256(b)
		r.Batch = hex.EncodeToString(sum[:])
	}
	return r
}

// failed is what a validator's failure means for its rows.
func (k *call) failed(ctx context.Context, cause error) error {
	who := k.r.Validator.Identity()
	var err error = &FaultError{Plugin: who.Name, Version: who.Version, Table: k.t.name, Cause: cause}
	if errors.Is(cause, contract.ErrQuarantined) {
		err = &QuarantinedError{Plugin: who.Name, Version: who.Version, Table: k.t.name, Cause: cause}
	}
	ev := Event{Kind: Failed, Err: err, Verdict: RejectedError{Plugin: who.Name, Version: who.Version, Table: k.t.name, Op: k.op, Rows: len(k.rows)}}
	if k.r.Allow || k.r.Shadow {
		ev.Kind, err = Allowed, nil
	}
	k.observe(ctx, &ev)
	return err
}
