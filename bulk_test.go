package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/bulk"
)

func openBulk(t *testing.T, statements ...string) *engine.DB {
	t.Helper()
	db, err := engine.Open(t.Context(), engine.DefaultConfig(filepath.Join(t.TempDir(), "bulk.db")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	for _, sql := range statements {
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	return db
}

// The rules of package bulk hold through the public errors, too: what the schema refuses is a refused row.
func TestBulk(t *testing.T) {
	t.Parallel()
	db := openBulk(t, "CREATE TABLE a (id INTEGER PRIMARY KEY, qty INTEGER CHECK (qty > 0), p INTEGER REFERENCES a DEFERRABLE INITIALLY DEFERRED)",
		"CREATE TRIGGER kills BEFORE INSERT ON a WHEN new.qty = 13 BEGIN SELECT RAISE(ROLLBACK, 'thirteen'); END")
	var text strings.Builder
	text.WriteString("id,qty,p\n")
	for i := range 1000 {
		switch i {
		case 100:
			text.WriteString("100,13,\n")
		case 200:
			text.WriteString("200,-1,\n")
		case 300:
			text.WriteString("300,1,99999\n")
		default:
			fmt.Fprintf(&text, "%d,1,%d\n", i, max(0, i-1))
		}
	}
	file := strings.NewReader(text.String())
	rep, err := bulk.Import(t.Context(), db.Bulk(), file, bulk.ImportOptions{Table: "a", Format: bulk.CSV{}, SkipBad: true})
	if err != nil {
		t.Fatal(err)
	}
	var lines []int64
	for _, r := range rep.First {
		lines = append(lines, r.Line)
	}
	// Who points to a refused row is refused, too, and so on to the end: 102 needs 101's row, and there is none.
	if len(lines) < 3 || lines[0] != 102 || rep.Inserted != 100 || rep.Inserted+rep.Rejected != 1000 {
		t.Errorf("lines %v, %+v", lines, rep)
	}
	var out bytes.Buffer
	if _, err := bulk.Export(t.Context(), db.Bulk(), &out, bulk.ExportOptions{Table: "a", Format: bulk.JSONLines{}}); err != nil || strings.Count(out.String(), "\n") != 100 {
		t.Errorf("%v, %d lines", err, strings.Count(out.String(), "\n"))
	}
	_, err = bulk.Export(t.Context(), db.Bulk(), &out, bulk.ExportOptions{Query: "SELECT nothing FROM a", Format: bulk.CSV{}})
	if !errors.Is(err, engine.ErrSQL) {
		t.Errorf("a wrong query: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := bulk.Import(t.Context(), db.Bulk(), file, bulk.ImportOptions{Table: "a", Format: bulk.CSV{}}); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestBulkReadOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ro.db")
	db, err := engine.Open(t.Context(), engine.DefaultConfig(path))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), "CREATE TABLE a (id INTEGER)"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	cfg := engine.DefaultConfig(path)
	cfg.ReadOnly = true
	if db, err = engine.Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := bulk.Import(t.Context(), db.Bulk(), strings.NewReader("id\n1\n"), bulk.ImportOptions{Table: "a", Format: bulk.CSV{}}); !errors.Is(err, engine.ErrReadOnly) {
		t.Errorf("import into a read-only database: %v", err)
	}
	var out bytes.Buffer
	if _, err := bulk.Export(t.Context(), db.Bulk(), &out, bulk.ExportOptions{Table: "a", Format: bulk.CSV{}}); err != nil || out.String() != "id\r\n" {
		t.Errorf("export: %v, %q", err, out.String())
	}
}

// While a file is imported, trades go on: each waits for a transaction of some milliseconds at most.
func TestBulkBesideTrades(t *testing.T) {
	t.Parallel()
	db := openBulk(t, "CREATE TABLE trades (id INTEGER PRIMARY KEY, qty INTEGER)", "CREATE TABLE ticks (ts INTEGER, px INTEGER, note TEXT)", "CREATE INDEX by_note ON ticks (note)")
	var text strings.Builder
	text.WriteString("ts,px,note\n")
	for i := range 150_000 {
		fmt.Fprintf(&text, "%d,%d,%d\n", i, i*7, i*7919%150_000)
	}
	ctx, stop := context.WithCancel(t.Context())
	var took []time.Duration
	done := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			start := time.Now()
			if _, err := db.Exec(context.WithoutCancel(ctx), "INSERT INTO trades (qty) VALUES (1)", engine.WithClass(engine.ClassTrade)); err != nil {
				done <- err
				return
			}
			took = append(took, time.Since(start))
		}
		done <- nil
	}()
	rep, err := bulk.Import(t.Context(), db.Bulk(), strings.NewReader(text.String()), bulk.ImportOptions{Table: "ticks", Format: bulk.CSV{}})
	stop()
	if e := <-done; err != nil || e != nil || rep.Inserted != 150_000 {
		t.Fatalf("%v, %v, %+v", err, e, rep)
	}
	slices.Sort(took)
	p95, longest := took[len(took)*95/100], took[len(took)-1]
	t.Logf("%d rows in %v, %d transactions of at most %v; beside it %d trades, p50 %v, p95 %v, longest %v",
		rep.Inserted, rep.Took, rep.Chunks, rep.Longest, len(took), took[len(took)/2], p95, longest)
	if len(took) < rep.Chunks/2 || p95 > rep.Took/4 {
		t.Errorf("%d trades beside %d transactions of the import, p95 %v: they do not take turns", len(took), rep.Chunks, p95)
	}
}
