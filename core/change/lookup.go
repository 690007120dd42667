package change

import (
	"context"
	"errors"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

var _ contract.Store = (*warden)(nil)

// Query implements contract.Store: a validator reads in the transaction that it judges, what that transaction has changed included.
func (w *warden) Query(ctx context.Context, sql string, args abi.Rows, most int) ([]byte, error) {
	defer w.quietly()()
	guard := w.conn.Guard()
	w.conn.SetGuard(sqlite.Guard{ReadOnly: true})
	defer w.conn.SetGuard(guard)
	before := w.conn.SetContext(ctx) // an interrupted read undoes nothing
	defer w.conn.SetContext(before)
	s, err := w.conn.Prepare(sql)
	if err != nil {
		return nil, err
	}
	defer s.Release()
	if err := s.Bind(arguments(args)); err != nil {
		return nil, err
	}
	var block sqlite.Block
	var out abi.Batch
	rows := 0
	for more := true; more && rows < most; {
		if more, err = s.Fetch(&block, most-rows); err != nil {
			return nil, err
		}
		if rows == 0 {
			out.Reset(abi.OpScan, 0, len(s.Class().Columns))
		}
		for i := range block.Len() {
			row := block.Row(i)
			for c := range row {
				put(&out, &row[c])
			}
		}
		rows += block.Len()
	}
	if rows == 0 {
		out.Reset(abi.OpScan, 0, len(s.Class().Columns))
	}
	if rows == most { // there may be more, and who asked must know
		if _, err = s.Fetch(&block, 1); err != nil {
			return nil, err
		}
		if block.Len() > 0 {
			out.SetPartial()
		}
	}
	b, err := out.Append(nil)
	if err != nil {
		return nil, errors.New("the answer of a lookup does not fit a batch")
	}
	return b, nil
}

// arguments are the cells of the first row.
func arguments(rows abi.Rows) []any {
	if rows.Len() == 0 {
		return nil
	}
	args := make([]any, rows.Columns())
	for i := range args {
		switch c := rows.Cell(0, abi.New, i); c.Type() {
		case abi.Integer:
			args[i] = c.Int()
		case abi.Float:
			args[i] = c.Float()
		case abi.Text:
			args[i] = string(c.Bytes())
		case abi.Blob:
			args[i] = append([]byte{}, c.Bytes()...)
		}
	}
	return args
}
