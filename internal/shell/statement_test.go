package shell

import (
	"errors"
	"slices"
	"testing"
)

func TestStatement(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sql     string
		verb    string
		rows    bool
		changes bool
		control control
	}{
		{"select 1", "SELECT", true, false, controlNone},
		{"VALUES (1)", "VALUES", true, false, controlNone},
		{"PRAGMA table_info(t)", "PRAGMA", true, false, controlNone},
		{"EXPLAIN DELETE FROM t", "EXPLAIN", true, false, controlNone},
		{"/* x */ INSERT INTO t SELECT 1", "INSERT", false, true, controlNone},
		{"INSERT INTO t VALUES (1) RETURNING a", "INSERT", true, true, controlNone},
		{"INSERT INTO t VALUES ('RETURNING')", "INSERT", false, true, controlNone},
		{"WITH x AS (SELECT 1) SELECT * FROM x", "SELECT", true, false, controlNone},
		{"WITH x AS (SELECT 1) UPDATE t SET a = 1", "UPDATE", false, true, controlNone},
		{"WITH x AS (DELETE) INSERT INTO t VALUES (1)", "INSERT", false, true, controlNone},
		{"CREATE TABLE t (a)", "CREATE", false, false, controlNone},
		{"BEGIN", "BEGIN", false, false, controlBegin},
		{"begin exclusive transaction", "BEGIN", false, false, controlBegin},
		{"BEGIN READ ONLY", "BEGIN", false, false, controlBeginRead},
		{"BEGIN TRANSACTION READ ONLY", "BEGIN", false, false, controlBeginRead},
		{"BEGIN LATER", "BEGIN", false, false, controlUnknown},
		{"COMMIT TRANSACTION", "COMMIT", false, false, controlCommit},
		{"END", "END", false, false, controlCommit},
		{"ROLLBACK", "ROLLBACK", false, false, controlRollback},
		{"ROLLBACK TRANSACTION", "ROLLBACK", false, false, controlRollback},
		{"ROLLBACK TO a", "ROLLBACK", false, false, controlNone},
		{"ROLLBACK TRANSACTION TO SAVEPOINT a", "ROLLBACK", false, false, controlNone},
		{"(1)", "", false, false, controlNone},
	} {
		st := read(c.sql)
		if st.verb != c.verb || st.rows != c.rows || st.changes() != c.changes || st.control != c.control {
			t.Errorf("%s: verb %q, rows %v, changes %v, control %d; want %q, %v, %v, %d", c.sql, st.verb, st.rows, st.changes(), st.control, c.verb, c.rows, c.changes, c.control)
		}
	}
}

// Parameters have the numbers that SQLite gives them.
func TestStatementParameters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sql  string
		want []string
	}{
		{"SELECT ?, ?", []string{"?1", "?2"}},
		{"SELECT ?3, ?", []string{"", "", "?3", "?4"}},
		{"SELECT :a, @a, $a, :a, ?", []string{":a", "@a", "$a", "?4"}},
		{"SELECT ?2, :a, ?1", []string{"?1", "?2", ":a"}},
		{"SELECT ':a', \"?\", [:b], x->'$.c' -- :d", nil},
		{"SELECT a:b", []string{":b"}},
	} {
		if st := read(c.sql); !slices.Equal(st.params, c.want) {
			t.Errorf("%s: %q, want %q", c.sql, st.params, c.want)
		}
	}
	st := read("SELECT ?2, :a")
	if args, err := st.bind(map[string]any{"?2": "x", ":a": 7}); err != nil || !slices.Equal(args, []any{nil, "x", 7}) {
		t.Errorf("bound %v, %v", args, err)
	}
	var unbound *unboundError
	if _, err := st.bind(map[string]any{"?2": "x"}); !errors.As(err, &unbound) || unbound.name != ":a" {
		t.Errorf("a parameter without a value: %v", err)
	}
}
