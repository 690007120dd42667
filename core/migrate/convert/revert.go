package convert

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/sqltext"
)

// Revert takes a conversion back inside the caller's open transaction: every row whose converted value is still what Apply had made of it gets
// its former bytes and storage class; rows that were changed or added since are converted the other way. The table gets its former text
// back where its columns are still the same.
//
// # Errors
//
// As [Apply]. A value that was written since and has no counterpart in the old type is a [*LossError]; it is never dropped.
func Revert(ctx context.Context, c Conn, d *Directive, opt Options) (Result, error) {
	start := time.Now()
	if c.Autocommit() {
		return Result{}, fmt.Errorf("convert %s.%s: there is no open transaction; begin one first", d.Table, d.Column)
	}
	back := d.inverse()
	p, err := newRevertPlan(c, back)
	if err != nil {
		return Result{}, err
	}
	j, err := newJob(ctx, c, back, opt, p.t, "revert")
	if err != nil {
		return Result{}, err
	}
	s, err := openShelf(c, d, opt)
	if err != nil {
		return Result{}, err
	}
	defer s.close()
	size, err := s.size()
	if err != nil {
		return Result{}, fmt.Errorf("convert: count what is kept: %w", err)
	}
	former, _, found, err := s.find(definitionKey())
	if err != nil {
		return Result{}, err
	}
	text := p.retyped
	if found && sameColumns(p.t, string(former.Bytes)) {
		text = string(former.Bytes)
	}
	restored := int64(0)
	err = j.rebuild(p, text, func(rowid sqlite.Value, values []sqlite.Value, _ *table) (sqlite.Value, error) {
		current := values[p.t.storedAt()]
		key := p.t.keyOf(rowid, values)
		if size > 1 {
			old, now, found, err := s.find(key)
			if err != nil {
				return old, err
			}
			if found && same(now, current) {
				restored++
				return old, nil
			}
		}
		out, v, reason := back.convert(current)
		if v == failed {
			j.loss(show(key), reason)
		}
		return out, nil
	})
	if err == nil {
		err = s.clear()
	}
	return Result{Method: Rebuild, Rows: j.rows, Restored: restored, Took: time.Since(start)}, err
}

// newRevertPlan is newPlan for a table that is rebuilt with the former text: the default stands in it and need not be converted.
func newRevertPlan(c Conn, back *Directive) (*plan, error) {
	t, err := readTable(c, back)
	if err != nil {
		return nil, err
	}
	p := &plan{d: back, t: t, method: Rebuild, why: "the former text of the table comes back"}
	ok := false
	if p.def, ok = definitionOf(t.sql, back.Column); !ok {
		return nil, misfit(back, "its column cannot be found in the text of the table")
	}
	if span, plain := p.def.defaultSpan(); span != nil && plain {
		if err := p.convertDefault(); err != nil {
			p.fallback = "NULL"
		}
	}
	p.retyped = p.def.retype(back.To, p.fallback)
	return p, nil
}

// sameColumns reports whether the former text has the columns that the table has now, in whatever order.
func sameColumns(t *table, former string) bool {
	count := 0
	for _, c := range t.columns {
		if _, ok := definitionOf(former, c.Name); !ok {
			return false
		}
		count++
	}
	return count == columnCount(former)
}

// columnCount is how many columns the text of a table defines.
func columnCount(sql string) int {
	all := sqltext.Tokenize(sql)
	open := 0
	for open < len(all) && all[open].Text != "(" {
		open++
	}
	n := 0
	for i := open + 1; i < len(all); {
		end := partEnd(all, i)
		if end > i && !tableConstraint(all[i]) {
			n++
		}
		if end >= len(all) || strings.HasPrefix(all[end].Text, ")") {
			break
		}
		i = end + 1
	}
	return n
}
