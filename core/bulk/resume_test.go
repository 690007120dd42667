package bulk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine/core/bulk"
	"github.com/tidegate/engine/core/bulk/parquet"
	"github.com/tidegate/engine/core/lane"
)

// sampleFile writes n rows, every seventh of which is refused, and returns how many are good.
func sampleFile(t *testing.T, format bulk.Format, n int) (path string, good, bad int64) {
	t.Helper()
	db := open(t, "CREATE TABLE a (id INTEGER PRIMARY KEY, qty INTEGER, note TEXT)",
		fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO a SELECT i, CASE i %% 7 WHEN 0 THEN -i ELSE i END, 'a note, with '||char(10)||' a line end' FROM n", n))
	path = filepath.Join(t.TempDir(), "rows")
	if err := bulk.WriteFile(path, func(w io.Writer) error {
		_, err := bulk.Export(t.Context(), db, w, bulk.ExportOptions{Table: "a", Format: format})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return path, int64(n - n/7), int64(n / 7)
}

const target = "CREATE TABLE a (id INTEGER, qty INTEGER CHECK (qty > 0), note TEXT)" // no key: a row that comes twice is there twice

func importFile(ctx context.Context, t *testing.T, db *store, path string, format bulk.Format, change func(*bulk.ImportOptions)) (bulk.ImportReport, error) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	opt := bulk.ImportOptions{Table: "a", Format: format, SkipBad: true, Chunk: time.Millisecond, Source: "rows"}
	if change != nil {
		change(&opt)
	}
	return bulk.Import(ctx, db, f, opt)
}

// Interrupted at random places and resumed, an import has every row once, refused ones in their file included.
func TestResume(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for name, format := range map[string]bulk.Format{"csv": bulk.CSV{}, "jsonl": bulk.JSONLines{}, "parquet": parquet.Format{}} {
		path, good, bad := sampleFile(t, format, 20_000)
		db := open(t, target)
		refused := rejects(t)
		with := func(o *bulk.ImportOptions) { o.Rejects, o.RejectsName = refused, "refused" }
		runs := 0
		for ; ; runs++ {
			ctx, cancel := context.WithCancel(t.Context())
			stop := db.updates.Load() + 2 + rng.Int64N(8)
			db.halt = func(n int64) {
				if n >= stop && runs < 8 {
					cancel()
				}
			}
			rep, err := importFile(ctx, t, db, path, format, with)
			cancel()
			if err == nil {
				if !rep.Done || rep.Inserted != good || rep.Rejected != bad || runs > 0 && rep.Resumed == 0 {
					t.Errorf("%s: after %d interruptions %+v; want %d and %d", name, runs, rep, good, bad)
				}
				break
			}
			if !errors.Is(err, context.Canceled) || rep.Done {
				t.Fatalf("%s: %v, %+v", name, err, rep)
			}
			if n := db.count(t, "SELECT count(*) FROM a"); n < rep.Inserted {
				t.Errorf("%s: the report says %d rows, the table has %d", name, rep.Inserted, n)
			}
			if strings.Contains(content(t, refused), "garbage") && rep.Inserted > rep.Resumed {
				t.Errorf("%s: what a killed run left behind is still in the file of refused rows", name)
			}
			if _, err := refused.WriteAt([]byte(strings.Repeat("garbage of a killed run", 20_000)), int64(len(content(t, refused)))); err != nil {
				t.Fatal(err)
			}
		}
		if runs < 3 {
			t.Errorf("%s: only %d interruptions: the test says nothing", name, runs)
		}
		if n, d := db.count(t, "SELECT count(*) FROM a"), db.count(t, "SELECT count(DISTINCT id) FROM a"); n != good || d != good {
			t.Errorf("%s: %d rows, %d different ones, want %d", name, n, d, good)
		}
		text := content(t, refused)
		if n := int64(strings.Count(text, "\n")); n != bad || strings.Contains(text, "garbage") {
			t.Errorf("%s: %d refused rows in the file, want %d", name, n, bad)
		}
		if _, err := importFile(t.Context(), t, db, path, format, nil); !errors.Is(err, bulk.ErrProgress) || !strings.Contains(err.Error(), "imported before") {
			t.Errorf("%s: imported again: %v", name, err)
		}
		rep, err := importFile(t.Context(), t, db, path, format, func(o *bulk.ImportOptions) { o.Restart = true })
		if n := db.count(t, "SELECT count(*) FROM a"); err != nil || rep.Resumed != 0 || n != 2*good {
			t.Errorf("%s: restarted: %v, %+v, %d rows", name, err, rep, n)
		}
	}
}

// What the database says about a commit may get lost; the record of progress tells.
func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	path, good, bad := sampleFile(t, bulk.CSV{}, 5000)
	db := open(t, target)
	unknown := 0
	db.lose = func(n int64, err error) error {
		if err == nil && n%3 == 0 {
			unknown++
			return &lane.OutcomeError{Name: "import", Cause: io.ErrUnexpectedEOF}
		}
		return err
	}
	rep, err := importFile(t.Context(), t, db, path, bulk.CSV{}, nil)
	if err != nil || rep.Inserted != good || rep.Rejected != bad {
		t.Fatalf("%v, %+v, want %d and %d", err, rep, good, bad)
	}
	if n := db.count(t, "SELECT count(*) FROM a"); n != good || unknown == 0 {
		t.Errorf("%d rows after %d unknown outcomes, want %d", n, unknown, good)
	}
}

// Turned away, an import waits and goes on.
func TestPatience(t *testing.T) {
	t.Parallel()
	path, good, _ := sampleFile(t, bulk.CSV{}, 3000)
	db := open(t, target)
	away := 0
	refusing := &turning{store: db, away: &away}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rep, err := bulk.Import(t.Context(), refusing, f, bulk.ImportOptions{Table: "a", Format: bulk.CSV{}, SkipBad: true})
	if err != nil || rep.Inserted != good || away == 0 {
		t.Errorf("%v, %+v after being turned away %d times", err, rep, away)
	}
}

// turning turns every other transaction away.
type turning struct {
	*store
	n    int
	away *int
}

func (r *turning) Update(ctx context.Context, opt bulk.Work, fn func(context.Context, bulk.Writer) error) error {
	if r.n++; r.n%2 == 1 {
		*r.away++
		return &lane.OverloadError{Lane: "writer", Reason: "queue full"}
	}
	return r.store.Update(ctx, opt, fn)
}

// Two imports of one file at once do not both write it.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	path, good, _ := sampleFile(t, bulk.JSONLines{}, 10_000)
	db := open(t, target)
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i := range errs {
		wg.Go(func() { _, errs[i] = importFile(context.Background(), t, db, path, bulk.JSONLines{}, nil) })
	}
	wg.Wait()
	failed := 0
	for _, err := range errs {
		if err != nil {
			failed++
			if !errors.Is(err, bulk.ErrProgress) {
				t.Error(err)
			}
		}
	}
	if failed == 2 { // each was in the way of the other; whoever comes next finishes
		if _, err := importFile(t.Context(), t, db, path, bulk.JSONLines{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := db.count(t, "SELECT count(*) FROM a"); n != good || failed == 0 {
		t.Errorf("%d rows, want %d; %d of 2 imports failed, want at least one", n, good, failed)
	}
}

// A file that has changed since it was half imported is not taken for another one.
func TestChangedFile(t *testing.T) {
	t.Parallel()
	path, _, _ := sampleFile(t, bulk.CSV{}, 5000)
	db := open(t, target)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	db.halt = func(n int64) {
		if n == 4 {
			cancel()
		}
	}
	if _, err := importFile(ctx, t, db, path, bulk.CSV{}, nil); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	before := db.count(t, "SELECT count(*) FROM a")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("9999999,1,more\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = importFile(t.Context(), t, db, path, bulk.CSV{}, nil)
	if n := db.count(t, "SELECT count(*) FROM a"); !errors.Is(err, bulk.ErrProgress) || !strings.Contains(err.Error(), "begins like this one") || n != before || n == 0 {
		t.Errorf("error %v; %d rows, and %d before", err, n, before)
	}
}

// Files of one size that begin alike are different files when they end differently; one that does not begin at its start is
// resumed where it was.
func TestIdentity(t *testing.T) {
	t.Parallel()
	db := open(t, target)
	rows := strings.Repeat("1,1,x\n", 20_000)
	for i, last := range []string{"2,2,y\n", "3,3,z\n"} {
		rep, err := db.into(t, "a", "id,qty,note\n"+rows+last, nil)
		if err != nil || rep.Inserted != 20_001 || rep.Resumed != 0 {
			t.Errorf("file %d: %v, %+v", i+1, err, rep)
		}
	}
	db.exec(t, "DELETE FROM a")
	text := "a preamble\nid,qty,note\n" + rows + "bad,1,x\n" + rows
	in := func(skip bool) (bulk.ImportReport, error) {
		r := strings.NewReader(text)
		if _, err := r.Seek(int64(len("a preamble\n")), io.SeekStart); err != nil {
			t.Fatal(err)
		}
		return bulk.Import(t.Context(), db, r, bulk.ImportOptions{Table: "a", Format: bulk.CSV{}, SkipBad: skip})
	}
	if rep, err := in(false); !errors.Is(err, bulk.ErrRow) || rep.Inserted != 20_000 {
		t.Fatalf("%v, %+v", err, rep)
	}
	rep, err := in(true)
	if n := db.count(t, "SELECT count(*) FROM a"); err != nil || rep.Rejected != 1 || rep.Resumed != 20_000 || n != 40_000 {
		t.Errorf("%v, %+v, %d rows", err, rep, n)
	}
}

// One row whose deferred key fails the COMMIT of all is found in a few steps.
func TestDeferredKeys(t *testing.T) {
	t.Parallel()
	db := open(t, "CREATE TABLE a (id INTEGER PRIMARY KEY, p INTEGER REFERENCES a DEFERRABLE INITIALLY DEFERRED)")
	var text strings.Builder
	text.WriteString("id,p\n")
	for i := range 1000 {
		p := 0
		if i == 700 {
			p = 5000
		}
		fmt.Fprintf(&text, "%d,%d\n", i, p)
	}
	rep, err := db.into(t, "a", text.String(), func(o *bulk.ImportOptions) { o.SkipBad, o.Chunk = true, time.Second })
	if err != nil || rep.Inserted != 999 || rep.Rejected != 1 || rep.First[0].Line != 702 {
		t.Errorf("%v, %+v", err, rep)
	}
	if n := db.updates.Load(); n > 60 {
		t.Errorf("it took %d transactions", n)
	}
}

// A file of rejects that lost what was written is not written over.
func TestShortRejects(t *testing.T) {
	t.Parallel()
	path, _, _ := sampleFile(t, bulk.CSV{}, 5000)
	db := open(t, target)
	refused := rejects(t)
	with := func(o *bulk.ImportOptions) { o.Rejects, o.RejectsName, o.MaxRejects = refused, "refused", 100 }
	if _, err := importFile(t.Context(), t, db, path, bulk.CSV{}, with); !errors.Is(err, bulk.ErrRow) {
		t.Fatal(err)
	}
	if err := refused.Truncate(10); err != nil {
		t.Fatal(err)
	}
	if _, err := importFile(t.Context(), t, db, path, bulk.CSV{}, with); !errors.Is(err, bulk.ErrProgress) {
		t.Errorf("error %v", err)
	}
	other := rejects(t)
	rep, err := importFile(t.Context(), t, db, path, bulk.CSV{}, func(o *bulk.ImportOptions) { o.Rejects, o.RejectsName = other, "other" })
	if n := int64(strings.Count(content(t, other), "\n")); err != nil || n != rep.Rejected-100 {
		t.Errorf("%v, %d refused rows in the second file, want %d", err, n, rep.Rejected-100)
	}
}

// A pipe is imported without a record, because nobody could read it again.
func TestPipe(t *testing.T) {
	t.Parallel()
	db := open(t, target)
	for range 2 {
		rep, err := bulk.Import(t.Context(), db, io.MultiReader(strings.NewReader("id,qty\n1,"), strings.NewReader("2\n")), bulk.ImportOptions{Table: "a", Format: bulk.CSV{}})
		if err != nil || rep.Resumable || rep.Inserted != 1 {
			t.Errorf("%v, %+v", err, rep)
		}
	}
	if n := db.count(t, "SELECT count(*) FROM a"); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
	_, err := bulk.Import(t.Context(), db, io.MultiReader(bytes.NewReader([]byte("PAR1"))), bulk.ImportOptions{Table: "a", Format: parquet.Format{}})
	if !errors.Is(err, bulk.ErrFormat) || !strings.Contains(err.Error(), "pipe") {
		t.Errorf("Parquet from a pipe: %v", err)
	}
}

// Others who write hardly notice: no transaction of an import keeps the writer for long.
func TestChunksAreShort(t *testing.T) {
	t.Parallel()
	db := open(t, "CREATE TABLE a (id INTEGER PRIMARY KEY, s TEXT)", "CREATE INDEX i ON a (s, id)")
	var text strings.Builder
	text.WriteString("id,s\n")
	for i := range 40_000 {
		fmt.Fprintf(&text, "%d,%d-%d\n", i, i*7919%40_000, i)
	}
	rep, err := db.into(t, "a", text.String(), func(o *bulk.ImportOptions) { o.Chunk = 2 * time.Millisecond })
	if err != nil {
		t.Fatal(err)
	}
	if rep.Chunks < 5 {
		t.Errorf("%d transactions for %d rows in %v: they do not end when their time is up", rep.Chunks, rep.Inserted, rep.Took)
	}
	t.Logf("%d rows in %v, %d transactions, the longest %v", rep.Inserted, rep.Took, rep.Chunks, rep.Longest)
}

func TestWriteFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "out.csv")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err := bulk.WriteFile(path, func(w io.Writer) error {
		if _, err := io.WriteString(w, "half"); err != nil {
			return err
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != "old" {
			t.Errorf("while it is written the file holds %q, %v", now, err)
		}
		return broken
	})
	if now, _ := os.ReadFile(path); !errors.Is(err, broken) || string(now) != "old" {
		t.Errorf("after a failure: %v, the file holds %q", err, now)
	}
	if err := bulk.WriteFile(path, func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }); err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir(dir)
	if now, _ := os.ReadFile(path); err != nil || string(now) != "new" || len(names) != 1 {
		t.Errorf("the file holds %q, the folder %v", now, names)
	}
}
