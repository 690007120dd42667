package shell

import (
	"context"
	"fmt"
	"strings"
)

// belongs leaves out what nobody has made by hand: SQLite's own tables and the engine's, unless the pattern asks for them.
const belongs = ` AND (?2 OR (name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name NOT LIKE '\_tg\_%' ESCAPE '\'))`

// pattern reads the argument of .tables and its like. A name in quotes means that name.
func pattern(args string) (like string, all bool) {
	args = strings.TrimSuffix(unquoted(strings.TrimSpace(strings.TrimSuffix(args, ";"))), ";")
	if args == "" {
		return "%", false
	}
	return args, true
}

// query runs a query of the shell's own where the person's run, so that it sees what they see.
func (s *Shell) query(ctx context.Context, sql string, args ...any) (rows [][]any, err error) {
	err = s.with(ctx, func(ctx context.Context, q querier, opts []any) error {
		found, err := q.Query(ctx, sql, append(args, opts...)...)
		if err != nil {
			return err
		}
		for row, err := range found.All() {
			if err != nil {
				return err
			}
			values, err := row.Values()
			if err != nil {
				return err
			}
			rows = append(rows, values)
		}
		return nil
	})
	return rows, err
}

// tables lists names, in as many columns as the terminal has room for.
func (s *Shell) tables(ctx context.Context, args string) error {
	like, all := pattern(args)
	rows, err := s.query(ctx, "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name LIKE ?1"+belongs+" ORDER BY name", like, all)
	if err != nil {
		return err
	}
	if s.set.Mode != "table" {
		return s.list([]string{"name"}, rows)
	}
	names, widest := make([]string, len(rows)), 0
	for i, r := range rows {
		names[i] = Plain(fmt.Sprint(r[0]))
		widest = max(widest, len([]rune(names[i])))
	}
	width := 0
	if s.file == nil && s.cfg.Width != nil {
		width = s.cfg.Width()
	}
	across := max(1, (width+2)/(widest+2))
	down := (len(names) + across - 1) / across
	for y := range down {
		var line strings.Builder
		for i := y; i < len(names); i += down {
			fmt.Fprintf(&line, "%-*s", widest+2, names[i])
		}
		if _, err := fmt.Fprintln(s.out, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

func (s *Shell) schema(ctx context.Context, args string) error {
	like, all := pattern(args)
	rows, err := s.query(ctx, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND (name LIKE ?1 OR tbl_name LIKE ?1)"+belongs+
		" ORDER BY tbl_name, type <> 'table', type, name", like, all)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if _, err := fmt.Fprintf(s.out, "%s;\n", Plain(fmt.Sprint(r[0]))); err != nil {
			return err
		}
	}
	return nil
}

func (s *Shell) indexes(ctx context.Context, args string) error {
	like, all := pattern(args)
	rows, err := s.query(ctx, `SELECT m.name, m.tbl_name, l."unique", l.partial,
		(SELECT group_concat(coalesce(name, '(expression)') || iif("desc", ' DESC', ''), ', ' ORDER BY seqno) FROM pragma_index_xinfo(m.name) WHERE key)
		FROM (SELECT name, tbl_name FROM sqlite_schema WHERE type = 'index' AND (tbl_name LIKE ?1 OR name LIKE ?1)`+strings.ReplaceAll(belongs, "(name NOT LIKE", "(tbl_name NOT LIKE")+`) m
		JOIN pragma_index_list(m.tbl_name) l ON l.name = m.name ORDER BY m.tbl_name, m.name`, like, all)
	if err != nil {
		return err
	}
	for _, r := range rows {
		for _, i := range []int{2, 3} {
			r[i] = map[bool]string{true: "yes", false: "no"}[r[i] == int64(1)]
		}
	}
	return s.list([]string{"index", "table", "unique", "partial", "columns"}, rows)
}
