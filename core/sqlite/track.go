package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
)

// fileTracker knows which files the Store's connections really hold open, to find out when a name leads elsewhere.
// Safe for concurrent use.
type fileTracker struct {
	path   string      // of the database
	mapped atomic.Bool // connections will use a -shm file
	wal    atomic.Int64
	doubt  atomic.Bool // a sync of the log failed, and what it was for has not been written again since
	// unsynced says that a sync of the database failed, or may have. The system may have dropped pages that earlier checkpoints wrote: one that a reader
	// stops half way syncs nothing, and what it wrote counts as done all the same.
	unsynced atomic.Bool

	mu  sync.Mutex
	db  identity
	log identity
	shm identity

	anchors []*os.File // see anchor
}

// identity is the file that the open handles of one name share.
type identity struct {
	info  fs.FileInfo
	split bool // two handles of one name lead to different files
	users map[*file]struct{}
}

// place is where the file that the open handles of one name share is now.
type place uint8

const (
	placeUnknown place = iota // nobody holds one open, or it cannot be looked at
	placeSame
	placeGone  // the name leads nowhere
	placeOther // the name leads to another file
)

// add notes a handle; false where those that are open lead to another file.
func (id *identity) add(f *file, info fs.FileInfo) bool {
	if id.users == nil {
		id.users = map[*file]struct{}{}
	}
	if len(id.users) == 0 {
		id.info, id.split = info, false
	} else if !os.SameFile(id.info, info) {
		return false
	}
	id.users[f] = struct{}{}
	return true
}

func (id *identity) place(path string) (place, error) {
	if len(id.users) == 0 || id.info == nil {
		return placeUnknown, nil
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return placeGone, nil
	case err != nil:
		return placeUnknown, err
	case id.split || !os.SameFile(id.info, info):
		return placeOther, nil
	}
	return placeSame, nil
}

// opened notes an open file; false where it is not the file that others hold open under that name.
func (t *fileTracker) opened(f *file) bool {
	if f.kind != FileDB && f.kind != FileWAL {
		return true
	}
	s, ok := f.base.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return true
	}
	info, err := s.Stat()
	if err != nil {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.kind == FileDB {
		if len(t.db.users) == 0 {
			t.unanchor()
		}
		return t.db.add(f, info)
	}
	if !t.log.add(f, info) {
		return false
	}
	t.wal.Store(info.Size())
	return true
}

func (t *fileTracker) shmOpened(f *file, info fs.FileInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.shm.add(f, info) {
		t.shm.split = true // found by whoever looks next; the connection itself is refused when it has been opened
	}
}

// closed is also called for the files of a fenced connection, see Conn.Fence: what it held says nothing about the live ones.
func (t *fileTracker) closed(f *file) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.db.users, f)
	delete(t.log.users, f)
	delete(t.shm.users, f)
	if f.kind == FileWAL && len(t.log.users) == 0 {
		t.wal.Store(0)
	}
}

func (t *fileTracker) forget(v *connVFS) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range []*identity{&t.db, &t.log, &t.shm} {
		for f := range id.users {
			if f.vfs == v {
				delete(id.users, f)
			}
		}
	}
}

func (t *fileTracker) walGrew(end int64) {
	for {
		old := t.wal.Load()
		if end <= old || t.wal.CompareAndSwap(old, end) {
			return
		}
	}
}

func (t *fileTracker) walSet(size int64) { t.wal.Store(size) }

func (t *fileTracker) hasMoved() (bool, string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range []struct {
		id   *identity
		path string
	}{{&t.db, t.path}, {&t.log, t.path + "-wal"}, {&t.shm, t.path + "-shm"}} {
		at, err := c.id.place(c.path)
		if moved := at == placeGone || at == placeOther; moved || err != nil {
			return moved, c.path, err
		}
	}
	return false, "", nil
}

// places tells where each of the three files is.
func (t *fileTracker) places() (db, log, shm place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	db, _ = t.db.place(t.path) // unknown: then nothing is done to names
	log, _ = t.log.place(t.path + "-wal")
	shm, _ = t.shm.place(t.path + "-shm")
	return db, log, shm
}

// logFile is an open handle of the log, or nil.
func (t *fileTracker) logFile() *file {
	t.mu.Lock()
	defer t.mu.Unlock()
	for f := range t.log.users {
		if !f.vfs.gate.fenced() {
			return f
		}
	}
	return nil
}

// disown forgets what is open now: it has been found to be another file, and what is opened from here on must not be compared with it.
// What the files were is kept, see stranded.
func (t *fileTracker) disown() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range []*identity{&t.db, &t.log, &t.shm} {
		clear(id.users)
		id.split = false
	}
	t.wal.Store(0)
}

// stranded reports whether nobody has the database open any more, another one has taken its place, and the log beside it still is the log
// of before.
func (t *fileTracker) stranded(path string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.db.users) > 0 || t.db.info == nil {
		return false
	}
	now, err := os.Stat(path)
	if err != nil {
		return false // not there: nothing can be opened
	}
	log, err := os.Stat(path + "-wal")
	return err == nil && t.log.info != nil && os.SameFile(t.log.info, log) && !os.SameFile(t.db.info, now)
}

// anchor keeps the database, whose name is gone, and its log from being taken for another file: a system gives the number of a file that
// is removed and closed to the next one.
func (t *fileTracker) anchor(path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unanchor()
	for f := range t.db.users {
		if file := reopen(f.base); file != nil {
			t.anchors = append(t.anchors, file)
			break
		}
	}
	if file, err := os.Open(path + "-wal"); err == nil {
		t.anchors = append(t.anchors, file)
	}
}

// unanchor lets go of what anchor keeps. t.mu is held.
func (t *fileTracker) unanchor() {
	for _, f := range t.anchors {
		_ = f.Close() // it was open for reading
	}
	t.anchors = nil
}

// logRemoved is told when SQLite itself has removed the log.
func (t *fileTracker) logRemoved() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log.info = nil
}

// strange reports whether the file in the place of the log is not the log that was open last.
func (t *fileTracker) strange() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	info, err := os.Stat(t.path + "-wal")
	return err == nil && t.log.info != nil && !os.SameFile(t.log.info, info)
}

// close lets go of everything.
func (t *fileTracker) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unanchor()
}
