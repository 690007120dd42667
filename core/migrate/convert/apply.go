package convert

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/sqltext"
)

// ErrProof matches a conversion that was given up because a row read back was not what had been computed, or rows were missing. Nothing of
// the kind is expected; it is what stands between a mistake of ours and the data.
var ErrProof = errors.New("the proof of the conversion failed")

// Apply converts the column inside the caller's open transaction. On an error the caller rolls back.
//
// # Errors
//
// [*LossError] with the rows that do not survive, where the directive says abort; [ErrSchema]; [ErrProof]; the context's cause;
// and what SQLite says, such as a constraint that the new values do not meet.
func Apply(ctx context.Context, c Conn, d *Directive, opt Options) (Result, error) {
	start := time.Now()
	if c.Autocommit() {
		return Result{}, fmt.Errorf("convert %s.%s: there is no open transaction; begin one first", d.Table, d.Column)
	}
	p, err := newPlan(c, d)
	if err != nil {
		return Result{}, err
	}
	j, err := newJob(ctx, c, d, opt, p.t, "convert")
	if err != nil {
		return Result{}, err
	}
	s, err := openShelf(c, d, opt)
	if err != nil {
		return Result{}, err
	}
	defer s.close()
	if err := s.write(definitionKey(), "definition", textValue(p.t.sql), sqlite.Value{}, d.String()); err != nil {
		return Result{}, err
	}
	if p.method == InPlace {
		err = j.inPlace(p, s)
	} else {
		err = j.rebuild(p, p.retyped, func(rowid sqlite.Value, values []sqlite.Value, out *table) (sqlite.Value, error) {
			return j.carry(s, values[p.t.storedAt()], func(now sqlite.Value) sqlite.Value { return p.newKey(out, rowid, values, now) })
		})
	}
	return Result{Method: p.method, Rows: j.rows, Lossy: j.lossy, Kept: s.count, Took: time.Since(start)}, err
}

// carry converts one value and keeps what would not come back by itself.
func (j *job) carry(s *shelf, old sqlite.Value, key func(sqlite.Value) sqlite.Value) (sqlite.Value, error) {
	out, v, reason := j.d.convert(old)
	if v == exact {
		return out, nil
	}
	if v == failed {
		j.loss(show(key(out)), reason)
		if !j.d.Quarantine {
			return out, nil // the scan goes on to find the others; nothing of it stays
		}
	}
	return out, s.keep(key(out), v, old, out, reason)
}

// given returns the error of a directive that lets no value go.
func (j *job) given() error {
	if j.lossy == 0 || j.d.Quarantine {
		return nil
	}
	return &LossError{Table: j.d.Table, Column: j.d.Column, Lossy: j.lossy, Rows: j.rows, First: j.first}
}

func (j *job) inPlace(p *plan, s *shelf) error {
	if err := j.exec(p.drops()); err != nil {
		return err
	}
	if err := j.exec([]string{"ALTER TABLE " + sqltext.QuoteName(p.t.name) + " ADD COLUMN " + p.shadowColumn()}); err != nil {
		return err
	}
	if err := j.fill(p, s); err != nil {
		return err
	}
	if err := j.given(); err != nil {
		return err
	}
	if err := j.prove(p, s); err != nil {
		return err
	}
	return j.exec(append(p.swap(), p.recreations()...))
}

// exec runs statements that change the schema.
func (j *job) exec(statements []string) error {
	for _, sql := range statements {
		if err := j.report(j.rows); err != nil {
			return err
		}
		if err := j.c.Exec(sql); err != nil {
			return fmt.Errorf("convert %s.%s: %s: %w", j.d.Table, j.d.Column, sql, err)
		}
	}
	return nil
}

// walk reads the rows in the order of their rowids, a block at a time with no cursor left open in between, so that each may write to them.
func (j *job) walk(p *plan, columns string, each func(row []sqlite.Value) error) (n int64, err error) {
	s, err := j.c.Prepare(fmt.Sprintf("SELECT %[1]s, %[2]s FROM %[3]s NOT INDEXED WHERE %[1]s >= ? ORDER BY %[1]s LIMIT %[4]d", p.t.rowid, columns, sqltext.QuoteName(p.t.name), blockRows))
	if err != nil {
		return 0, fmt.Errorf("convert: read %s: %w", p.t.name, err)
	}
	defer s.Release()
	var b sqlite.Block
	for from := int64(math.MinInt64); ; {
		if _, err := s.Begin([]any{from}, &b, blockRows); err != nil {
			return n, fmt.Errorf("convert: read %s: %w", p.t.name, err)
		}
		if err := s.Reset(); err != nil {
			return n, err
		}
		for i := range b.Len() {
			if err := each(b.Row(i)); err != nil {
				return n, err
			}
			n++
		}
		if n%reportEvery < blockRows {
			if err := j.report(n); err != nil {
				return n, err
			}
		}
		if b.Len() == 0 || b.Row(b.Len() - 1)[0].Int == math.MaxInt64 {
			return n, j.report(n)
		}
		from = b.Row(b.Len() - 1)[0].Int + 1
	}
}

func (j *job) fill(p *plan, s *shelf) error {
	update, err := j.c.Prepare(fmt.Sprintf("UPDATE %s SET %s = ? WHERE %s = ?", sqltext.QuoteName(p.t.name), sqltext.QuoteName(shadow(p.d.Column)), p.t.rowid))
	if err != nil {
		return fmt.Errorf("convert: fill %s: %w", p.t.name, err)
	}
	defer update.Release()
	args := make([]any, 2)
	empty := p.fallback == "" || p.fallback == "NULL" // the shadow holds NULL already
	j.rows, err = j.walk(p, sqltext.QuoteName(p.d.Column), func(row []sqlite.Value) error {
		out, err := j.carry(s, row[1], func(sqlite.Value) sqlite.Value { return row[0] })
		if err != nil || out.Type == sqlite.Null && empty || j.lossy > 0 && !j.d.Quarantine {
			return err
		}
		args[0], args[1] = out, row[0].Int
		if err := run(update, args); err != nil {
			return fmt.Errorf("convert %s.%s: row %d: %w", p.d.Table, p.d.Column, row[0].Int, err)
		}
		return nil
	})
	return err
}

// prove reads every row back, with the old value beside the new one: the new one has to be what was computed, and to lead back to the old one
// unless the old one is kept.
func (j *job) prove(p *plan, s *shelf) error {
	j.phase = "prove"
	kept := int64(0)
	n, err := j.walk(p, sqltext.QuoteName(p.d.Column)+", "+sqltext.QuoteName(shadow(p.d.Column)), func(row []sqlite.Value) error {
		want, v, _ := j.d.convert(row[1])
		if !same(want, row[2]) {
			return fmt.Errorf("convert %s.%s: %w: row %d is stored as %s in a column of %s", p.d.Table, p.d.Column, ErrProof, row[0].Int, row[2].Type, typeName(p.d.To))
		}
		if v != exact {
			kept++
			return nil
		}
		if row[2].Type == sqlite.Null {
			return nil
		}
		if back, reason := j.d.mapping.back(row[2]); reason != "" || !same(back, row[1]) {
			return fmt.Errorf("convert %s.%s: %w: row %d does not come back", p.d.Table, p.d.Column, ErrProof, row[0].Int)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return j.complete(p, n, kept, s)
}

// complete compares the counts: every row was seen twice, and every former value that is needed is kept.
func (j *job) complete(p *plan, n, kept int64, s *shelf) error {
	size, err := s.size()
	if err != nil {
		return fmt.Errorf("convert: count what is kept: %w", err)
	}
	if n != j.total || j.rows != j.total || kept != s.count || size != kept+1 {
		return fmt.Errorf("convert %s.%s: %w: %d rows, %d converted, %d read back; %d former values needed, %d kept", p.d.Table, p.d.Column, ErrProof, j.total, j.rows, n, kept, size-1)
	}
	return nil
}
