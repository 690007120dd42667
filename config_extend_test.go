package engine_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

// extended opens a database with functions, a collation and both modules.
func extended(t *testing.T) *engine.DB {
	t.Helper()
	return open(t, func(c *engine.Config) {
		c.Extend.Modules = []engine.Module{engine.FTS5(), engine.RTree()}
		c.Extend.Functions = []engine.Function{
			{Name: "shout", Args: 1, Deterministic: true, Schema: true, Scalar: func(a []engine.Value) (any, error) {
				s, _ := a[0].Any().(string)
				return strings.ToUpper(s) + "!", nil
			}},
			{Name: "types", Args: -1, Scalar: func(a []engine.Value) (any, error) {
				var b strings.Builder
				for _, v := range a {
					b.WriteString(v.Type.String()[:1])
				}
				return b.String(), nil
			}},
			{Name: "explode", Args: 1, Scalar: func([]engine.Value) (any, error) { panic("boom " + secret) }},
			{Name: "refuse", Args: 1, Scalar: func([]engine.Value) (any, error) { return nil, errors.New("no such instrument") }},
			{Name: "odd", Args: 0, Scalar: func([]engine.Value) (any, error) { return struct{}{}, nil }},
			{Name: "when_made", Args: 0, Scalar: func([]engine.Value) (any, error) { return time.Unix(0, 0), nil }},
		}
		c.Extend.Collations = []engine.Collation{{Name: "backwards", Compare: func(a, b []byte) int { return bytes.Compare(b, a) }}}
	})
}

// everyLane runs a query on the writer and on each lane of readers.
func everyLane(t *testing.T, db *engine.DB, sql string, args ...any) map[string]func(dest ...any) error {
	t.Helper()
	out := map[string]func(dest ...any) error{}
	for name, class := range map[string]engine.Class{"readers": engine.ClassNormal, "analytics": engine.ClassAnalytics, "maintenance": engine.ClassMaintenance} {
		out[name] = func(dest ...any) error {
			return db.QueryRow(t.Context(), sql, append([]any{engine.WithClass(class)}, args...)...).Scan(dest...)
		}
	}
	out["writer"] = func(dest ...any) error {
		return db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
			return tx.QueryRow(ctx, sql, args...).Scan(dest...)
		})
	}
	return out
}

func TestExtensionsReachEveryLane(t *testing.T) {
	t.Parallel()
	db := extended(t)
	exec(t, db, "CREATE VIRTUAL TABLE doc USING fts5(title, body)", "INSERT INTO doc VALUES ('Tide', 'the gate opens with the tide'), ('Gate', 'closed')",
		"CREATE VIRTUAL TABLE box USING rtree(id, x0, x1)", "INSERT INTO box VALUES (1, 0, 10), (2, 20, 30)",
		"CREATE TABLE word (w TEXT COLLATE backwards, loud TEXT AS (shout(w)) STORED)", "INSERT INTO word (w) VALUES ('a'), ('b'), ('c')",
		"CREATE INDEX by_word ON word (w)", "CREATE INDEX by_shout ON word (shout(w))")
	for sql, want := range map[string]string{
		"SELECT title FROM doc WHERE doc MATCH 'opens AND tide'":                    "Tide",
		"SELECT highlight(doc, 0, '<', '>') FROM doc WHERE doc MATCH 'title: gate'": "<Gate>",
		"SELECT id FROM box WHERE x0 <= 25 AND x1 >= 25":                            "2",
		"SELECT shout('hey')":                                             "HEY!",
		"SELECT loud FROM word WHERE shout(w) = 'B!'":                     "B!",
		"SELECT group_concat(w, '') FROM (SELECT w FROM word ORDER BY w)": "cba",
		"SELECT w FROM word WHERE w > 'b'":                                "a",
		"SELECT types(1, 1.5, 'a', x'00', NULL)":                          "IRTBN",
		"SELECT when_made()":                                              "1970-01-01T00:00:00Z",
	} {
		for lane, scan := range everyLane(t, db, sql) {
			var got string
			if err := scan(&got); err != nil || got != want {
				t.Errorf("%s, %s: got %q, %v; want %q", lane, sql, got, err, want)
			}
		}
	}
}

func TestFunctionsThatFail(t *testing.T) {
	t.Parallel()
	db := extended(t)
	exec(t, db, "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
	for sql, says := range map[string]string{
		"SELECT explode(?)": "explode(): panicked",
		"SELECT refuse(?)":  "refuse(): no such instrument",
		"SELECT odd() = ?":  "odd(): returned a struct",
	} {
		for range 3 { // the connection stays good
			for lane, scan := range everyLane(t, db, sql, secret) {
				t.Run(lane+" "+sql, func(t *testing.T) {
					err := scan(new(any))
					wantOnly(t, err, engine.ErrSQL)
					wantText(t, err, says)
					wantNoSecret(t, err, secret)
				})
			}
		}
	}
	err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO t VALUES (2)"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE t SET a = explode(a)"); err == nil {
			t.Error("the function did not fail")
		}
		return nil
	})
	if err != nil {
		t.Errorf("a function that panicked has cost the transaction: %v", err)
	}
	if n := one(t, db, "SELECT sum(a) FROM t"); n != 3 {
		t.Errorf("sum %d, want the old row and the new one", n)
	}
	if st := db.Stats(); st.Leaked != 0 || st.Writer.File.Reconnects != 0 || st.Readers.Retired != 0 {
		t.Errorf("connections were lost: %+v", st)
	}
}

func TestExtensionsRefused(t *testing.T) {
	t.Parallel()
	none := func([]engine.Value) (any, error) { return nil, nil }
	for name, change := range map[string]func(*engine.Extensions){
		"function with too many arguments": func(e *engine.Extensions) { e.Functions = []engine.Function{{Name: "f", Args: 5000, Scalar: none}} },
		"function with a long name": func(e *engine.Extensions) {
			e.Functions = []engine.Function{{Name: strings.Repeat("f", 300), Scalar: none}}
		},
		"empty module": func(e *engine.Extensions) { e.Modules = []engine.Module{{}} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config("sqlite://")
			change(&cfg.Extend)
			db, err := engine.Open(t.Context(), cfg)
			if err == nil {
				db.Close()
				t.Fatal("Open succeeded")
			}
			wantOnly(t, err, engine.ErrArgs)
		})
	}
	without := open(t)
	_, err := without.Exec(t.Context(), "CREATE VIRTUAL TABLE d USING fts5(a)")
	wantOnly(t, err, engine.ErrSQL)
	wantText(t, err, "fts5")
}
