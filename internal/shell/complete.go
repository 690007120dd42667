package shell

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tidegate/engine/internal/sqltext"
)

// completionTime bounds the look at the schema while a person waits for the Tab key.
const completionTime = time.Second

// relation is a table or a view as completion knows it.
type relation struct {
	name    string
	columns []string
}

// Complete returns what the word before pos (in runes) can become: head, one of the candidates, and tail are the line then. It is for an
// Editor, while its Line runs.
func (s *Shell) Complete(line string, pos int) (head string, candidates []string, tail string) {
	runes := []rune(line)
	pos = min(max(pos, 0), len(runes))
	before, tail := string(runes[:pos]), string(runes[pos:])
	ctx, cancel := context.WithTimeout(s.life, completionTime)
	defer cancel()
	if !s.typed.pending() && strings.HasPrefix(strings.TrimLeft(before, " \t"), ".") {
		head, candidates = s.completeCommand(ctx, before)
		return head, candidates, tail
	}
	from := len(before)
	for from > 0 && sqltext.WordByte(before[from-1]) {
		from--
	}
	part := before[from:]
	head = before[:from]
	text := s.typed.text.String() + before + " " + tail
	if s.typed.open != "" || inside(s.typed.text.String()+before) {
		return head, nil, tail // a literal or a comment
	}
	return head, matching(part, s.words(ctx, text, head)), tail
}

// inside reports whether the text ends in an open literal or comment.
func inside(text string) bool {
	open := ""
	for at := 0; at < len(text); {
		at, _, open = sqltext.Scan(text, at)
	}
	return open != ""
}

func (s *Shell) completeCommand(ctx context.Context, before string) (head string, candidates []string) {
	trimmed := strings.TrimLeft(before, " \t")
	name, args, spaced := strings.Cut(trimmed[1:], " ")
	if !spaced {
		var names []string
		for _, c := range commands() {
			names = append(names, c.name)
		}
		return before[:len(before)-len(name)], matching(name, names)
	}
	c, err := find(strings.ToLower(name))
	if err != nil {
		return before, nil
	}
	switch c.name {
	case "plan", "explain":
		from := len(before)
		for from > 0 && sqltext.WordByte(before[from-1]) {
			from--
		}
		return before[:from], matching(before[from:], s.words(ctx, args, before[:from]))
	case "read", "output":
		return before[:len(before)-len(args)], files(args)
	}
	if c.of == nil || strings.Contains(strings.TrimLeft(args, " "), " ") {
		return before, nil
	}
	part := strings.TrimLeft(args, " ")
	return before[:len(before)-len(part)], matching(part, c.of(s, ctx))
}

// files lists what a path may become; folders end in a separator.
func files(part string) []string {
	found, err := filepath.Glob(strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(part) + "*")
	if err != nil {
		return nil
	}
	return found
}

// words are the candidates at a place in a statement: columns behind a dot, tables where only they can stand, else the columns of the
// tables that the statement names, tables and keywords.
func (s *Shell) words(ctx context.Context, text, head string) []string {
	catalog := s.catalog(ctx)
	if trimmed := strings.TrimSuffix(head, "."); trimmed != head {
		from := len(trimmed)
		for from > 0 && sqltext.WordByte(trimmed[from-1]) {
			from--
		}
		return columnsOf(catalog, text, trimmed[from:])
	}
	var out []string
	tables := make([]string, len(catalog))
	for i, r := range catalog {
		tables[i] = quoted(r.name)
	}
	if fields := strings.Fields(head); len(fields) > 0 {
		switch strings.ToUpper(strings.TrimLeft(fields[len(fields)-1], "(")) {
		case "FROM", "JOIN", "INTO", "UPDATE", "TABLE", "REFERENCES":
			return tables
		}
	}
	for _, r := range named(catalog, text) {
		for _, c := range r.columns {
			out = append(out, quoted(c))
		}
	}
	return append(append(out, tables...), keywords...)
}

// named returns the tables that the text names.
func named(catalog []relation, text string) []relation {
	var out []relation
	for at := 0; at < len(text); {
		to, k, _ := sqltext.Scan(text, at)
		if k == sqltext.Word || k == sqltext.Quoted {
			bare := unquotedName(text[at:to])
			for _, r := range catalog {
				if strings.EqualFold(r.name, bare) {
					out = append(out, r)
				}
			}
		}
		at = to
	}
	return out
}

// columnsOf returns the columns of a table, or of what an alias stands for in the text: a table name with the alias behind it.
func columnsOf(catalog []relation, text, qualifier string) []string {
	var words []string
	for at := 0; at < len(text); {
		to, k, _ := sqltext.Scan(text, at)
		if k != sqltext.Blank && !strings.EqualFold(text[at:to], "AS") {
			words = append(words, unquotedName(text[at:to]))
		}
		at = to
	}
	var out []string
	for _, r := range catalog {
		match := strings.EqualFold(r.name, qualifier)
		for i := 1; i < len(words) && !match; i++ {
			match = strings.EqualFold(words[i], qualifier) && strings.EqualFold(words[i-1], r.name)
		}
		if match {
			for _, c := range r.columns {
				out = append(out, quoted(c))
			}
		}
	}
	return out
}

// catalog reads the names of tables and columns. A view that is broken hides the columns of all; the names of tables are left then.
func (s *Shell) catalog(ctx context.Context) []relation {
	rows, err := s.query(ctx, `SELECT m.name, p.name FROM sqlite_schema m LEFT JOIN pragma_table_xinfo(m.name) p
		WHERE m.type IN ('table', 'view') ORDER BY m.name, p.cid`)
	if err != nil {
		if rows, err = s.query(ctx, "SELECT name, NULL FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY name"); err != nil {
			return nil
		}
	}
	var out []relation
	for _, r := range rows {
		table, _ := r[0].(string)
		if len(out) == 0 || out[len(out)-1].name != table {
			out = append(out, relation{name: table})
		}
		if column, ok := r[1].(string); ok {
			last := &out[len(out)-1]
			last.columns = append(last.columns, column)
		}
	}
	return out
}

func (s *Shell) relations(ctx context.Context) []string {
	var out []string
	for _, r := range s.catalog(ctx) {
		out = append(out, r.name)
	}
	return out
}

// quoted writes a name so that SQL takes it for one.
func quoted(n string) string {
	to, k := 0, sqltext.Other
	if n != "" {
		to, k, _ = sqltext.Scan(n, 0)
	}
	if k == sqltext.Word && to == len(n) && !sqltext.Digit(n[0]) && !slices.Contains(keywords, strings.ToUpper(n)) {
		return n
	}
	return `"` + strings.ReplaceAll(n, `"`, `""`) + `"`
}

func unquotedName(n string) string {
	if len(n) < 2 || strings.IndexByte("\"`[", n[0]) < 0 {
		return n
	}
	return strings.ReplaceAll(n[1:len(n)-1], `""`, `"`)
}

// matching returns the words that begin with part, whatever the case, each once. Keywords follow the case of what was typed.
func matching(part string, words []string) []string {
	lower := part != "" && part == strings.ToLower(part)
	var out []string
	for _, w := range words {
		if len(w) < len(part) || !strings.EqualFold(strings.TrimLeft(w, `"`)[:min(len(part), len(strings.TrimLeft(w, `"`)))], part) {
			continue
		}
		if lower && slices.Contains(keywords, w) {
			w = strings.ToLower(w)
		}
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// keywords are those of SQLite that people write; the rest are names as well.
var keywords = []string{
	"ADD", "ALL", "ALTER", "ANALYZE", "AND", "AS", "ASC", "AUTOINCREMENT", "BEFORE", "BEGIN", "BETWEEN", "BY", "CASCADE", "CASE", "CAST",
	"CHECK", "COLLATE", "COLUMN", "COMMIT", "CONFLICT", "CONSTRAINT", "CREATE", "CROSS", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP",
	"DEFAULT", "DEFERRABLE", "DELETE", "DESC", "DISTINCT", "DO", "DROP", "EACH", "ELSE", "END", "ESCAPE", "EXCEPT", "EXISTS", "EXPLAIN",
	"FILTER", "FOLLOWING", "FOR", "FOREIGN", "FROM", "FULL", "GENERATED", "GLOB", "GROUP", "HAVING", "IF", "IGNORE", "IMMEDIATE", "IN",
	"INDEX", "INDEXED", "INNER", "INSERT", "INSTEAD", "INTERSECT", "INTO", "IS", "JOIN", "KEY", "LEFT", "LIKE", "LIMIT", "MATERIALIZED",
	"NATURAL", "NOT", "NOTHING", "NULL", "NULLS", "OF", "OFFSET", "ON", "ONLY", "OR", "ORDER", "OUTER", "OVER", "PARTITION", "PLAN", "PRAGMA",
	"PRECEDING", "PRIMARY", "QUERY", "RANGE", "READ", "RECURSIVE", "REFERENCES", "REINDEX", "RELEASE", "RENAME", "REPLACE", "RESTRICT",
	"RETURNING", "RIGHT", "ROLLBACK", "ROW", "ROWS", "SAVEPOINT", "SELECT", "SET", "STRICT", "TABLE", "THEN", "TO", "TRANSACTION", "TRIGGER",
	"UNBOUNDED", "UNION", "UNIQUE", "UPDATE", "USING", "VALUES", "VIEW", "VIRTUAL", "WHEN", "WHERE", "WINDOW", "WITH", "WITHOUT",
}
