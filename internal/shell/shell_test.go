package shell_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/shell"
)

// bench is a shell on a database in memory, with what it wrote.
type bench struct {
	db       *engine.DB
	cfg      shell.Config
	out, err strings.Builder
}

// jsonRows writes each row as a JSON list: what this package's tests need of a format.
type jsonRows struct{ w io.Writer }

func (j jsonRows) Row(values []any) error { return json.NewEncoder(j.w).Encode(values) }
func (j jsonRows) End() error             { return nil }

func newBench(t *testing.T, change func(*engine.Config, *shell.Config)) *bench {
	t.Helper()
	b := &bench{}
	cfg := engine.DefaultConfig(filepath.Join(t.TempDir(), "test.db"))
	cfg.Logger = slog.New(slog.DiscardHandler)
	b.cfg = shell.Config{Out: &b.out, Err: &b.err, Settings: shell.Settings{Mode: "json"}, Hold: time.Minute, Idle: time.Minute,
		Format: func(mode string, w io.Writer, columns []string, width int) (shell.RowWriter, error) {
			if _, err := fmt.Fprintf(w, "%s %d %s\n", mode, width, strings.Join(columns, "|")); err != nil {
				return nil, err
			}
			return jsonRows{w}, nil
		},
		Literal: func(text string) (any, error) {
			if text == "wrong" {
				return nil, fmt.Errorf("the value is wrong")
			}
			return strings.Trim(text, "'"), nil
		}}
	if change != nil {
		change(&cfg, &b.cfg)
	}
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	b.db = db
	return b
}

// script runs lines and returns whether they went well, what went out and what was said, and forgets both.
func (b *bench) script(t *testing.T, lines ...string) (ok bool, out, said string) {
	t.Helper()
	ok = shell.New(b.db, b.cfg).Script(t.Context(), strings.NewReader(strings.Join(lines, "\n")), "test")
	out, said = b.out.String(), b.err.String()
	b.out.Reset()
	b.err.Reset()
	return ok, out, said
}

func (b *bench) must(t *testing.T, lines ...string) string {
	t.Helper()
	ok, out, said := b.script(t, lines...)
	if !ok || said != "" {
		t.Fatalf("%q: ok %v, said %q", lines, ok, said)
	}
	return out
}

// reads is must after somebody was there.
func (b *bench) reads(t *testing.T, lines ...string) string {
	t.Helper()
	b.out.Reset()
	b.err.Reset()
	return b.must(t, lines...)
}

func TestScriptStopsAtItsFirstError(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	lines := []string{"CREATE TABLE t (a UNIQUE);", "INSERT INTO t VALUES (1);", "-- a remark;", "", "INSERT INTO t", "VALUES (1);", "INSERT INTO t VALUES (2);"}
	ok, _, said := b.script(t, lines...)
	if ok || !strings.HasPrefix(said, "test: line 5: ") || !strings.Contains(said, "UNIQUE") {
		t.Errorf("ok %v, said %q; want a failure of line 5", ok, said)
	}
	if out := b.must(t, "SELECT count(*) FROM t;"); !strings.HasSuffix(out, "[1]\n") {
		t.Errorf("what follows the error was run: %s", out)
	}
	b.cfg.Continue = true
	ok, _, said = b.script(t, lines...)
	if ok || strings.Count(said, "test: line") != 3 { // the table is there, and 1 twice
		t.Errorf("with Continue: ok %v, said %q", ok, said)
	}
	if out := b.must(t, "SELECT count(*) FROM t"); !strings.HasSuffix(out, "[2]\n") {
		t.Errorf("with Continue: what follows the errors was not run: %s", out)
	}
}

func TestScriptThatEndsTooEarly(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(t, "CREATE TABLE t (a)")
	for _, c := range []struct{ script, says string }{
		{"BEGIN; INSERT INTO t VALUES (1);", "ended inside a transaction"},
		{"BEGIN; INSERT INTO t VALUES (1); SELECT nope; COMMIT;", "no such column"},
		{"INSERT INTO t VALUES ('1);", "no end"},
		{"INSERT INTO t VALUES (1) /* ", "no end"},
		{"CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM t; ", "no end"},
	} {
		if ok, _, said := b.script(t, c.script); ok || !strings.Contains(said, c.says) {
			t.Errorf("%s: ok %v, said %q; want %q", c.script, ok, said, c.says)
		}
	}
	if out := b.must(t, "SELECT count(*) FROM t"); !strings.HasSuffix(out, "[0]\n") {
		t.Errorf("rows were written: %s", out)
	}
	if ok, _, said := b.script(t, "INSERT INTO t VALUES (1);", ".quit", "SELECT nope;"); !ok || said != "" {
		t.Errorf(".quit: ok %v, said %q", ok, said)
	}
}

// A shell on a database that only reads has transactions of the same kind.
func TestReadOnlyShell(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(cfg *engine.Config, conf *shell.Config) {
		db, err := engine.Open(t.Context(), *cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(t.Context(), "CREATE TABLE t (a)"); err != nil {
			t.Fatal(err)
		}
		db.Close()
		cfg.ReadOnly, conf.ReadOnly = true, true
	})
	if out := b.must(t, "BEGIN; SELECT count(*) FROM t; COMMIT;"); !strings.HasSuffix(out, "[0]\n") {
		t.Errorf("got %s", out)
	}
	for _, sql := range []string{"DELETE FROM t;", "BEGIN; DELETE FROM t;"} {
		if ok, _, said := b.script(t, sql); ok || !strings.Contains(said, "--read-only") {
			t.Errorf("%s: ok %v, said %q; want the remedy", sql, ok, said)
		}
	}
}

// typist is an Editor whose person has a list of things to do; each may look at what was shown before.
type typist struct {
	t       *testing.T
	lines   []any // string, or func() string
	prompts []string
	entries []string
}

func (ty *typist) Line(prompt string) (string, error) {
	ty.prompts = append(ty.prompts, prompt)
	if len(ty.lines) == 0 {
		return "", io.EOF
	}
	next := ty.lines[0]
	ty.lines = ty.lines[1:]
	switch next := next.(type) {
	case string:
		return next, nil
	case func() string:
		return next(), nil
	}
	return "", shell.ErrAborted
}

func (ty *typist) Interrupts(bool) {}

func (ty *typist) Remember(entry string) { ty.entries = append(ty.entries, entry) }

// aborts is what a typist does instead of finishing a line.
type aborts struct{}

func (b *bench) interact(t *testing.T, lines ...any) *typist {
	t.Helper()
	ty := &typist{t: t, lines: lines}
	if err := shell.New(b.db, b.cfg).Interact(t.Context(), ty, make(chan os.Signal)); err != nil {
		t.Fatal(err)
	}
	return ty
}

func TestInteractGoesOnAfterErrors(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	ty := b.interact(t, "SELECT nope; SELECT 'not run';", "SELECT 1", aborts{}, "SELECT 2;", ".nope", "quit;", "SELECT 'after the end';")
	if out := b.out.String(); strings.Contains(out, "not run") || strings.Contains(out, "after") || !strings.HasSuffix(out, "[2]\n") {
		t.Errorf("out %q", out)
	}
	if said := b.err.String(); strings.Count("\n"+said, "\nerror: ") != 2 || !strings.Contains(said, "\n1 row\n") {
		t.Errorf("said %q", said)
	}
	if got, want := strings.Join(ty.prompts, ""), "engine> engine>    ...> engine> engine> engine> "; got != want {
		t.Errorf("prompts %q, want %q", got, want)
	}
	if got, want := strings.Join(ty.entries, "|"), "SELECT nope; SELECT 'not run';|SELECT 2;|.nope|.quit"; got != want {
		t.Errorf("history %q, want %q", got, want)
	}
}

func TestInteractEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	reached, never := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(never) })
	ended := make(chan error, 1)
	go func() {
		ended <- shell.New(b.db, b.cfg).Interact(ctx, &typist{t: t, lines: []any{"CREATE TABLE t (a);", "BEGIN;", func() string {
			close(reached)
			<-never
			return ""
		}}}, nil)
	}()
	<-reached
	cancel()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("no error says why it ended")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the shell waits for a key that nobody presses")
	}
	if _, err := b.db.Exec(t.Context(), "INSERT INTO t VALUES (1)", engine.WithTimeout(10*time.Second)); err != nil {
		t.Errorf("the transaction that was open still has the writer: %v", err)
	}
}
