package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// plan shows the plan of a statement, or of the last one. Parameters have the values of .param, because a plan may depend on them; those
// without one are NULL.
func (s *Shell) plan(ctx context.Context, args string) error {
	sql := strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(args), ";"))
	if sql == "" {
		sql = s.last
	}
	if sql == "" {
		return errors.New("no statement has run yet: .plan SQL shows the plan of one")
	}
	st := read(sql)
	if st.control != controlNone {
		return errors.New("BEGIN, COMMIT and ROLLBACK have no plan")
	}
	values := make([]any, len(st.params))
	for i, p := range st.params {
		values[i] = s.params[p]
	}
	if !st.plan {
		sql = "EXPLAIN QUERY PLAN " + sql
	}
	return s.with(ctx, func(ctx context.Context, q querier, opts []any) error {
		return s.tree(ctx, q, sql, append(values, opts...))
	})
}

// step is a line of a plan.
type step struct {
	detail string
	below  []*step
}

// tree runs an EXPLAIN QUERY PLAN and shows it as the tree that it is.
func (s *Shell) tree(ctx context.Context, q querier, sql string, args []any) error {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	root := &step{}
	steps := map[int64]*step{0: root}
	for row, err := range rows.All() {
		if err != nil {
			return err
		}
		var id, parent, unused int64
		st := &step{}
		if err := row.Scan(&id, &parent, &unused, &st.detail); err != nil {
			return err
		}
		steps[id] = st
		above := steps[parent]
		if above == nil {
			above = root
		}
		above.below = append(above.below, st)
	}
	if len(root.below) == 0 {
		_, err := fmt.Fprintln(s.out, "no plan: the statement reads no table")
		return err
	}
	return root.draw(s.out, "")
}

// draw writes what is below a step.
func (p *step) draw(w io.Writer, indent string) error {
	for i, st := range p.below {
		branch, trunk := "├─ ", "│  "
		if i == len(p.below)-1 {
			branch, trunk = "└─ ", "   "
		}
		if _, err := fmt.Fprintln(w, indent+branch+Plain(st.detail)); err != nil {
			return err
		}
		if err := st.draw(w, indent+trunk); err != nil {
			return err
		}
	}
	return nil
}
