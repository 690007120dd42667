package migrate_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/sqlite"
)

const (
	startEnv  = "TIDEGATE_MIGRATE_START"
	startFile = "go"
)

// TestHelperStarts is one of the processes of TestEightProcessesAtTheSameInstant.
func TestHelperStarts(t *testing.T) {
	path := os.Getenv(startEnv)
	if path == "" {
		t.Skip("only as the child of TestEightProcessesAtTheSameInstant")
	}
	fmt.Println("ready")
	for { // all of them see the file at the same instant
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), startFile)); err == nil {
			break
		}
	}
	rep, err := openBase(t, path, nil).migrator(load(t, steps(t, "UPDATE t SET bal = bal * 10;"))).Up(t.Context())
	fmt.Printf("applied %d, error %v\n", len(rep.Applied), err)
}

func TestEightProcessesAtTheSameInstant(t *testing.T) {
	t.Parallel()
	runs := 1
	if torture() {
		runs = 100
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for run := range runs {
		b := newBase(t)
		up(t, b.migrator(load(t, steps(t))))
		var children []*exec.Cmd
		var outs []*ready
		for range 8 {
			cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestHelperStarts$", "-test.count=1")
			cmd.Env = append(os.Environ(), startEnv+"="+b.path)
			out := &ready{seen: make(chan struct{})}
			cmd.Stdout, cmd.Stderr = out, out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			children, outs = append(children, cmd), append(outs, out)
		}
		for _, out := range outs {
			<-out.seen
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(b.path), startFile), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		applied := 0
		for i, cmd := range children {
			if err := cmd.Wait(); err != nil {
				t.Errorf("run %d: %v\n%s", run, err, outs[i])
			}
			text := outs[i].String()
			applied += strings.Count(text, "applied 1")
			if !strings.Contains(text, "error <nil>") || strings.Contains(text, "lock") {
				t.Errorf("run %d: %s", run, text)
			}
		}
		if n := b.integer("SELECT bal FROM t"); n != 70 || applied != 1 {
			t.Fatalf("run %d: applied %d times, balance %d", run, applied, n)
		}
	}
}

// ready is the output of a child, and tells when the first of it has come.
type ready struct {
	mu   sync.Mutex
	text strings.Builder
	seen chan struct{}
}

func (r *ready) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.text.Len() == 0 {
		close(r.seen)
	}
	return r.text.Write(p)
}

func (r *ready) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// What a killed process has left is not taken for who holds the lock: an operator would look for the wrong one.
func TestHolderThatIsGone(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	up(t, b.migrator(load(t, columns(t))))
	gone := exec.Command(os.Args[0], "-test.run=^$")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	held, err := b.store.Connect(t.Context(), sqlite.Maintenance)
	if err != nil {
		t.Fatal(err)
	}
	if err := held.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	for pid, named := range map[int]bool{gone.Process.Pid: false, os.Getpid(): true} {
		note := fmt.Sprintf(`{"pid":%d,"host":%q,"program":"trader","kind":"up","since":"2026-01-02T03:04:05Z"}`, pid, host)
		if err := os.WriteFile(b.path+"-migrating", []byte(note), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := b.configured(func(c *migrate.Config) { c.LockWait = time.Millisecond }, load(t, columns(t, "a"))).Up(t.Context())
		if got := codes(err); len(got) != 1 || got[0] != migrate.LockBusy || strings.Contains(err.Error(), "trader") != named {
			t.Errorf("held by %d: %v", pid, err)
		}
	}
	if err := errors.Join(held.Exec("ROLLBACK"), held.Close()); err != nil {
		t.Error(err)
	}
}
