package lane_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// stranger is another program that writes to the same file: one row a call, waiting for the lock for as long as SQLite's own busy handler
// does by default in other languages, 5 s.
type stranger func() error

// commandLine is SQLite's own program, one process a row.
func commandLine(path string) (stranger, bool) {
	program, err := exec.LookPath("sqlite3")
	if err != nil {
		return nil, false
	}
	return func() error {
		out, err := exec.Command(program, "-cmd", ".timeout 5000", path, "INSERT INTO theirs DEFAULT VALUES;").CombinedOutput()
		if err != nil {
			return errors.Join(err, errors.New(strings.TrimSpace(string(out))))
		}
		return nil
	}, true
}

// foreignPath tells a test process that it is the stranger.
const foreignPath = "TIDEGATE_TEST_FOREIGN_PATH"

// ownProcess stands in where that program is missing: this test, started again, with a connection and no lanes.
func ownProcess(path string) stranger {
	return func() error {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestForeignProgram$")
		cmd.Env = append(os.Environ(), foreignPath+"="+path)
		return cmd.Run()
	}
}

func beStranger(ctx context.Context, path string) error {
	store, err := sqlite.Open(ctx, sqlite.Location{Path: path}, sqlite.DefaultOptions())
	if err != nil {
		return err
	}
	defer store.Close()
	conn, err := store.Connect(ctx, sqlite.Maintenance)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.BusyTimeout(5 * time.Second); err != nil {
		return err
	}
	return conn.Exec("INSERT INTO theirs DEFAULT VALUES")
}

// TestForeignProgram has another program write in a loop beside a thousand writes a second, and beside as many as there can be. It gets on,
// and ours is not held up by it.
func TestForeignProgram(t *testing.T) {
	if path := os.Getenv(foreignPath); path != "" {
		if err := beStranger(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, flood := range []bool{false, true} {
		r := build(t, nil)
		r.must(t, "CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT", "CREATE TABLE theirs (n INTEGER PRIMARY KEY) STRICT")
		them, real := commandLine(r.path)
		if !real {
			t.Log("sqlite3 is not installed: a process of our own without lanes stands in for it")
			them = ownProcess(r.path)
		}
		for range 2 { // until the lanes have seen it
			if err := them(); err != nil {
				t.Fatal(err)
			}
		}
		before := r.Stats()
		ours, worst := alongside(t, r, them, flood)
		after := r.Stats()
		slices.Sort(ours)
		p95 := ours[len(ours)*95/100]
		t.Logf("flood %v: %d writes of ours, p95 %v; the stranger's slowest of %d took %v; noticed %d of its commits, let go %d times, met its lock %d times",
			flood, len(ours), p95, strangerRows, worst, after.Writer.File.Foreign-before.Writer.File.Foreign, after.Writer.File.Yields, after.Writer.File.Busy)
		if n := r.number(t, "SELECT count(*) FROM theirs"); n != strangerRows+2 {
			t.Errorf("flood %v: %d rows of the stranger, want %d", flood, n, strangerRows+2)
		}
		if after.Writer.File.Foreign == before.Writer.File.Foreign {
			t.Errorf("flood %v: none of its commits was noticed", flood)
		}
		if flood && after.Writer.File.Yields == before.Writer.File.Yields {
			t.Error("the lock was never left alone on purpose: the stranger got on by luck")
		}
		if p95 > 500*time.Millisecond {
			t.Errorf("flood %v: p95 of our writes is %v", flood, p95)
		}
	}
}

const strangerRows = 25

// alongside writes until the stranger has done its rows, and returns how long each write took, and the stranger's slowest.
func alongside(t *testing.T, r *rig, them stranger, flood bool) (ours []time.Duration, worst time.Duration) {
	t.Helper()
	var stop atomic.Bool
	var mu sync.Mutex
	var wg sync.WaitGroup
	const callers = 20
	for range callers {
		wg.Go(func() {
			var mine []time.Duration
			pace := time.NewTicker(callers * time.Millisecond) // together 1,000 a second
			defer pace.Stop()
			for !stop.Load() {
				if !flood {
					<-pace.C
				}
				began := time.Now()
				if err := r.exec(context.Background(), "INSERT INTO t DEFAULT VALUES"); err != nil {
					t.Error("ours: " + err.Error())
				}
				mine = append(mine, time.Since(began))
			}
			mu.Lock()
			defer mu.Unlock()
			ours = append(ours, mine...)
		})
	}
	for i := range strangerRows {
		began := time.Now()
		if err := them(); err != nil {
			t.Error("row " + strconv.Itoa(i) + " of the stranger: " + err.Error())
		}
		worst = max(worst, time.Since(began))
	}
	stop.Store(true)
	wg.Wait()
	return ours, worst
}
