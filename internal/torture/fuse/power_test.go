//go:build linux

package fuse_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk"
	"github.com/tidegate/engine/internal/torture/fuse"
	"github.com/tidegate/engine/migrations"
)

func long(short, long int) int {
	if os.Getenv("TIDEGATE_TORTURE") != "" {
		return long
	}
	return short
}

// machine is a computer whose disk is the lossy one. The program is the shipped one, and the list of what it acknowledged is kept elsewhere.
type machine struct {
	t      *testing.T
	disk   *fuse.Disk
	mount  string
	server *gofuse.Server
	binary string
	ledger string
	rnd    *rand.Rand
	run    *program
}

type program struct {
	cmd    *exec.Cmd
	ended  chan error
	mu     sync.Mutex
	output bytes.Buffer
}

func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.Write(b)
}

func (p *program) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	dir := t.TempDir()
	m := &machine{t: t, disk: fuse.NewDisk(), mount: filepath.Join(dir, "disk"), binary: filepath.Join(dir, "engine"), ledger: filepath.Join(dir, "ledger")}
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("TIDEGATE_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("seed %d", seed)
	m.rnd = rand.New(rand.NewPCG(seed, 0))
	if err := os.Mkdir(m.mount, 0o700); err != nil {
		t.Fatal(err)
	}
	m.up()
	build := exec.Command("go", "build", "-o", m.binary, "./cmd/engine")
	build.Dir = "../../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		m.stop()
		m.down()
	})
	return m
}

// up mounts the disk; a machine that refuses skips the test.
func (m *machine) up() {
	m.t.Helper()
	server, err := m.disk.Mount(m.mount)
	if err != nil {
		m.t.Skipf("SKIPPED: FUSE is refused here, so the lossy disk was not tried: %v", err)
	}
	m.server = server
}

func (m *machine) down() {
	if m.server == nil {
		return
	}
	for end := time.Now().Add(10 * time.Second); ; { // the kernel may still be letting go of the killed program's files
		err := m.server.Unmount()
		if err == nil {
			break
		}
		if time.Now().After(end) {
			m.t.Fatalf("unmount: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	m.server.Wait()
	m.server = nil
}

func (m *machine) start() {
	m.t.Helper()
	p := &program{ended: make(chan error, 1)}
	p.cmd = exec.Command(m.binary, "demo", "--db", "sqlite:///"+filepath.Join(m.mount, "desk.db"), "--ledger", m.ledger,
		"--sessions", "20", "--duration", "1h", "--seed", strconv.FormatUint(m.rnd.Uint64N(1<<32), 10))
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	m.run = p
}

// stop kills the program. It may have ended already.
func (m *machine) stop() {
	if m.run == nil {
		return
	}
	_ = m.run.cmd.Process.Kill()
	<-m.run.ended
	m.run = nil
}

// until waits for a condition while the program runs, or runs again.
func (m *machine) until(what string, reached func() bool) {
	m.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !reached() {
		select {
		case err := <-m.run.ended:
			m.run.ended <- err
			if strings.Contains(m.run.said(), "retry after") { // turned away on a busy machine, which the demo takes for its end
				m.stop()
				m.start()
				continue
			}
			m.t.Fatalf("the program ended while waiting for %s: %v\n%s", what, err, m.run.said())
		case <-time.After(2 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("two minutes without %s\n%s", what, m.run.said())
		}
	}
}

func (m *machine) trades(more int) {
	m.t.Helper()
	want := len(m.acknowledged()) + more
	m.until(strconv.Itoa(more)+" more trades", func() bool { return len(m.acknowledged()) >= want })
}

// acknowledged reads the ids that the program promised. A line without an end is no promise.
func (m *machine) acknowledged() []int64 {
	content, err := os.ReadFile(m.ledger)
	if err != nil && !os.IsNotExist(err) {
		m.t.Fatal(err)
	}
	lines := strings.Split(string(content), "\n")
	ids := make([]int64, 0, len(lines))
	for _, line := range lines[:len(lines)-1] {
		id, err := strconv.ParseInt(line, 10, 64)
		if err != nil {
			m.t.Fatalf("ledger line %q: %v", line, err)
		}
		ids = append(ids, id)
	}
	return ids
}

// powerCut takes the power away and brings it back.
func (m *machine) powerCut() {
	m.t.Helper()
	m.disk.Cut()
	m.stop()
	m.down()
	m.disk.PowerOn(m.rnd)
	m.up()
}

// inspect opens a copy of what the disk holds, so that nothing of this process waits for a file system that this process serves.
func (m *machine) inspect(when string) (booked int) {
	m.t.Helper()
	dir := m.t.TempDir()
	if err := m.disk.Extract(dir); err != nil {
		m.t.Fatal(err)
	}
	cfg := engine.DefaultConfig(filepath.Join(dir, "desk.db"))
	cfg.Create, cfg.Migrations = false, migrations.FS
	db, err := engine.Open(m.t.Context(), cfg)
	if err != nil {
		m.t.Fatalf("%s: %v", when, err)
	}
	defer db.Close()
	ids := m.acknowledged()
	list, err := json.Marshal(ids)
	if err != nil {
		m.t.Fatal(err)
	}
	var found int
	var sound string
	if err := db.QueryRow(m.t.Context(), "SELECT count(*) FROM json_each(?1) j JOIN executions x ON x.exec_id = j.value", string(list)).Scan(&found); err != nil {
		m.t.Fatal(err)
	}
	if err := db.QueryRow(m.t.Context(), "SELECT count(*), (SELECT * FROM pragma_integrity_check) FROM executions").Scan(&booked, &sound); err != nil {
		m.t.Fatal(err)
	}
	if found != len(ids) || sound != "ok" {
		m.t.Errorf("%s: %d of %d acknowledged trades are lost, integrity %s", when, len(ids)-found, len(ids), sound)
	}
	verdicts, err := desk.Verify(m.t.Context(), db)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, v := range verdicts {
		if v.Broken > 0 {
			m.t.Errorf("%s: %s %s: %d rows, first %s", when, v.Name, v.Rule, v.Broken, v.Example)
		}
	}
	return booked
}

// TestPowerCut runs the shipped program and takes the power away, again and again on one disk.
func TestPowerCut(t *testing.T) {
	m := newMachine(t)
	cuts := long(2, 25)
	booked := 0
	for i := range cuts {
		m.start()
		m.trades(20 + m.rnd.IntN(300))
		m.powerCut()
		booked = m.inspect("after power cut " + strconv.Itoa(i+1))
	}
	t.Logf("figures: cases=%d acknowledged=%d booked=%d", cuts, len(m.acknowledged()), booked)
}

// settle gives the program a moment with the trouble. The demo may go on, or end with the engine's words for a full disk or a breaker
// that is open, and is then started again.
func (m *machine) settle(errno syscall.Errno) {
	m.t.Helper()
	select {
	case err := <-m.run.ended:
		m.run.ended <- err
	case <-time.After(300 * time.Millisecond):
		return
	}
	said := m.run.said()
	typed := strings.Contains(said, "retry after") || errno == syscall.ENOSPC && strings.Contains(said, "free space on the volume")
	if !typed || strings.Contains(said, "goroutine ") {
		m.t.Fatalf("the program ended after %v:\n%s", errno, said)
	}
	m.stop()
	m.disk.Clear(fuse.Write)
	m.disk.Clear(fuse.Fsync)
	m.start()
}

// TestFaults makes the disk fail under the running program: syncs that fail and lose what they were for, writes that fail, a disk that is
// full for a while. Then the power goes.
func TestFaults(t *testing.T) {
	m := newMachine(t)
	rounds := long(1, 8)
	hits := 0
	for i := range rounds {
		m.start()
		for _, f := range []struct {
			call  fuse.Call
			errno syscall.Errno
			times int
		}{{fuse.Fsync, syscall.EIO, 1}, {fuse.Write, syscall.EIO, 1}, {fuse.Write, syscall.ENOSPC, 200}, {fuse.Fsync, syscall.ENOSPC, 2}} {
			m.trades(20 + m.rnd.IntN(60))
			m.disk.Fail(f.call, f.errno, f.times)
			m.until("a failed "+string(f.call), func() bool { return m.disk.Hits(f.call) > 0 })
			hits += m.disk.Hits(f.call)
			m.settle(f.errno)
			m.disk.Clear(f.call)
		}
		m.trades(50)
		m.powerCut()
		m.inspect("after faults and power cut " + strconv.Itoa(i+1))
	}
	t.Logf("figures: cases=%d rounds=%d acknowledged=%d", hits, rounds, len(m.acknowledged()))
}
