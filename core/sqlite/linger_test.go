//go:build linux || darwin

package sqlite_test

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/core/sqlite/peer"
)

// lone reads the one value of sql the way a session for one statement does.
func lone(t testing.TB, c *sqlite.Conn, sql string) int64 {
	t.Helper()
	s, err := c.Prepare(sql)
	must(t, err)
	defer s.Finish()
	var b sqlite.Block
	_, err = s.BeginLone(nil, &b, 1)
	must(t, err)
	if b.Len() != 1 {
		t.Fatalf("%d rows", b.Len())
	}
	return b.Row(0)[0].Int
}

// lingering makes a reader that keeps its snapshot.
func lingering(t testing.TB, s *sqlite.Store) *sqlite.Conn {
	t.Helper()
	c := connect(t, s, sqlite.Reader)
	linger(t, c)
	return c
}

func linger(t testing.TB, c *sqlite.Conn) {
	t.Helper()
	for range 10 {
		lone(t, c, "SELECT n FROM v")
	}
	if !c.Lingers() {
		t.Fatal("ten reads in a row without a commit did not make the reader keep its snapshot")
	}
}

func counter(t testing.TB, path string) (*sqlite.Store, *sqlite.Conn) {
	t.Helper()
	s := openAt(t, path)
	w := connect(t, s, sqlite.Writer)
	must(t, w.Exec("CREATE TABLE v (n INTEGER NOT NULL) STRICT"))
	must(t, w.Exec("INSERT INTO v VALUES (0)"))
	return s, w
}

// TestLingerSeesEveryCommit: a kept snapshot is never older than the last commit that anybody was told of, whoever made it.
func TestLingerSeesEveryCommit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "linger.db")
	s, w := counter(t, path)
	other, err := peer.Open(path, peer.Options{Connections: 1})
	must(t, err)
	defer other.Close()
	var told atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var kept atomic.Int64
	for range 3 {
		c := connect(t, s, sqlite.Reader)
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				least := told.Load()
				got := lone(t, c, "SELECT n FROM v")
				if got < least {
					t.Errorf("read %d after commit %d had been told", got, least)
					return
				}
				if c.Lingers() {
					kept.Add(1)
				}
			}
		})
	}
	for i := int64(1); i <= 150 && !t.Failed(); i++ {
		if i%2 == 0 {
			must(t, w.Exec("UPDATE v SET n = n + 1"))
		} else {
			_, err := other.Exec("UPDATE v SET n = n + 1")
			must(t, err)
		}
		told.Store(i)
		if i%25 == 0 {
			_, _, _, err := w.Checkpoint(sqlite.Restart) // the log starts anew, under other salts
			must(t, err)
		}
		// Let them keep one, so that there is something to get wrong.
		for before := kept.Load(); kept.Load() < before+8 && !t.Failed(); {
			time.Sleep(10 * time.Microsecond)
		}
	}
	close(stop)
	wg.Wait()
}

// TestLingerEnds: a kept snapshot is in the way of a reset of the WAL, and LetGo takes it out of the way.
func TestLingerEnds(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "linger.db")
	s, w := counter(t, path)
	c := lingering(t, s)
	must(t, w.Exec("UPDATE v SET n = 1"))
	if _, _, busy, err := w.Checkpoint(sqlite.Truncate); err != nil || !busy {
		t.Fatalf("a checkpoint beside a kept snapshot: busy %v, %v; it must not have been able to reset the log", busy, err)
	}
	must(t, c.LetGo())
	if c.Lingers() {
		t.Error("LetGo left the snapshot")
	}
	if _, _, busy, err := w.Checkpoint(sqlite.Truncate); err != nil || busy {
		t.Fatalf("after LetGo: busy %v, %v", busy, err)
	}
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() != 0 {
		t.Errorf("the log was not truncated: %v %v", info, err)
	}
	if n := lone(t, c, "SELECT n FROM v"); n != 1 {
		t.Errorf("then it reads %d", n)
	}
}

// TestLingerBecomesTransaction: BeginRead takes the newest state, whether a snapshot was kept or not.
func TestLingerBecomesTransaction(t *testing.T) {
	t.Parallel()
	s, w := counter(t, filepath.Join(t.TempDir(), "linger.db"))
	c := lingering(t, s)
	must(t, c.BeginRead())
	must(t, w.Exec("UPDATE v SET n = 1"))
	if n, err := c.QueryInt("SELECT n FROM v"); err != nil || n != 0 {
		t.Errorf("a snapshot that was taken over reads %d, %v", n, err)
	}
	must(t, c.Exec("COMMIT"))
	linger(t, c)
	must(t, w.Exec("UPDATE v SET n = 2"))
	must(t, c.BeginRead())
	if n, err := c.QueryInt("SELECT n FROM v"); err != nil || n != 2 {
		t.Errorf("a transaction begun on an outdated snapshot reads %d, %v", n, err)
	}
	must(t, c.Exec("COMMIT"))
	linger(t, c)
	must(t, c.Exec("ROLLBACK")) // whoever ends it behind our back
	must(t, c.BeginRead())
	if n, err := c.QueryInt("SELECT n FROM v"); err != nil || n != 2 {
		t.Errorf("after that it reads %d, %v", n, err)
	}
	must(t, w.Exec("UPDATE v SET n = 3"))
	if n, err := c.QueryInt("SELECT n FROM v"); err != nil || n != 2 {
		t.Errorf("the transaction begun after that is none: it reads %d, %v", n, err)
	}
	must(t, c.Exec("COMMIT"))
}

// TestLingerHasAnEnd: back-to-back reads leave a gap.
func TestLingerHasAnEnd(t *testing.T) {
	t.Parallel()
	s, _ := counter(t, filepath.Join(t.TempDir(), "linger.db"))
	c := lingering(t, s)
	for range 10_000 {
		if lone(t, c, "SELECT n FROM v"); !c.Lingers() {
			return
		}
	}
	t.Error("ten thousand reads, and the first snapshot is still there")
}

// TestNoLinger: without a WAL index there is nothing to go by.
func TestNoLinger(t *testing.T) {
	t.Parallel()
	s := openAt(t, "sqlite://")
	w := connect(t, s, sqlite.Writer)
	must(t, w.Exec("CREATE TABLE v (n INTEGER NOT NULL) STRICT"))
	must(t, w.Exec("INSERT INTO v VALUES (0)"))
	c := connect(t, s, sqlite.Reader)
	for i := range int64(10) {
		if n := lone(t, c, "SELECT n FROM v"); n != i || c.Lingers() {
			t.Fatalf("read %d, lingers %v", n, c.Lingers())
		}
		must(t, w.Exec("UPDATE v SET n = n + 1"))
	}
}
