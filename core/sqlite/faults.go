package sqlite

import "github.com/ncruces/go-sqlite3"

// OpKind is a call of the file layer.
type OpKind uint8

// The calls a Faults plan sees.
const (
	OpOpen OpKind = iota
	OpClose
	OpRead
	OpWrite
	OpTruncate
	OpSync
	OpSize
	OpLock
	OpUnlock
	OpDelete
	OpAccess
	OpShm    // any use of the shared memory (-shm) but those that follow
	OpShmMap // a region of the shared memory is mapped, and the file made or grown where it must be
	OpGrow   // space is reserved up to Offset ahead of the writes of a checkpoint
)

// String returns the name of the call in lower case.
func (k OpKind) String() string {
	names := [...]string{"open", "close", "read", "write", "truncate", "sync", "size", "lock", "unlock", "delete", "access", "shm", "shm_map", "grow"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// FileKind is the role of a file.
type FileKind uint8

// The files of a database.
const (
	FileDB FileKind = iota
	FileWAL
	FileJournal
	FileSHM
	FileTemp
)

// String returns the role in lower case.
func (k FileKind) String() string {
	names := [...]string{"db", "wal", "journal", "shm", "temp"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Op is one call of the file layer.
type Op struct {
	Kind   OpKind
	File   FileKind
	Path   string // "" for an anonymous temporary file
	Handle uint64 // the open file: the same number in all its calls, never used again by its Store; 0 where there is none: go by the Path
	Offset int64  // of a read or a write; of a truncate or a grow the new size
	Len    int    // of a read or a write, in bytes
	Data   []byte // of a write; valid during the call only
	Dir    bool   // the call also makes the names in the file's folder durable: a delete, or the first sync of a new log or journal
}

// Faults lets a test see, fail or delay every file call. Before runs on the goroutine of the connection; a non-nil error is returned
// in place of doing the call. An error of type *ShortWrite does a part of the write first.
// OpClose and OpShm cannot fail; Before is called for them so that a log is complete.
// Implementations are safe for concurrent use.
type Faults interface {
	Before(op Op) error
}

// Journal is a Faults that is also told how the calls ended which change what is on the disk: open, write, truncate, grow, sync
// and delete. After runs on the goroutine of the connection once the call was done; the Data of a write that failed is what arrived.
type Journal interface {
	Faults
	After(op Op, err error)
}

// ShortWrite makes a write stop after N bytes with Err.
type ShortWrite struct {
	N   int
	Err error
}

// Error implements error.
func (s *ShortWrite) Error() string { return "short write: " + s.Err.Error() }

// Unwrap returns Err.
func (s *ShortWrite) Unwrap() error { return s.Err }

// ResultCode is an error that SQLite takes for the extended result code of that number, for a plan that needs another failure than the
// operating system has. It has no other use.
func ResultCode(extended int) error { return sqlite3.ExtendedErrorCode(extended) }
