package sqlite_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidegate/engine/core/sqlite"
)

// twins are two databases: a, which nobody has open, and b, which is open and has committed what is only in its log.
func twins(t *testing.T) (a, b string, holder *sqlite.Conn) {
	t.Helper()
	dir := t.TempDir()
	a, b = filepath.Join(dir, "a.db"), filepath.Join(dir, "b.db")
	s := openAt(t, a)
	w := mustConnect(t, s, sqlite.Writer)
	must(t, w.Exec("CREATE TABLE t (n INTEGER) STRICT"))
	must(t, w.Exec("INSERT INTO t VALUES (1)"))
	must(t, w.Close())
	must(t, s.Close())
	holder = connect(t, openAt(t, b), sqlite.Writer)
	must(t, holder.Exec("CREATE TABLE u (n INTEGER) STRICT"))
	must(t, holder.Exec("INSERT INTO u VALUES (7)"))
	return a, b, holder
}

// inOrder does one thing after the other, each once, in the middle of the file call that it names.
type inOrder struct{ steps []*atCall }

func (o *inOrder) Before(op sqlite.Op) error {
	for len(o.steps) > 0 && o.steps[0].do == nil {
		o.steps = o.steps[1:]
	}
	if len(o.steps) == 0 {
		return nil
	}
	return o.steps[0].Before(op)
}

// TestRefusedConnectionCopiesNothing: while the first connection is opened, the log of another database is in the place of ours for a moment, or the
// other database with its log in the place of both for good. To close a connection that has our file and their log would copy the one into the other,
// and remove it.
func TestRefusedConnectionCopiesNothing(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"Open", "Connect"} {
		for _, what := range []string{"log", "both"} {
			t.Run(what+" at "+at, func(t *testing.T) {
				t.Parallel()
				a, b, holder := twins(t)
				before, err := os.ReadFile(a)
				must(t, err)
				ours, left := a, 2
				steps := []*atCall{{kind: sqlite.OpOpen, file: sqlite.FileWAL, do: func() {
					left--
					if what == "both" {
						ours = a + ".ours"
						must(t, os.Rename(a, ours))
						must(t, os.Link(b, a))
					}
					must(t, os.Link(b+"-wal", a+"-wal"))
				}}, {kind: sqlite.OpSize, file: sqlite.FileWAL, do: func() {
					if left--; what == "log" {
						must(t, os.Remove(a+"-wal"))
					}
				}}}
				faults := &inOrder{}
				if at == "Open" {
					faults.steps = steps
				}
				opt := sqlite.DefaultOptions()
				opt.Faults = faults
				s, err := sqlite.Open(t.Context(), sqlite.Location{Path: a}, opt)
				if at == "Connect" {
					must(t, err)
					faults.steps = steps
					var c *sqlite.Conn
					if c, err = s.Connect(t.Context(), sqlite.Maintenance); c != nil {
						t.Error("a connection to two databases at once was given out")
					}
					must(t, s.Close())
				}
				if left > 0 || sqlite.ClassOf(err) != sqlite.CantOpen {
					t.Errorf("%d steps are left, %v", left, err)
				}
				after, err := os.ReadFile(ours)
				must(t, err)
				if !bytes.Equal(before, after) {
					t.Error("the log of another database was copied into ours")
				}
				if _, err := os.Stat(a + "-wal"); what == "both" && err != nil {
					t.Errorf("the log in the place of ours: %v", err)
				}
				if n := value(t, holder, "SELECT sum(n) FROM u"); n != 7 {
					t.Errorf("the other database: %d", n)
				}
			})
		}
	}
}

// TestCloseRemovesNoOtherLog: whoever closes the last connection removes the log, but not a file that has taken its name meanwhile.
func TestCloseRemovesNoOtherLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	s := openAt(t, path)
	w := mustConnect(t, s, sqlite.Writer)
	must(t, w.Exec("CREATE TABLE t (n INTEGER) STRICT"))
	must(t, w.Exec("INSERT INTO t VALUES (1)"))
	must(t, os.Rename(path+"-wal", path+".away"))
	must(t, os.WriteFile(path+"-wal", []byte("what somebody else has put there"), 0o600))
	must(t, w.Close())
	if got, err := os.ReadFile(path + "-wal"); err != nil || !bytes.HasPrefix(got, []byte("what")) {
		t.Errorf("%q, %v", got, err)
	}
	must(t, os.Remove(path+"-wal"))
	if n := value(t, connect(t, s, sqlite.Reader), "SELECT sum(n) FROM t"); n != 1 {
		t.Errorf("%d: what the log held was not copied", n)
	}
}
