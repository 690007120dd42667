package lane_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// rig is a database with its lanes, closed at the end of the test.
type rig struct {
	*lane.Lanes
	store   *sqlite.Store
	path    string
	relaxed bool // exec wants no fsync, so that a lone caller runs it on its own goroutine
}

type setup struct {
	cfg lane.Config
	opt sqlite.Options
	mem bool
	url string // "": a new file
}

func build(t testing.TB, change func(*setup)) *rig {
	t.Helper()
	s := setup{cfg: lane.DefaultConfig(), opt: sqlite.DefaultOptions()}
	s.cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	// Tests share a machine with others, and run with the race detector: what is not about the limit must not hit it.
	s.cfg.Writer.Hold = 5 * time.Second
	s.cfg.Writer.QueueTimeout = time.Minute
	s.cfg.Readers.QueueTimeout = time.Minute
	if change != nil {
		change(&s)
	}
	path := filepath.Join(t.TempDir(), "lane.db")
	url := path
	if s.mem {
		url = "sqlite://"
	}
	if s.url != "" {
		path, url = s.url, s.url
	}
	loc, err := sqlite.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(t.Context(), loc, s.opt)
	if err != nil {
		t.Fatal(err)
	}
	l, err := lane.Open(t.Context(), store, s.cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Lanes: l, store: store, path: path}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := l.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return r
}

// clean measures again and again until a measurement has nothing to complain of. Others who come and go on this machine, or a machine that stops for
// a moment, spoil one or another; what is really wrong spoils all, until the time is over.
func clean(t *testing.T, limit time.Duration, measure func() (complaints []string)) {
	t.Helper()
	for began, try := time.Now(), 1; ; try++ {
		bad := measure()
		if len(bad) == 0 || t.Failed() {
			return
		}
		if time.Since(began) > limit {
			t.Errorf("%d measurements, and of the last: %s", try, strings.Join(bad, "; "))
			return
		}
		t.Logf("measurement %d: %s", try, strings.Join(bad, "; "))
	}
}

// exec runs one statement as a transaction of its own.
func (r *rig) exec(ctx context.Context, sql string, args ...any) error {
	_, err := r.Do(ctx, lane.JobOptions{Relaxed: r.relaxed}, func(tx *lane.Tx) error {
		_, err := tx.Exec(ctx, sql, args)
		return err
	})
	return err
}

func (r *rig) must(t testing.TB, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if err := r.exec(context.Background(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// number reads one integer on the reader lane.
func (r *rig) number(t testing.TB, sql string, args ...any) int64 {
	t.Helper()
	n, err := r.readNumber(context.Background(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func (r *rig) readNumber(ctx context.Context, sql string, args ...any) (int64, error) {
	rd, err := r.Read(ctx, lane.ReadOptions{})
	if err != nil {
		return 0, err
	}
	defer rd.Close()
	c, err := rd.Open(ctx, sql, args)
	if err != nil {
		return 0, err
	}
	ok, err := c.Next(ctx)
	if err != nil || !ok {
		return 0, err
	}
	return c.Row()[0].Int, nil
}

// sound checks the file with a connection of its own.
func (r *rig) sound(t testing.TB) {
	t.Helper()
	conn, err := r.store.Connect(context.Background(), sqlite.Maintenance)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, err := conn.QueryText("PRAGMA integrity_check"); err != nil || got != "ok" {
		t.Fatalf("integrity_check: %q, %v", got, err)
	}
}

// fill inserts rows.
func (r *rig) fill(t *testing.T, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		r.must(t, fmt.Sprintf("INSERT INTO t VALUES (%d, zeroblob(2000))", i))
	}
}

// pin begins a snapshot that is held until the test ends.
func (r *rig) pin(t *testing.T) *lane.Reader {
	t.Helper()
	rd, err := r.Read(t.Context(), lane.ReadOptions{Snapshot: true, Name: "pin"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rd.Close)
	if _, err := rd.Open(t.Context(), "SELECT n FROM t", nil); err != nil {
		t.Fatal(err)
	}
	return rd
}

// foreignSnapshot is a connection of another program that reads: the query has begun its snapshot.
func (r *rig) foreignSnapshot(t *testing.T, query string) *sqlite.Conn {
	t.Helper()
	other, err := sqlite.Open(t.Context(), sqlite.Location{Path: r.path}, sqlite.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	c, err := other.Connect(t.Context(), sqlite.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.BeginRead(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.QueryInt(query); err != nil {
		t.Fatal(err)
	}
	return c
}
