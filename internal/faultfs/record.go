package faultfs

import (
	"path/filepath"
	"slices"
	"sync"

	"github.com/tidegate/engine/core/sqlite"
)

// EventKind says what changed.
type EventKind uint8

// The kinds. SQLite's file layer knows no rename; deletion is how a log or journal goes.
const (
	Created EventKind = iota
	Written
	Truncated
	Grown
	Synced
	SyncFailed // the kernel may have dropped what was written since the last sync, and will not say so again
	Deleted
	Marked // nothing changed: the program under test was told something
)

// Event is one change of what a disk holds, or a mark.
type Event struct {
	Kind   EventKind
	File   int    // the file itself, whatever its name: a log that was deleted and made anew is another one
	Name   string // of Created and Deleted, without the folder
	Offset int64  // of Written; the new size of Truncated and Grown
	Data   []byte // of Written
	Dir    bool   // of Synced and Deleted: the names of the folder are durable as well
	Mark   Mark   // of Marked
}

// Mark is what the program under test was told: who was promised what.
type Mark struct {
	Who, N  int
	Durable bool
}

// Recorder logs what reaches the disk, for a [Disk] to replay. It starts on an empty folder. Plan, where not nil, may fail calls meanwhile;
// it must not change once the Recorder is in use. Safe for concurrent use.
type Recorder struct {
	Plan *Plan

	mu     sync.Mutex
	events []Event
	names  map[string]int // as they are, durable or not
	open   map[uint64]int // handle → file
	files  int
}

var _ sqlite.Journal = (*Recorder)(nil)

// Before implements sqlite.Faults.
func (r *Recorder) Before(op sqlite.Op) error {
	if r.Plan == nil {
		return nil
	}
	err := r.Plan.Before(op)
	if err != nil && op.Kind == sqlite.OpSync {
		r.After(op, err)
	}
	return err
}

// After implements sqlite.Journal.
func (r *Recorder) After(op sqlite.Op, err error) {
	if op.File == sqlite.FileSHM || op.Path == "" || op.File == sqlite.FileTemp {
		return // neither survives a crash, nor need it
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	name := filepath.Base(op.Path)
	switch op.Kind {
	case sqlite.OpOpen:
		r.opened(name, op.Handle)
		return
	case sqlite.OpDelete:
		if file, ok := r.names[name]; ok && err == nil {
			delete(r.names, name)
			r.add(Event{Kind: Deleted, File: file, Name: name, Dir: op.Dir})
		}
		return
	}
	file, ok := r.open[op.Handle]
	if op.Handle == 0 {
		file, ok = r.names[name]
	}
	if !ok {
		return
	}
	switch {
	case op.Kind == sqlite.OpWrite && len(op.Data) > 0: // a short write fails and has arrived in part
		r.add(Event{Kind: Written, File: file, Offset: op.Offset, Data: slices.Clone(op.Data)})
	case op.Kind == sqlite.OpTruncate && err == nil:
		r.add(Event{Kind: Truncated, File: file, Offset: op.Offset})
	case op.Kind == sqlite.OpGrow && err == nil:
		r.add(Event{Kind: Grown, File: file, Offset: op.Offset})
	case op.Kind == sqlite.OpSync && err != nil:
		r.add(Event{Kind: SyncFailed, File: file})
	case op.Kind == sqlite.OpSync:
		r.add(Event{Kind: Synced, File: file, Dir: op.Dir})
	}
}

func (r *Recorder) opened(name string, handle uint64) {
	if r.names == nil {
		r.names, r.open = map[string]int{}, map[uint64]int{}
	}
	file, ok := r.names[name]
	if !ok {
		file = r.files
		r.files++
		r.names[name] = file
		r.add(Event{Kind: Created, File: file, Name: name})
	}
	r.open[handle] = file
}

func (r *Recorder) add(e Event) { r.events = append(r.events, e) }

// Mark logs that somebody was promised something. It is called after the promise was heard, so a crash in between is not held against
// the store.
func (r *Recorder) Mark(m Mark) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(Event{Kind: Marked, Mark: m})
}

// Events returns the log so far.
func (r *Recorder) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}
