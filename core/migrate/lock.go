package migrate

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/failpoint"
)

// holder tells other processes who keeps the write lock while it migrates. The lock itself is the database's: a holder file that a
// crash left behind locks nobody out.
type holder struct {
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	Program string    `json:"program"`
	Kind    string    `json:"kind"`
	Since   time.Time `json:"since"`
}

func (m *Migrator) holderPath() string {
	loc := m.store.Location()
	if loc.Memory {
		return ""
	}
	return loc.Path + "-migrating"
}

// announce writes the holder file; it is a help to operators, so that it cannot be written stops nobody.
func (m *Migrator) announce(kind string) (withdraw func()) {
	path := m.holderPath()
	if path == "" {
		return func() {}
	}
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	b, err := json.Marshal(holder{os.Getpid(), host, filepath.Base(os.Args[0]), kind, m.clock.Now().UTC()})
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		m.log.Debug("the holder of the lock could not be named", "file", path, "error", err)
		return func() {}
	}
	return func() { os.Remove(path) }
}

func (m *Migrator) whoHolds() string {
	b, err := os.ReadFile(m.holderPath())
	var h holder
	if err != nil || json.Unmarshal(b, &h) != nil || h.gone() {
		return "another program"
	}
	return fmt.Sprintf("%s (pid %d on %s, migrate %s since %s)", h.Program, h.PID, h.Host, h.Kind, h.Since.Format(time.RFC3339))
}

// gone reports whether the process has ended without a word, as far as this machine can tell.
func (h *holder) gone() bool {
	host, err := os.Hostname()
	if err != nil || host != h.Host || runtime.GOOS == "windows" { // where no signal asks whether a process is there
		return false
	}
	p, err := os.FindProcess(h.PID)
	if err != nil {
		return true
	}
	defer p.Release()
	err = p.Signal(syscall.Signal(0))
	return err != nil && !errors.Is(err, os.ErrPermission)
}

// begin takes the write lock, waiting for whoever has it.
func (m *Migrator) begin(ctx context.Context, conn *sqlite.Conn) error {
	deadline := time.Now().Add(m.cfg.LockWait)
	for wait := time.Millisecond; ; wait = min(2*wait, 64*time.Millisecond) {
		err := conn.Exec("BEGIN IMMEDIATE")
		if err == nil || !isBusy(err) {
			return err
		}
		if time.Now().After(deadline) {
			return conflicts([]*Conflict{{Code: LockBusy, Detail: fmt.Sprintf("%s kept the write lock for %v", m.whoHolds(), m.cfg.LockWait),
				Remedy: "wait until it has ended, or stop it, and start again"}})
		}
		timer := time.NewTimer(jitter(wait))
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// jitter spreads processes that were started at the same instant.
func jitter(d time.Duration) time.Duration {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(d)))
	if err != nil {
		return d
	}
	return time.Duration(n.Int64()) + 1
}

// batch is one change of the schema, from the lock to COMMIT.
type batch struct {
	m      *Migrator
	ctx    context.Context
	conn   *sqlite.Conn
	view   *view  // as it was under the lock
	status Status // of view
	run    Run    // what will be written about it
	copied string // path of the copy that it made; "" for none
}

// errNothing ends a batch that turned out to have nothing to do.
var errNothing = errors.New("nothing to do")

// locked runs fn in a write transaction of its own, with foreign keys off, and commits what it leaves; an error of fn rolls all of it back.
func (m *Migrator) locked(ctx context.Context, kind string, fn func(*batch) error) (run Run, err error) {
	if err := m.mayChange(kind); err != nil {
		return run, err
	}
	err = m.with(ctx, func(conn *sqlite.Conn) (err error) {
		// Outside of the transaction, where the pragma works: a rebuilt parent must not take its children along. What a migration breaks is
		// found by the check before COMMIT.
		if err := conn.Exec("PRAGMA foreign_keys = OFF"); err != nil {
			return fmt.Errorf("migrate: foreign keys off: %w", err)
		}
		m.progress(Progress{Phase: "lock"})
		if err := m.begin(ctx, conn); err != nil {
			return err
		}
		withdraw := m.announce(kind)
		defer withdraw()
		defer func() {
			if err != nil && conn.Broken() == nil && !conn.Autocommit() {
				err = errors.Join(err, conn.Exec("ROLLBACK"))
			}
		}()
		b := &batch{m: m, ctx: ctx, conn: conn, run: Run{ID: newRunID(), Kind: kind, State: RunCommitted, Started: m.clock.Now()}}
		if b.view, err = look(conn); err != nil {
			return err
		}
		b.status = m.compare(b.view)
		b.run.EpochBefore, b.run.From, b.run.To = b.view.epoch, b.status.Current, b.status.Current
		if err := fn(b); err != nil {
			dropCopy(b.copied) // it is what is still there, and a start that is tried again and again would fill the disk
			return err
		}
		m.progress(Progress{Phase: "commit"})
		failpoint.Hit(failpoint.MigrationUncommitted)
		if err := conn.Exec("COMMIT"); err != nil {
			return fmt.Errorf("migrate: commit: %w", err)
		}
		failpoint.Hit(failpoint.MigrationCommitted)
		run = b.run
		if err := conn.Exec("PRAGMA foreign_keys = ON"); err != nil {
			return err
		}
		m.settled(conn)
		return nil
	})
	if errors.Is(err, errNothing) {
		return run, errNothing
	}
	return run, err
}

// settled moves what was committed out of the log while nobody works on the database yet. A checkpoint that cannot be made now is made later.
func (m *Migrator) settled(conn *sqlite.Conn) {
	if m.store.Location().Memory {
		return
	}
	if _, _, _, err := conn.Checkpoint(sqlite.Passive); err != nil {
		m.log.Debug("no checkpoint after the migration", "error", err)
	}
}

// record writes the run and the new epoch; it is the last thing before COMMIT.
func (b *batch) record() error {
	b.run.EpochAfter = nextEpoch(b.view.epoch, b.view.runs)
	b.run.Done = b.m.clock.Now()
	if err := writeRun(b.conn, b.run); err != nil {
		return err
	}
	if err := b.conn.Exec(fmt.Sprintf("PRAGMA user_version = %d", b.run.EpochAfter)); err != nil {
		return fmt.Errorf("migrate: write the epoch: %w", err)
	}
	if err := b.m.store.MarkManaged(b.conn); err != nil {
		return fmt.Errorf("migrate: mark the database: %w", err)
	}
	return nil
}
