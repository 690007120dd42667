package engine_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

// declared are the sentinels that the files of this package export.
func declared(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), f, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range tree.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, s := range g.Specs {
				for _, n := range s.(*ast.ValueSpec).Names {
					if strings.HasPrefix(n.Name, "Err") {
						names = append(names, n.Name)
					}
				}
			}
		}
	}
	return names
}

// TestCatalogue: no sentinel is another, and each says whose it is or what happened. The tests know of every one.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	names := declared(t)
	slices.Sort(names)
	if known := slices.Sorted(maps.Keys(catalogue())); !slices.Equal(names, known) {
		t.Errorf("declared are %v\nthe tests know %v", names, known)
	}
	for a, x := range catalogue() {
		if x.Error() == "" {
			t.Errorf("%s says nothing", a)
		}
		for b, y := range catalogue() {
			if a != b && errors.Is(x, y) {
				t.Errorf("%s matches %s", a, b)
			}
		}
	}
}

func TestRetryable(t *testing.T) {
	t.Parallel()
	yes := map[string]bool{"ErrOverloaded": true, "ErrNotApplied": true, "ErrBusy": true, "ErrUnavailable": true}
	for name, s := range catalogue() {
		if got := engine.Retryable(fmt.Errorf("wrapped: %w", s)); got != yes[name] {
			t.Errorf("%s is retryable: %v", name, got)
		}
	}
	for _, err := range []error{nil, context.Canceled, context.DeadlineExceeded, errMine} {
		if engine.Retryable(err) {
			t.Errorf("%v is called retryable", err)
		}
	}
}

// TestOwnErrorsPass: what a closure returns comes back as it is, even when it wraps an error of the engine's.
func TestOwnErrorsPass(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	for _, run := range []func(context.Context, func(context.Context, *engine.Tx) error, ...engine.Option) error{db.Update, db.View} {
		for _, want := range []error{errMine, context.Canceled, fmt.Errorf("order 7: %w", context.DeadlineExceeded), engine.ErrClosed, fmt.Errorf("order 7: %w", engine.ErrBusy)} {
			if err := run(t.Context(), func(context.Context, *engine.Tx) error { return want }); err != want {
				t.Errorf("returned %v, got %v", want, err)
			}
		}
		err := run(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
			_, err := tx.Exec(ctx, "SELECT json_extract('{', ?)", secret)
			return fmt.Errorf("order 7: %w", err)
		})
		wantOnly(t, err, engine.ErrSQL)
		wantText(t, err, "order 7: ", "malformed JSON")
		wantNoSecret(t, err, secret)
	}
	// Even where the error has cost the transaction, the closure's words about it are kept.
	exec(t, db, "CREATE TABLE u (x INTEGER UNIQUE)", "INSERT INTO u VALUES (1)")
	err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		_, err := tx.Exec(ctx, "INSERT OR ROLLBACK INTO u VALUES (1)")
		return fmt.Errorf("order 7: %w", err)
	})
	wantOnly(t, err, engine.ErrConstraint)
	wantText(t, err, "order 7: ", "UNIQUE")
}

// TestCauseOfContext: the reason that somebody gave for cancelling reaches the caller.
func TestCauseOfContext(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	err := db.Update(t.Context(), func(context.Context, *engine.Tx) error {
		done := make(chan error, 1)
		go func() {
			_, err := db.Exec(ctx, "UPDATE acc SET balance = 0")
			done <- err
		}()
		eventually(t, "a caller in the queue", func() bool { return db.Stats().Writer.Waiting == 1 })
		cancel(errMine)
		if err := <-done; !errors.Is(err, errMine) {
			t.Errorf("in the queue: %v, want the cause", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow(ctx, "SELECT 1").Scan(new(int)); !errors.Is(err, errMine) {
		t.Errorf("before the start: %v, want the cause", err)
	}
	ctx, cancel = context.WithCancelCause(t.Context())
	go func() {
		defer cancel(errMine)
		for end := time.Now().Add(30 * time.Second); db.Stats().Readers.InUse != 1; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Error("no reader came to work")
				return
			}
		}
	}()
	err = db.QueryRow(ctx, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n").Scan(new(int))
	if !errors.Is(err, errMine) {
		t.Errorf("in mid-statement: %v, want the cause", err)
	}
}

func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	db := ledger(t, func(c *engine.Config) { c.Readers.Memory, c.Readers.CacheKiB = 8<<20, 512 })
	for _, sql := range []string{
		"SELECT hex(zeroblob(200000000))", "SELECT group_concat(hex(randomblob(1000)), '') FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) SELECT i FROM n)",
	} {
		err := db.QueryRow(t.Context(), sql).Scan(new(any))
		if !errors.Is(err, engine.ErrTooBig) {
			wantOnly(t, err, engine.ErrOutOfMemory)
		}
		if n := one(t, db, "SELECT sum(balance) FROM acc"); n != 2000 { // the lane goes on
			t.Errorf("sum %d", n)
		}
	}
}
