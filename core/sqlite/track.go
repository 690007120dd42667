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

	mu  sync.Mutex
	db  identity
	log identity
	shm identity
}

// identity is the file that the open handles of one name share.
type identity struct {
	info  fs.FileInfo
	split bool // two handles of one name lead to different files
	users map[*file]struct{}
}

func (id *identity) add(f *file, info fs.FileInfo) {
	if id.users == nil {
		id.users = map[*file]struct{}{}
	}
	if len(id.users) == 0 {
		id.info, id.split = info, false
	} else if !os.SameFile(id.info, info) {
		id.split = true
	}
	id.users[f] = struct{}{}
}

func (id *identity) moved(path string) (bool, error) {
	if len(id.users) == 0 || id.info == nil {
		return false, nil
	}
	if id.split {
		return true, nil
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return !os.SameFile(id.info, info), nil
}

func (t *fileTracker) opened(f *file) {
	if f.kind != FileDB && f.kind != FileWAL {
		return
	}
	s, ok := f.base.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return
	}
	info, err := s.Stat()
	if err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.kind == FileDB {
		t.db.add(f, info)
		return
	}
	t.log.add(f, info)
	t.wal.Store(info.Size())
}

func (t *fileTracker) shmOpened(f *file, info fs.FileInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shm.add(f, info)
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
		moved, err := c.id.moved(c.path)
		if moved || err != nil {
			return moved, c.path, err
		}
	}
	return false, "", nil
}

// disown forgets what is open now: it has been found to be another file, and what is opened from here on must not be compared with it.
func (t *fileTracker) disown() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range []*identity{&t.db, &t.log, &t.shm} {
		clear(id.users)
		id.split = false
	}
	t.wal.Store(0)
}

// orphaned reports whether the database is the file at its path and the log is at no path at all.
func (t *fileTracker) orphaned() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	moved, err := t.db.moved(t.path)
	_, gone := os.Stat(t.path + "-wal")
	return !moved && err == nil && len(t.log.users) > 0 && errors.Is(gone, fs.ErrNotExist)
}
