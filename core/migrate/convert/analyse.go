package convert

import (
	"context"
	"fmt"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/sqltext"
)

// blockRows is how many rows are held at a time; the block itself ends earlier where values are large.
const blockRows = 512

// Analyse reads every row and says what Apply would do. It writes nothing.
//
// # Errors
//
// [ErrSchema] for a directive that does not fit; the context's cause; those of reading.
func Analyse(ctx context.Context, c Conn, d *Directive, opt Options) (Analysis, error) {
	p, err := newPlan(c, d)
	if err != nil {
		return Analysis{}, err
	}
	a := Analysis{Directive: d.String(), Method: p.method, Why: p.why, Readers: p.t.readers(d), Unstable: p.t.unstable(), Statements: p.statements()}
	j, err := newJob(ctx, c, d, opt, p.t, "analyse")
	if err != nil {
		return Analysis{}, err
	}
	err = j.scan(p.t.name, p.t, func(rowid sqlite.Value, values []sqlite.Value) error {
		old := values[p.t.storedAt()]
		if old.Type == sqlite.Null {
			j.nulls++
		}
		switch out, v, reason := d.convert(old); v {
		case failed:
			j.loss(show(p.newKey(p.t, rowid, values, out)), reason)
		case spelled:
			j.spelled++
		}
		return nil
	})
	a.Rows, a.Nulls, a.Lossy, a.Spelled, a.First = j.rows, j.nulls, j.lossy, j.spelled, j.first
	return a, err
}

// newKey is the key that a row will have in the table out, whose columns stand in the same order: the column may be a part of it, and may
// become the rowid.
func (p *plan) newKey(out *table, rowid sqlite.Value, values []sqlite.Value, now sqlite.Value) sqlite.Value {
	if p.t.columns[p.t.at].Key == 0 || now.Type == sqlite.Null {
		return out.keyOf(rowid, values)
	}
	changed := append([]sqlite.Value{}, values...)
	changed[p.t.storedAt()] = now
	return out.keyOf(rowid, changed)
}

// storedAt is the place of the column among the stored ones.
func (t *table) storedAt() int {
	n := 0
	for _, c := range t.columns[:t.at] {
		if c.Hidden == 0 {
			n++
		}
	}
	return n
}

// job is one pass, or several, over a table.
type job struct {
	ctx   context.Context
	c     Conn
	d     *Directive
	opt   Options
	phase string
	total int64
	tally
}

func newJob(ctx context.Context, c Conn, d *Directive, opt Options, t *table, phase string) (*job, error) {
	n, err := c.QueryInt("SELECT count(*) FROM " + sqltext.QuoteName(t.name))
	if err != nil {
		return nil, fmt.Errorf("convert: count the rows of %s: %w", t.name, err)
	}
	return &job{ctx: ctx, c: c, d: d, opt: opt, phase: phase, total: n}, nil
}

// report says how far it is, and whether it may go on.
func (j *job) report(done int64) error {
	if j.opt.Progress != nil {
		j.opt.Progress(Progress{Table: j.d.Table, Column: j.d.Column, Phase: j.phase, Done: done, Total: j.total})
	}
	if j.ctx.Err() != nil {
		return context.Cause(j.ctx)
	}
	return nil
}

// reportEvery is how many rows go by between two reports.
const reportEvery = 16 * blockRows

// scan reads all rows of a table through one cursor; whoever is called must not write to it. rowid is NULL where there is none.
func (j *job) scan(name string, t *table, each func(rowid sqlite.Value, values []sqlite.Value) error) error {
	list := ""
	if t.rowid != "" {
		list = t.rowid + ", "
	}
	for i, n := range t.stored() {
		if i > 0 {
			list += ", "
		}
		list += sqltext.QuoteName(n)
	}
	s, err := j.c.Prepare("SELECT " + list + " FROM " + sqltext.QuoteName(name) + " NOT INDEXED")
	if err != nil {
		return fmt.Errorf("convert: read %s: %w", name, err)
	}
	defer s.Release()
	var b sqlite.Block
	for more := true; more; {
		if more, err = s.Fetch(&b, blockRows); err != nil {
			return fmt.Errorf("convert: read %s: %w", name, err)
		}
		for i := range b.Len() {
			row := b.Row(i)
			rowid := sqlite.Value{}
			if t.rowid != "" {
				rowid, row = row[0], row[1:]
			}
			if err := each(rowid, row); err != nil {
				return err
			}
			if j.rows++; j.rows%reportEvery == 0 {
				if err := j.report(j.rows); err != nil {
					return err
				}
			}
		}
	}
	return j.report(j.rows)
}
