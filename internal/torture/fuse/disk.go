//go:build linux

// Package fuse mounts a folder whose disk can lose its power under the program that uses it. What was not synced is then gone, or there in
// part; while it runs, calls can be made to fail. The shipped program is run on it, as it is.
//
// It is a module of its own, so that the engine does not depend on the library that mounts it.
package fuse

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// Call is a kind of file call that can be made to fail.
type Call string

// The kinds.
const (
	Write Call = "write"
	Fsync Call = "fsync"
	Open  Call = "open"
)

// Disk is one flat folder. It outlives its mounts. Safe for concurrent use.
type Disk struct {
	mu     sync.Mutex
	names  map[string]*file
	safe   map[string]*file // as they are after a power cut
	dead   bool             // the power is off: nothing works, nothing changes
	fail   map[Call]*failure
	serial uint64
}

type file struct {
	id      uint64
	mode    uint32
	now     []byte
	durable []byte
	dirty   []span // what differs, oldest first
	cut     int64  // the shortest that now has been since the last sync; -1: never cut
}

type span struct{ from, to int64 }

type failure struct {
	errno syscall.Errno
	times int // left; < 0: until cleared
	hits  int
}

// NewDisk returns an empty disk.
func NewDisk() *Disk {
	return &Disk{names: map[string]*file{}, safe: map[string]*file{}, fail: map[Call]*failure{}}
}

// Fail makes the next calls of a kind fail: so many, or all of them where times is negative. A failed fsync drops what it was for.
func (d *Disk) Fail(c Call, errno syscall.Errno, times int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail[c] = &failure{errno: errno, times: times}
}

// Clear ends the failing of a kind and returns how many calls failed.
func (d *Disk) Clear(c Call) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.fail[c]
	delete(d.fail, c)
	if f == nil {
		return 0
	}
	return f.hits
}

// Hits returns how many calls of a kind have failed since Fail.
func (d *Disk) Hits(c Call) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.fail[c]; f != nil {
		return f.hits
	}
	return 0
}

// check is called under mu ahead of every call.
func (d *Disk) check(c Call) syscall.Errno {
	if d.dead {
		return syscall.EIO
	}
	f := d.fail[c]
	if f == nil || f.times == 0 {
		return 0
	}
	f.times--
	f.hits++
	return f.errno
}

// Cut turns the power off. From here on every call fails.
func (d *Disk) Cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
}

// PowerOn brings the disk back with what it kept: all that was synced, and of the rest each write as the coin falls.
func (d *Disk) PowerOn(rnd *rand.Rand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = false
	for _, f := range d.safe {
		f.crash(rnd)
	}
	d.names = maps.Clone(d.safe)
}

func (f *file) crash(rnd *rand.Rand) {
	kept := append([]byte(nil), f.durable...)
	if f.cut >= 0 && f.cut < int64(len(kept)) && rnd.IntN(2) == 0 {
		kept = kept[:f.cut]
	}
	for _, s := range f.dirty {
		to := min(s.to, int64(len(f.now)))
		if s.from >= to || rnd.IntN(2) == 0 {
			continue
		}
		if grow := to - int64(len(kept)); grow > 0 {
			kept = append(kept, make([]byte, grow)...)
		}
		copy(kept[s.from:to], f.now[s.from:to])
	}
	f.now, f.durable, f.dirty, f.cut = kept, append([]byte(nil), kept...), nil, -1
}

// Extract copies the folder to a directory of the real disk.
func (d *Disk) Extract(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, f := range d.names {
		if err := os.WriteFile(filepath.Join(dir, name), f.now, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (d *Disk) create(name string, mode uint32) *file {
	d.serial++
	f := &file{id: d.serial + 1, mode: mode, cut: -1}
	d.names[name] = f
	return f
}

func (f *file) write(p []byte, off int64) {
	end := off + int64(len(p))
	if grow := end - int64(len(f.now)); grow > 0 {
		f.now = append(f.now, make([]byte, grow)...)
	}
	copy(f.now[off:], p)
	f.dirty = append(f.dirty, span{off, end})
}

func (f *file) resize(size int64) {
	if size < int64(len(f.now)) {
		f.now = f.now[:size]
		if f.cut < 0 || size < f.cut {
			f.cut = size
		}
		return
	}
	from := int64(len(f.now))
	f.now = append(f.now, make([]byte, size-from)...)
	f.dirty = append(f.dirty, span{from, size})
}

func (f *file) sync() {
	if f.cut >= 0 && f.cut < int64(len(f.durable)) {
		f.durable = f.durable[:f.cut]
	}
	for _, s := range f.dirty {
		to := min(s.to, int64(len(f.now)))
		if s.from >= to {
			continue
		}
		if grow := to - int64(len(f.durable)); grow > 0 {
			f.durable = append(f.durable, make([]byte, grow)...)
		}
		copy(f.durable[s.from:to], f.now[s.from:to])
	}
	f.dirty, f.cut = nil, -1
}
