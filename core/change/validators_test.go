package change_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

// answers gives one verdict, whatever it is asked.
type answers struct{ abi.Record }

func (answers) Identity() contract.Identity { return contract.Identity{Name: "answers", Version: "1"} }

func (a answers) Validate(context.Context, *abi.Batch, time.Time) (contract.Outcome, error) {
	return contract.Outcome{Verdicts: []abi.Record{a.Record}}, nil
}

// versioned notes the first version that a transaction meets, and counts those that meet another.
type versioned struct {
	rule
	n     int
	mixed *atomic.Int64
}

type seenKey struct{}

type seen struct{ version atomic.Int64 }

func (v *versioned) Validate(ctx context.Context, b *abi.Batch, at time.Time) (contract.Outcome, error) {
	box := ctx.Value(seenKey{}).(*seen)
	if n := int64(v.n) + 1; !box.version.CompareAndSwap(0, n) && box.version.Load() != n {
		v.mixed.Add(1)
	}
	return v.rule.Validate(ctx, b, at)
}

// asks looks something up.
type asks struct {
	sql  string
	got  string
	part bool // the answer was cut
}

func (*asks) Identity() contract.Identity { return contract.Identity{Name: "asks", Version: "1"} }

func (a *asks) Validate(ctx context.Context, b *abi.Batch, _ time.Time) (out contract.Outcome, err error) {
	var args abi.Batch
	args.Reset(abi.OpScan, 0, 1)
	args.Int(2)
	raw, err := args.Append(nil)
	if err != nil {
		return out, err
	}
	first, err := abi.Decode(raw)
	if err != nil {
		return out, err
	}
	answer, err := contract.StoreFrom(ctx).Query(ctx, a.sql, first, 2)
	if err != nil {
		return out, err
	}
	rows, err := abi.Decode(answer)
	if err != nil {
		return out, err
	}
	a.got, a.part = "", rows.Partial()
	for i := range rows.Len() {
		var vals []any
		for c := range rows.Columns() {
			vals = append(vals, cell(rows.Cell(i, abi.New, c)))
		}
		a.got += fmt.Sprint(vals) + " "
	}
	return out, nil
}

// whole counts the batches that do not hold so many rows.
type whole struct {
	rows  int
	wrong atomic.Int64
}

func (*whole) Identity() contract.Identity { return contract.Identity{Name: "whole", Version: "1"} }

func (w *whole) Validate(_ context.Context, b *abi.Batch, _ time.Time) (contract.Outcome, error) {
	if b.Rows() != w.rows {
		w.wrong.Add(1)
	}
	return contract.Outcome{}, nil
}
