package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	driver "github.com/ncruces/go-sqlite3"

	"github.com/tidegate/engine/core/sqlite"
)

func tryOpen(loc sqlite.Location, opts ...func(*sqlite.Options)) (*sqlite.Store, error) {
	opt := sqlite.DefaultOptions()
	for _, o := range opts {
		o(&opt)
	}
	return sqlite.Open(context.Background(), loc, opt)
}

func TestOpenRefusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	must(t, os.WriteFile(text, bytes.Repeat([]byte("no database "), 100), 0o600))
	newer := filepath.Join(dir, "newer.db")
	head := append([]byte("SQLite format 3\x00\x10\x00\x09\x09"), make([]byte, 4096)...)
	must(t, os.WriteFile(newer, head, 0o600))
	for _, c := range []struct {
		name, want string
		loc        sqlite.Location
		class      sqlite.ErrorClass
		opt        func(*sqlite.Options)
	}{
		{name: "missing directory", loc: sqlite.Location{Path: filepath.Join(dir, "no", "such.db")}, class: sqlite.CantOpen, want: "create it"},
		{name: "missing file, read only", loc: sqlite.Location{Path: filepath.Join(dir, "none.db"), ReadOnly: true}, class: sqlite.CantOpen, want: "does not exist"},
		{name: "missing file, not created", loc: sqlite.Location{Path: filepath.Join(dir, "none.db")}, class: sqlite.CantOpen, want: "does not exist", opt: func(o *sqlite.Options) { o.Create = false }},
		{name: "directory", loc: sqlite.Location{Path: dir}, class: sqlite.CantOpen, want: "is a directory"},
		{name: "text", loc: sqlite.Location{Path: text}, class: sqlite.NotADB, want: "not a SQLite database"},
		{name: "newer format", loc: sqlite.Location{Path: newer}, class: sqlite.NotADB, want: "upgrade"},
		{name: "no path", class: sqlite.Args, want: "ParseURL"},
		{name: "bad options", loc: sqlite.Location{Memory: true}, class: sqlite.Args, want: "Memory of the reader", opt: func(o *sqlite.Options) { o.Memory[sqlite.Reader] = 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			opt := c.opt
			if opt == nil {
				opt = func(*sqlite.Options) {}
			}
			s, err := tryOpen(c.loc, opt)
			if err == nil {
				s.Close()
			}
			wantClass(t, err, c.class)
			if !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v does not say %q", err, c.want)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(dir, "none.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal("a refused open left a file behind")
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "zero.db")
	must(t, os.WriteFile(path, nil, 0o644))
	s, err := tryOpen(sqlite.Location{Path: path})
	must(t, err)
	if s.State() != sqlite.Empty {
		t.Fatalf("a file of 0 bytes is %v", s.State())
	}
	w := mustConnect(t, s, sqlite.Writer)
	wantInt(t, w, "PRAGMA page_size", 4096)
	wantInt(t, w, "PRAGMA auto_vacuum", 2)
	must(t, run(w, "CREATE TABLE t(a)"))
	if err := s.Close(); sqlite.ClassOf(err) != sqlite.Misuse {
		t.Fatalf("closing a store with an open connection returned %v", err)
	}
	must(t, w.Close())
	must(t, s.Close())
	if _, err := s.Connect(context.Background(), sqlite.Reader); sqlite.ClassOf(err) != sqlite.Misuse {
		t.Fatalf("Connect on a closed store returned %v", err)
	}

	again := openAt(t, path)
	if again.State() != sqlite.Managed {
		t.Fatalf("after reopening it is %v", again.State())
	}
	c := connect(t, again, sqlite.Writer)
	wantInt(t, c, "SELECT count(*) FROM t", 0)
}

// foreign makes a database of somebody else.
func foreign(t *testing.T, pragmas ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "foreign.db")
	raw, err := driver.Open("file:" + path)
	must(t, err)
	for _, p := range pragmas {
		must(t, raw.Exec("PRAGMA "+p))
	}
	must(t, raw.Exec(`CREATE TABLE t(a); INSERT INTO t VALUES(1),(2); CREATE VIEW v AS SELECT a FROM t WHERE a = "text"`))
	must(t, raw.Close())
	return path
}

func files(t *testing.T, path string) map[string]string {
	t.Helper()
	found := map[string]string{}
	entries, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(path), e.Name()))
		must(t, err)
		found[e.Name()] = string(data)
	}
	return found
}

func TestForeignIsLeftAlone(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"DELETE", "WAL", "TRUNCATE"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			path := foreign(t, "journal_mode="+mode)
			before := files(t, path)
			s, err := tryOpen(sqlite.Location{Path: path})
			must(t, err)
			if s.State() != sqlite.Foreign || !s.ReadOnly() {
				t.Fatalf("state %v, read only %v", s.State(), s.ReadOnly())
			}
			_, err = s.Connect(context.Background(), sqlite.Writer)
			wantClass(t, err, sqlite.ReadOnly)
			for _, role := range []sqlite.Role{sqlite.Reader, sqlite.Analytics, sqlite.Maintenance} {
				c := mustConnect(t, s, role)
				wantInt(t, c, "SELECT count(*) FROM t", 2)
				wantClass(t, run(c, "INSERT INTO t VALUES(3)"), sqlite.ReadOnly)
				must(t, run(c, "SELECT * FROM v")) // needs double-quoted strings
				must(t, c.Close())
			}
			must(t, s.Close())
			after := files(t, path)
			if len(after) != len(before) {
				t.Fatalf("files were %v, are %v", keys(before), keys(after))
			}
			for name := range before {
				if before[name] != after[name] {
					t.Fatalf("%s changed", name)
				}
			}
		})
	}
}

// TestForeignWithHotJournal: rolling back somebody else's crashed transaction would change the file.
func TestForeignWithHotJournal(t *testing.T) {
	t.Parallel()
	src := foreign(t)
	raw, err := driver.Open("file:" + src)
	must(t, err)
	defer raw.Close()
	must(t, raw.Exec(`PRAGMA cache_size=-20; BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1000)
		INSERT INTO t SELECT randomblob(500) FROM n`))
	path := filepath.Join(t.TempDir(), "crashed.db")
	for _, suffix := range []string{"", "-journal"} {
		data, err := os.ReadFile(src + suffix)
		must(t, err)
		must(t, os.WriteFile(path+suffix, data, 0o600))
	}
	before := files(t, path)
	_, err = tryOpen(sqlite.Location{Path: path})
	wantClass(t, err, sqlite.ReadOnly)
	if !strings.Contains(err.Error(), "adopt") {
		t.Fatalf("%v names no remedy", err)
	}
	if after := files(t, path); len(after) != len(before) || after["crashed.db"] != before["crashed.db"] {
		t.Fatal("the files changed")
	}
	s := openAt(t, path, func(o *sqlite.Options) { o.Adopt = true })
	w := connect(t, s, sqlite.Writer)
	wantInt(t, w, "SELECT count(*) FROM t", 2)
}

func keys(m map[string]string) (names []string) {
	for k := range m {
		names = append(names, k)
	}
	return names
}

// TestWhoseInWAL: the main file alone does not tell whose a database is while its first commits are only in the WAL.
func TestWhoseInWAL(t *testing.T) {
	t.Parallel()
	src := foreign(t, "journal_mode=WAL")
	raw, err := driver.Open("file:" + src)
	must(t, err)
	defer raw.Close()
	must(t, raw.Exec(fmt.Sprintf("PRAGMA application_id=%d", sqlite.ApplicationID)))
	dir := t.TempDir()
	for _, suffix := range []string{"", "-wal"} { // as a crash would leave them
		data, err := os.ReadFile(src + suffix)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, "crashed.db"+suffix), data, 0o600))
	}
	s := openAt(t, filepath.Join(dir, "crashed.db"))
	if s.State() != sqlite.Managed {
		t.Fatalf("state %v, but the WAL says managed", s.State())
	}
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	path := foreign(t)
	s := openAt(t, path, func(o *sqlite.Options) { o.Adopt = true })
	if s.State() != sqlite.Foreign || s.ReadOnly() {
		t.Fatalf("state %v, read only %v", s.State(), s.ReadOnly())
	}
	w := connect(t, s, sqlite.Writer)
	must(t, w.Exec("BEGIN IMMEDIATE"))
	must(t, s.MarkManaged(w))
	must(t, w.Exec("ROLLBACK"))
	if s.State() != sqlite.Foreign {
		t.Fatal("managed after a rollback")
	}
	must(t, w.Exec("BEGIN IMMEDIATE"))
	must(t, s.MarkManaged(w))
	must(t, w.Exec("COMMIT"))
	if s.State() != sqlite.Managed {
		t.Fatal("not managed after the commit")
	}
	wantInt(t, w, "SELECT count(*) FROM t", 2)
}

// TestSettingsAreReadBack: a connection that would be less durable than promised is not handed out.
func TestSettingsAreReadBack(t *testing.T) {
	t.Parallel()
	s := open(t)
	w := mustConnect(t, s, sqlite.Writer)
	must(t, run(w, "CREATE TABLE t(a)"))
	must(t, w.Close())
	raw, err := driver.Open("file:" + s.Location().Path)
	must(t, err)
	must(t, raw.Exec("PRAGMA journal_mode=DELETE"))
	must(t, raw.Close())
	_, err = s.Connect(context.Background(), sqlite.Writer)
	wantClass(t, err, sqlite.Mismatch)
	again := openAt(t, s.Location().Path) // opening puts it right
	connect(t, again, sqlite.Writer)
}

func TestReadOnlyLocation(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "m.db")
	s, err := tryOpen(sqlite.Location{Path: path})
	must(t, err)
	w := mustConnect(t, s, sqlite.Writer)
	must(t, run(w, "CREATE TABLE t(a)"))
	must(t, w.Close())
	must(t, s.Close())
	before := files(t, path)
	for _, immutable := range []bool{false, true} {
		ro, err := tryOpen(sqlite.Location{Path: path, ReadOnly: true, Immutable: immutable})
		must(t, err)
		r := mustConnect(t, ro, sqlite.Reader)
		wantInt(t, r, "SELECT count(*) FROM t", 0)
		must(t, r.Close())
		must(t, ro.Close())
	}
	if after := files(t, path); len(after) != len(before) {
		t.Fatalf("reading left files: %v", keys(after))
	}
}

func TestPrivateFiles(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("permissions are access lists there")
	}
	path := filepath.Join(t.TempDir(), "p.db")
	s := openAt(t, path)
	w := connect(t, s, sqlite.Writer)
	must(t, run(w, "CREATE TABLE t(a)"))
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", info.Name(), info.Mode())
		}
	}
	// An administrator's wider permission on the database extends to its companions.
	shared := filepath.Join(t.TempDir(), "shared.db")
	must(t, os.WriteFile(shared, nil, 0o600))
	must(t, os.Chmod(shared, 0o660))
	s2 := openAt(t, shared)
	w2 := connect(t, s2, sqlite.Writer)
	must(t, run(w2, "CREATE TABLE t(a)"))
	for _, suffix := range []string{"-wal", "-shm"} {
		info, err := os.Stat(shared + suffix)
		must(t, err)
		if info.Mode().Perm() != 0o660 {
			t.Errorf("%s has mode %v", info.Name(), info.Mode())
		}
	}
}

// TestHasMoved first shows the trap: a database replaced under the process takes writes that nobody will ever read.
func TestHasMoved(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be renamed there")
	}
	rename := func(path string) error { return os.Rename(path, path+".away") }
	replace := func(path string) error {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return errors.Join(os.WriteFile(path+".new", data, 0o600), os.Rename(path+".new", path))
	}
	for name, change := range map[string]func(string) error{"renamed": rename, "replaced": replace, "unlinked": os.Remove} {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			t.Run(name+suffix, func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "h.db")
				s := openAt(t, path)
				w, r := connect(t, s, sqlite.Writer), connect(t, s, sqlite.Reader)
				must(t, run(w, "CREATE TABLE t(a)"))
				wantInt(t, r, "SELECT count(*) FROM t", 0)
				if moved, what, err := s.HasMoved(); moved || err != nil {
					t.Fatalf("moved %v %s %v", moved, what, err)
				}
				must(t, change(path+suffix))
				if err := run(w, "INSERT INTO t VALUES(1)"); err != nil {
					t.Logf("SQLite noticed by itself: %v", err)
				}
				moved, what, err := s.HasMoved()
				must(t, err)
				if !moved || what != path+suffix {
					t.Fatalf("moved %v, what %q", moved, what)
				}
			})
		}
	}
}

// TestHasMovedIgnoresCleanClose: SQLite removes -wal and -shm when the last connection closes, and that is no move.
func TestHasMovedIgnoresCleanClose(t *testing.T) {
	t.Parallel()
	s := open(t)
	for range 3 {
		w := mustConnect(t, s, sqlite.Writer)
		must(t, run(w, "CREATE TABLE IF NOT EXISTS t(a)"))
		must(t, w.Close())
		if moved, what, err := s.HasMoved(); moved || err != nil {
			t.Fatalf("moved %v %s %v", moved, what, err)
		}
	}
}

func TestOpenRace(t *testing.T) {
	t.Parallel()
	for round := range 10 {
		path := filepath.Join(t.TempDir(), "race.db")
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			wg.Add(1)
			go func() {
				defer wg.Done()
				s, err := tryOpen(sqlite.Location{Path: path})
				if err != nil {
					errs[i] = err
					return
				}
				c, err := s.Connect(context.Background(), sqlite.Reader)
				if err == nil {
					err = c.Close()
				}
				errs[i] = errors.Join(err, s.Close())
			}()
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		s := openAt(t, path)
		if s.State() != sqlite.Managed {
			t.Fatalf("state %v", s.State())
		}
		c := connect(t, s, sqlite.Writer)
		wantInt(t, c, "PRAGMA auto_vacuum", 2)
	}
}

// TestMemoryIsolation: two stores in memory share nothing, two connections of one share everything.
func TestMemoryIsolation(t *testing.T) {
	t.Parallel()
	a, b := openAt(t, "sqlite://"), openAt(t, ":memory:")
	wa, wb, ra := connect(t, a, sqlite.Writer), connect(t, b, sqlite.Writer), connect(t, a, sqlite.Reader)
	must(t, run(wa, "CREATE TABLE t(a)"))
	wantInt(t, ra, "SELECT count(*) FROM t", 0)
	if _, err := wb.QueryInt("SELECT count(*) FROM t"); err == nil {
		t.Fatal("stores in memory share a table")
	}
	// Readers do not block the writer.
	must(t, ra.Exec("BEGIN"))
	wantInt(t, ra, "SELECT count(*) FROM t", 0)
	must(t, run(wa, "INSERT INTO t VALUES(1)"))
	wantInt(t, ra, "SELECT count(*) FROM t", 0)
	must(t, ra.Exec("COMMIT"))
	wantInt(t, ra, "SELECT count(*) FROM t", 1)
	if moved, _, err := a.HasMoved(); moved || err != nil {
		t.Fatal("a database in memory moved", err)
	}
}

func TestCounters(t *testing.T) {
	t.Parallel()
	s := open(t)
	w := connect(t, s, sqlite.Writer)
	must(t, run(w, "CREATE TABLE t(a)"))
	before := s.IO()
	must(t, run(w, "INSERT INTO t VALUES(1)"))
	full := s.IO()
	if full.Syncs <= before.Syncs || full.Writes <= before.Writes || full.BytesWritten <= before.BytesWritten {
		t.Fatalf("a durable commit is not in the counters: %+v, then %+v", before, full)
	}
	must(t, w.SetSynchronous(false))
	must(t, run(w, "INSERT INTO t VALUES(2)"))
	if relaxed := s.IO(); relaxed.Syncs != full.Syncs {
		t.Fatalf("a relaxed commit synced the WAL %d times", relaxed.Syncs-full.Syncs)
	}
	v1, err := w.DataVersion()
	must(t, err)
	other := connect(t, s, sqlite.Maintenance)
	must(t, run(other, "INSERT INTO t VALUES(3)"))
	wantInt(t, w, "SELECT count(*) FROM t", 3)
	v2, err := w.DataVersion()
	must(t, err)
	if v1 == v2 {
		t.Fatal("the data version did not change with a foreign write")
	}
	if w.MemoryUsed() <= 0 {
		t.Fatal("no memory in use")
	}
	q, err := w.Prepare("SELECT a FROM t ORDER BY a")
	must(t, err)
	defer q.Release()
	for row := true; row; {
		row, err = q.Step()
		must(t, err)
	}
	if n := q.Counters(); n.VMSteps == 0 || n.FullScan == 0 || n.Sorts != 1 {
		t.Fatalf("counters %+v", n)
	}
	if n := q.Counters(); n != (sqlite.Counters{}) {
		t.Fatalf("counters do not start anew: %+v", n)
	}
}

func TestDeferredFKs(t *testing.T) {
	t.Parallel()
	s := open(t)
	w := connect(t, s, sqlite.Writer)
	must(t, run(w, "CREATE TABLE p(id INTEGER PRIMARY KEY)"))
	must(t, run(w, "CREATE TABLE k(p INT REFERENCES p DEFERRABLE INITIALLY DEFERRED)"))
	must(t, w.Exec("BEGIN IMMEDIATE; SAVEPOINT j"))
	must(t, run(w, "INSERT INTO k VALUES(1)"))
	if n, err := w.DeferredFKs(); err != nil || n == 0 {
		t.Fatalf("%d, %v", n, err)
	}
	must(t, run(w, "INSERT INTO p VALUES(1)"))
	if n, err := w.DeferredFKs(); err != nil || n != 0 {
		t.Fatalf("%d, %v", n, err)
	}
	must(t, w.Exec("RELEASE j; COMMIT"))
}

// TestOpenWaitsForOthers: a program that locks the file exclusively is waited for until the deadline, and named as the reason.
func TestOpenWaitsForOthers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "locked.db")
	raw, err := driver.Open("file:" + path)
	must(t, err)
	defer raw.Close()
	must(t, raw.Exec("CREATE TABLE x(a); DROP TABLE x; BEGIN EXCLUSIVE"))
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err = sqlite.Open(ctx, sqlite.Location{Path: path}, sqlite.DefaultOptions())
	wantClass(t, err, sqlite.Busy)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "another process") {
		t.Fatalf("%v does not say why", err)
	}
	must(t, raw.Exec("COMMIT"))
	openAt(t, path)
}
