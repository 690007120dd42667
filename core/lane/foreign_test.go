package lane_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
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
		rows := 2
		clean(t, 30*time.Second, func() []string {
			p95, more := beside(t, r, them, flood)
			if rows += more; p95 > 500*time.Millisecond {
				return []string{fmt.Sprintf("flood %v: p95 of our writes is %v", flood, p95)}
			}
			return nil
		})
		if n := r.number(t, "SELECT count(*) FROM theirs"); n != int64(rows) {
			t.Errorf("flood %v: %d rows of the stranger, want %d", flood, n, rows)
		}
	}
}

// beside measures our writes beside a stranger's, and says how many rows it has made.
func beside(t *testing.T, r *rig, them stranger, flood bool) (p95 time.Duration, rows int) {
	t.Helper()
	before := r.Stats().Writer.File
	noticed := func() bool { return r.Stats().Writer.File.Foreign > before.Foreign }
	yielded := func() bool { return r.Stats().Writer.File.Yields > before.Yields }
	ours, worst, rows := alongside(t, r, them, flood, func() bool { return noticed() && (!flood || yielded()) })
	after := r.Stats().Writer.File
	p95 = quantile(ours, 0.95)
	t.Logf("flood %v: %d writes of ours, p95 %v; the stranger's slowest of %d took %v; noticed %d of its commits, let go %d times, met its lock %d times",
		flood, len(ours), p95, rows, worst, after.Foreign-before.Foreign, after.Yields, after.Busy)
	if !noticed() {
		t.Errorf("flood %v: none of its commits was noticed", flood)
	}
	if flood && !yielded() {
		t.Error("the lock was never left alone on purpose: the stranger got on by luck")
	}
	return p95, rows
}

const strangerRows = 25

// alongside writes until the stranger has done its rows, and more where it is so quick that enough has not been seen, and returns how long each write
// took, the stranger's slowest, and its rows.
func alongside(t *testing.T, r *rig, them stranger, flood bool, enough func() bool) (ours []time.Duration, worst time.Duration, rows int) {
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
	for limit := time.Now().Add(20 * time.Second); rows < strangerRows || !enough() && time.Now().Before(limit); rows++ {
		began := time.Now()
		if err := them(); err != nil {
			t.Error("row " + strconv.Itoa(rows) + " of the stranger: " + err.Error())
		}
		worst = max(worst, time.Since(began))
	}
	stop.Store(true)
	wg.Wait()
	return ours, worst, rows
}
