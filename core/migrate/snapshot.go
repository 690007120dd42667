package migrate

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// Snapshot is a copy of the whole database from before a change.
type Snapshot struct {
	Path   string
	Run    string // the run that it was taken for
	Taken  time.Time
	Bytes  int64
	SHA256 string // as noted when it was taken; "" where the note is missing
}

const stampFormat = "20060102T150405.000000000Z"

// snapshotDir is the folder of the copies of this database. In one that is configured, which several databases of the same file name may share, each has
// its own: the newest copy of another one would be restored, or removed, in the place of ours.
func (m *Migrator) snapshotDir() string {
	path := m.store.Location().Path
	dir := path + ".snapshots"
	if shared := m.cfg.Snapshots.Dir; shared != "" {
		if abs, err := filepath.Abs(path); err == nil {
			path = abs
		}
		sum := sha256.Sum256([]byte(path))
		dir = filepath.Join(shared, filepath.Base(path)+"-"+hex.EncodeToString(sum[:4]))
	}
	// The path of a copy is noted in the database, for programs that run in other folders, too.
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return dir
}

// snapshot copies the database as the open transaction found it: nobody can write while the lock is held, and the second connection
// sees nothing of what this one has not committed.
func (b *batch) snapshot() error {
	m := b.m
	if m.bare || m.store.Location().Memory || !b.view.managed && len(b.view.objects) == 0 {
		return nil // an empty database is restored by emptying it
	}
	m.progress(Progress{Phase: "snapshot"})
	dir := m.snapshotDir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("migrate: the folder for snapshots: %w", err)
	}
	base := filepath.Base(m.store.Location().Path)
	dropParts(dir, base)
	path := filepath.Join(dir, fmt.Sprintf("%s.%s.%s.db", base, m.clock.Now().UTC().Format(stampFormat), b.run.ID))
	if err := m.with(b.ctx, func(c *sqlite.Conn) error { return c.CopyTo(path) }); err != nil {
		return fmt.Errorf("migrate: the snapshot before the migration: %w", err)
	}
	b.copied = path
	sum, err := fileSum(path)
	if err == nil {
		err = writeSum(path, sum)
	}
	if err != nil {
		return fmt.Errorf("migrate: the snapshot before the migration: %w", err)
	}
	b.run.Snapshot, b.run.SHA256 = path, sum
	m.dropDoubles()
	return nil
}

// dropParts removes copies of this database that a crash left unfinished: the write lock is held, so nobody else is making one. The folder may
// be shared with other databases, whose copies may be under way.
func dropParts(dir, base string) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, f := range files {
		copied, unfinished := strings.CutSuffix(f.Name(), ".part")
		if _, _, ours := copyOf(base, copied); unfinished && ours {
			os.Remove(filepath.Join(dir, f.Name()))
		}
	}
}

// copyOf reads the name of a copy of the database called base: when it was taken, and for which run.
func copyOf(base, name string) (taken time.Time, run string, ok bool) {
	rest, ours := strings.CutPrefix(name, base+".")
	rest, db := strings.CutSuffix(rest, ".db")
	i := strings.LastIndexByte(rest, '.')
	if !ours || !db || i < 0 {
		return taken, "", false
	}
	taken, err := time.Parse(stampFormat, rest[:i])
	return taken, rest[i+1:], err == nil
}

func writeSum(path, sum string) error {
	f, err := os.OpenFile(path+".sha256", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s  %s\n", sum, filepath.Base(path))
	return errors.Join(err, f.Sync(), f.Close())
}

// notedSum is the sum that was noted beside a copy; "" where it was not.
func notedSum(path string) (sum string) {
	if note, err := os.ReadFile(path + ".sha256"); err == nil {
		sum, _, _ = strings.Cut(string(note), " ")
	}
	return sum
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, bufio.NewReaderSize(f, 1<<20)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Snapshots lists the copies that are kept, newest first.
func (m *Migrator) Snapshots() ([]Snapshot, error) {
	if m.store.Location().Memory {
		return nil, nil
	}
	dir, base := m.snapshotDir(), filepath.Base(m.store.Location().Path)
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("migrate: list the snapshots: %w", err)
	}
	var out []Snapshot
	for _, f := range files {
		taken, run, ours := copyOf(base, f.Name())
		if !ours {
			continue
		}
		info, err := f.Info()
		if err != nil {
			continue // removed meanwhile
		}
		s := Snapshot{Path: filepath.Join(dir, f.Name()), Run: run, Taken: taken, Bytes: info.Size()}
		s.SHA256 = notedSum(s.Path)
		out = append(out, s)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Taken.After(out[j].Taken) })
	return out, nil
}

// prune removes the oldest copies. It is best effort: a copy too many harms nobody.
func (m *Migrator) prune() {
	list, err := m.Snapshots()
	if err != nil {
		return
	}
	for i, s := range list {
		if i >= max(m.cfg.Snapshots.Keep, 1) {
			dropCopy(s.Path)
		}
	}
}

// dropDoubles keeps the newest of copies with the same content: what killed runs leave, which removed nothing.
func (m *Migrator) dropDoubles() {
	list, err := m.Snapshots()
	if err != nil {
		return
	}
	seen := map[string]bool{}
	for _, s := range list {
		if seen[s.SHA256] {
			dropCopy(s.Path)
		}
		seen[s.SHA256] = s.SHA256 != ""
	}
}

// dropCopy removes a copy with its note, as far as it can.
func dropCopy(path string) {
	if path != "" {
		os.Remove(path)
		os.Remove(path + ".sha256")
	}
}

// ErrSnapshot matches the error of a snapshot that is missing or is not what it was when it was taken.
var ErrSnapshot = errors.New("migrate: unusable snapshot")

// checkSnapshot compares a copy with what was noted when it was taken; without a note, it only has to be there.
func checkSnapshot(path, want string) error {
	sum, err := fileSum(path)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrSnapshot, err)
	case want != "" && sum != want:
		return fmt.Errorf("%w: %s was changed since it was taken", ErrSnapshot, path)
	}
	return nil
}

// putBack replaces the database's content by that of a snapshot, and raises the epoch so that no process works on with what it knew. now is
// what became of the run: where another process was faster, nothing is replaced, for callers may have written since. noted is whether the
// database says that it is being restored; one that is too damaged cannot.
func (m *Migrator) putBack(ctx context.Context, r Run, note string, noted bool) (now RunState, err error) {
	m.progress(Progress{Phase: "restore"})
	path := r.Snapshot
	if path == "" {
		empty, remove, err := m.emptyCopy(ctx)
		if err != nil {
			return r.State, err
		}
		defer remove()
		path = empty
	} else if err := checkSnapshot(path, r.SHA256); err != nil {
		return r.State, err
	}
	release, err := m.alone(ctx)
	if err != nil {
		return r.State, err
	}
	defer func() { err = errors.Join(err, release()) }()
	if noted {
		if now, err = m.stateOf(ctx, r.ID); err != nil || now != RunRestoring {
			return now, err
		}
	}
	var had []Run // what a database that is too damaged to tell does not know, nobody else does
	epoch := r.EpochAfter
	err = m.with(ctx, func(conn *sqlite.Conn) error {
		if v, err := look(conn); err == nil {
			had, epoch = append(v.runs, r), v.epoch
		}
		return m.whenFree(ctx, func() error { return conn.RestoreFrom(path) })
	})
	if err != nil {
		return r.State, fmt.Errorf("migrate: put the snapshot back: %w", err)
	}
	r.State, r.Note, r.EpochAfter = RunRestored, note, nextEpoch(epoch, had)
	return RunRestored, m.note(ctx, r)
}

// note writes a run and the epoch, in a transaction of its own.
func (m *Migrator) note(ctx context.Context, r Run) error {
	return m.with(ctx, func(conn *sqlite.Conn) (err error) {
		if err := m.begin(ctx, conn); err != nil {
			return err
		}
		err = createTables(conn)
		if err == nil {
			r.Done = m.clock.Now()
			err = writeRun(conn, r)
		}
		if err == nil {
			err = conn.Exec(fmt.Sprintf("PRAGMA user_version = %d", r.EpochAfter))
		}
		if err != nil {
			return errors.Join(err, conn.Exec("ROLLBACK"))
		}
		return conn.Exec("COMMIT")
	})
}

// whenFree repeats f while somebody else writes.
func (m *Migrator) whenFree(ctx context.Context, f func() error) error {
	deadline := time.Now().Add(m.cfg.LockWait)
	for {
		err := f()
		if err == nil || !isBusy(err) || time.Now().After(deadline) {
			return err
		}
		timer := time.NewTimer(jitter(20 * time.Millisecond))
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// emptyCopy is the snapshot of a database that had nothing in it.
func (m *Migrator) emptyCopy(ctx context.Context) (path string, remove func(), err error) {
	dir, err := os.MkdirTemp(filepath.Dir(m.store.Location().Path), ".tidegate-*")
	if err != nil {
		return "", nil, fmt.Errorf("migrate: an empty database: %w", err)
	}
	remove = func() { os.RemoveAll(dir) }
	path = filepath.Join(dir, "empty.db")
	store, err := m.store.Twin(ctx, sqlite.Location{Path: path})
	if err == nil {
		err = store.Close()
	}
	if err != nil {
		remove()
		return "", nil, fmt.Errorf("migrate: an empty database: %w", err)
	}
	return path, remove, nil
}
