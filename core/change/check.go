package change

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

// Check is a declared rule: an expression of SQL over the columns of one row, which must not be false after an INSERT or an UPDATE. NULL passes, as in a
// CHECK constraint; unlike one it can be added to a table and taken away without touching it.
type Check struct {
	// Table is the watched table.
	Table string
	// Expr is the expression, such as "qty > 0 AND side IN ('B', 'S')". It sees the columns of the row, computed ones included, with the types and collations of the
	// table. A subquery may look at other rows, but nothing asks again when those change.
	Expr string
	// Message is the reason that a caller gets; "" is the expression.
	Message string
}

// check is a Check as a validator; the engine evaluates it itself.
type check struct {
	Check
	code uint32
}

func (c Check) rule(code uint32) (contract.Rule, error) {
	switch {
	case strings.TrimSpace(c.Table) == "":
		return contract.Rule{}, fmt.Errorf("check %d names no table", code)
	case strings.TrimSpace(c.Expr) == "":
		return contract.Rule{}, fmt.Errorf("check %d, of table %s, has no expression", code, c.Table)
	}
	return contract.Rule{Table: c.Table, Ops: contract.OnInsert | contract.OnUpdate, Validator: &check{Check: c, code: code}}, nil
}

// Identity implements contract.Validator.
func (c *check) Identity() contract.Identity {
	return contract.Identity{Name: "check " + strconv.Itoa(int(c.code))}
}

// Validate implements contract.Validator. The engine does not call it: an expression needs the connection.
func (c *check) Validate(context.Context, *abi.Batch, time.Time) (contract.Outcome, error) {
	return contract.Outcome{}, fmt.Errorf("check %d is evaluated on a connection", c.code)
}

// columns are those that the expression may use.
func (c *check) columns(all []column) []string {
	var names []string
	for _, col := range all {
		if !col.virtual {
			names = append(names, col.name)
		}
	}
	return names
}

// query evaluates the expression over one row, as the table holds it: with its types, its collations and its computed columns, as a CHECK constraint would. The
// expression stands between parentheses on lines of its own, so that a comment in it ends.
func (c *check) query(t *table) string {
	return "SELECT ((\n" + c.Expr + "\n) IS NOT FALSE)" + t.byKey()
}

// check evaluates an expression for the rows of a call.
func (w *warden) check(c *check, k *call) (out contract.Outcome, err error) {
	defer w.quietly()()
	if k.t.pk == nil && k.t.rowid == "" {
		return out, errors.New(hiddenRowid)
	}
	guard := w.conn.Guard()
	w.conn.SetGuard(sqlite.Guard{ReadOnly: true})
	defer w.conn.SetGuard(guard)
	s, err := w.conn.Prepare(k.r.query)
	if err != nil {
		return out, err
	}
	defer s.Release()
	args := make([]any, max(1, len(k.t.pk)))
	var b sqlite.Block
	for n, r := range k.rows {
		if args[0] = r.to.id; k.t.pk != nil {
			row := k.c.image(k.t, r.new)
			for i, at := range k.t.pk {
				args[i] = row[at]
			}
		}
		if err := s.Bind(args); err != nil {
			return out, err
		}
		if _, err := s.Fetch(&b, 1); err != nil {
			return out, err
		}
		if b.Len() != 1 {
			return out, fmt.Errorf("row %s cannot be read again", k.c.label(r, w.e.cfg.Keys))
		}
		if b.Row(0)[0].Int != 0 {
			continue
		}
		reason := c.Message
		if reason == "" {
			reason = "it must hold that " + c.Expr
		}
		out.Verdicts = append(out.Verdicts, abi.Record{Row: uint32(n), Code: c.code, Col: abi.WholeRow, Action: abi.Reject, Severity: abi.SeverityError, Message: reason})
	}
	return out, nil
}
