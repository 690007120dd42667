package sqlite

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3/vfs"
	"github.com/ncruces/go-sqlite3/vfs/mvcc"

	"github.com/tidegate/engine/internal/failpoint"
)

// ApplicationID marks a database as the engine's own: "TGD" and a 1, in the header of the file (PRAGMA application_id).
const ApplicationID = 0x54474401

// Options of a Store. Zero means zero; start from DefaultOptions.
type Options struct {
	Memory         [4]int64 // most memory of a connection by Role, in bytes; at least 4 MiB
	CacheKiB       [4]int   // page cache of a connection by Role, in KiB
	StatementCache int      // compiled statements kept per connection; 0 keeps none
	Create         bool     // create the database when it is missing
	Adopt          bool     // open a Foreign database for writing; it stays Foreign until MarkManaged is committed
	Functions      []Function
	Collations     []Collation
	Extensions     []Extension
	Degrade        bool              // open for reading, until it can be written again, where the file system is mounted read only
	SetAside       func(name string) // told of a log that got another name because it does not belong to the database beside it; may be nil
	Faults         Faults            // nil in production
	Dial           Dial
}

// DefaultOptions returns the options that suit a trading database on a small machine.
func DefaultOptions() Options {
	return Options{
		Memory:         [4]int64{Writer: 64 << 20, Reader: 64 << 20, Analytics: 512 << 20, Maintenance: 512 << 20},
		CacheKiB:       [4]int{Writer: 8192, Reader: 4096, Analytics: 65536, Maintenance: 8192},
		StatementCache: 96,
		Create:         true,
	}
}

const minMemory = 4 << 20

func (o *Options) validate() error {
	var problems []error
	for role := Writer; role <= Maintenance; role++ {
		switch m := o.Memory[role]; {
		case m < minMemory || m > 4<<30:
			problems = append(problems, fmt.Errorf("Memory of the %s is %d bytes; it must be between 4 MiB and 4 GiB", role, m))
		case o.CacheKiB[role] < 0 || int64(o.CacheKiB[role])<<10 > m/2:
			problems = append(problems, fmt.Errorf("CacheKiB of the %s is %d; it must be between 0 and half of its Memory", role, o.CacheKiB[role]))
		}
	}
	if o.StatementCache < 0 {
		problems = append(problems, fmt.Errorf("StatementCache is %d; it must not be negative", o.StatementCache))
	}
	if len(problems) == 0 {
		return nil
	}
	return &Error{Class: Args, Op: "open", Msg: "options", Cause: errors.Join(problems...)}
}

// State says whose a database is, as it was found by Open; MarkManaged changes it. Open marks an Empty database as the engine's own, so
// the next Open finds it Managed.
type State uint8

// The states.
const (
	Empty   State = iota // nothing in it yet: just created, or no schema and no application id
	Managed              // marked as the engine's own
	Foreign              // has content of somebody else
)

// String returns the state in lower case.
func (s State) String() string {
	names := [...]string{"empty", "managed", "foreign"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// Store is one database as this process sees it. Safe for concurrent use.
type Store struct {
	loc   Location
	opt   Options
	name  string // unique prefix of the names of its file layers
	path  string // what SQLite is given
	base  vfs.VFS
	track *fileTracker // nil in memory
	state atomic.Uint32
	gen   atomic.Uint64
	io    ioCounters
	seq   atomic.Uint64 // numbers connections and open files
	look  look

	connections
}

// connections are those of a Store.
type connections struct {
	mu     sync.Mutex
	live   map[*Conn]struct{}
	leaked []*Conn // fenced, and as far as is known still inside a call
	closed bool
	dog    watchdog

	keepLog atomic.Bool  // closing a connection leaves the log as it is
	moving  sync.RWMutex // held for writing while files change their names, see Salvage; for reading while a connection is opened
}

// look is how a database is opened that is only looked at.
type look struct {
	fixed atomic.Bool // as immutable: nobody can change the file
	tidy  bool        // and the -wal and -shm made for it are removed at the end

	degraded atomic.Bool // because its file system was mounted read only
	regains  sync.Mutex  // one attempt to write again at a time
}

// Open opens, and when needed creates and prepares, the database at loc. A Foreign database is opened for reading only and is left
// byte for byte as it was, unless Options.Adopt.
//
// # Errors
//
// *Error of class CantOpen (missing directory or file, no permission, a directory, a network file system), NotADB (no database, or a newer
// format), ReadOnly (the volume cannot be written and Location.ReadOnly is not set), Busy (another process kept preparing the same new
// file until ctx ended) and those of Connect; each says what to do.
func Open(ctx context.Context, loc Location, opt Options) (*Store, error) {
	if err := opt.validate(); err != nil {
		return nil, err
	}
	s := &Store{loc: loc, opt: opt, name: "tidegate-" + rand.Text()}
	s.live = map[*Conn]struct{}{}
	s.look.fixed.Store(loc.Immutable)
	if loc.Memory {
		s.base = vfs.Find("mvcc")
		s.path = "/" + s.name
		mvcc.Create(s.name, mvcc.Snapshot{})
	} else if err := s.locate(); err != nil {
		return nil, err
	}
	s.startWatchdog()
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	failpoint.Hit(failpoint.OpenPrepared)
	return s, nil
}

// locate finds the file and checks all that can be checked without opening it as a database.
func (s *Store) locate() error {
	if s.loc.Path == "" {
		return &Error{Class: Args, Op: "open", Msg: "the location has no path; use ParseURL"}
	}
	path, err := vfsPath(s.loc.Path)
	if err != nil {
		return missingDirectory(s.loc.Path, err)
	}
	s.path, s.base = path, vfs.Find("os")
	s.track = &fileTracker{path: path}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if s.loc.ReadOnly || s.loc.MustExist || !s.opt.Create {
			return &Error{Class: CantOpen, Op: "open", Msg: path + " does not exist; check the path, or allow it to be created", Cause: fs.ErrNotExist}
		}
		if err := createPrivate(path, path); err != nil {
			return createError(path, err)
		}
	case err != nil:
		return &Error{Class: CantOpen, Op: "open", Msg: path + " cannot be examined", Cause: err}
	case info.IsDir():
		return &Error{Class: CantOpen, Op: "open", Msg: path + " is a directory; name a file in it"}
	case !info.Mode().IsRegular():
		return &Error{Class: CantOpen, Op: "open", Msg: path + " is not a regular file; a database cannot live in a device or a pipe"}
	}
	if kind, remote := networkFS(path); remote && !s.loc.Immutable {
		return &Error{Class: CantOpen, Op: "open", Msg: fmt.Sprintf("%s lies on a network file system (%s), where the write-ahead log's shared memory does not work; move it to a local disk", path, kind)}
	}
	return nil
}

func missingDirectory(path string, err error) error {
	return &Error{Class: CantOpen, Op: "open", Msg: "directory " + filepath.Dir(path) + " is missing or cannot be entered; create it (mode 0700) first", Cause: err}
}

func createError(path string, err error) error {
	switch {
	case isDiskFull(err):
		return &Error{Class: Full, Op: "open", Msg: path + " cannot be created; free space on the volume", Cause: err}
	case isReadOnlyFS(err):
		return &Error{Class: ReadOnly, Op: "open", Msg: path + " cannot be created: the file system is mounted read only", Cause: err}
	case errors.Is(err, fs.ErrNotExist):
		return missingDirectory(path, err)
	}
	return &Error{Class: CantOpen, Op: "open", Msg: path + " cannot be created; give this user write access to its directory", Cause: err}
}

// State returns whose database it is.
func (s *Store) State() State { return State(s.state.Load()) }

// ReadOnly reports whether no connection may write: by Location.ReadOnly, because the database is Foreign and is not being adopted, or
// because it is degraded.
func (s *Store) ReadOnly() bool {
	return s.loc.ReadOnly || s.State() == Foreign && !s.opt.Adopt || s.look.degraded.Load()
}

// Location returns what Open was given.
func (s *Store) Location() Location { return s.loc }

// HasMoved reports whether the database, its -wal or its -shm was renamed, replaced or unlinked while connections hold it open,
// and which. Everything written from then on would go to a file that no name leads to. It costs three stat calls.
func (s *Store) HasMoved() (bool, string, error) {
	if s.track == nil {
		return false, "", nil
	}
	moved, path, err := s.track.hasMoved()
	if err != nil {
		return moved, path, &Error{Class: IO, Op: "stat", Msg: path, Cause: err}
	}
	return moved, path, nil
}

// Disown is for a Store that only reads. It is called when HasMoved has said yes, before connections are opened anew: those of before are
// forgotten by HasMoved. They must be fenced and not closed, for closing would remove the files that are now in the place of theirs.
func (s *Store) Disown() {
	if s.track != nil {
		s.track.disown()
	}
}

// WALBytes returns the size of the WAL file as this process last saw it; 0 without one. It makes no system call.
func (s *Store) WALBytes() int64 {
	if s.track == nil {
		return 0
	}
	return s.track.wal.Load()
}

// IO returns the counts of file calls since Open.
func (s *Store) IO() IOStats { return s.io.snapshot() }

// SchemaGen is a number that grows whenever this process changed the schema, or BumpSchema said that somebody else did.
func (s *Store) SchemaGen() uint64 { return s.gen.Load() }

// BumpSchema makes every statement's Class be learned anew.
func (s *Store) BumpSchema() { s.gen.Add(1) }

// MarkManaged makes the database the engine's own. In a transaction it takes effect with the commit.
func (s *Store) MarkManaged(c *Conn) error {
	if err := c.Exec(fmt.Sprintf("PRAGMA application_id=%d", ApplicationID)); err != nil {
		return err
	}
	c.pending |= pendingMark
	if c.Autocommit() {
		return c.Exec("SELECT 1") // settles what is pending
	}
	return nil
}

// Leaked returns how many fenced connections were abandoned with their memory, because a call of them was still under way. Each keeps it
// until the process ends; more than a few call for a restart.
func (s *Store) Leaked() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.leaked {
		if !c.ctx.memory.gone.Load() {
			n++
		}
	}
	return n
}

func (s *Store) leak(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, c)
	// Where the memory was given back nothing runs any more. To go on listing such a connection would keep its statements and the driver's
	// tables on the heap, a little for every connection that ever failed.
	s.leaked = slices.DeleteFunc(s.leaked, func(l *Conn) bool { return l.ctx.memory.gone.Load() })
	s.leaked = append(s.leaked, c)
}

func (s *Store) forget(c *Conn) {
	vfs.Unregister(c.vfs.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, c)
}

// Close releases what the Store holds. All connections must be closed first.
func (s *Store) Close() error {
	s.mu.Lock()
	open := len(s.live)
	if open == 0 {
		s.closed = true
	}
	s.mu.Unlock()
	if open > 0 {
		return &Error{Class: Misuse, Op: "close", Msg: fmt.Sprintf("%d connections are still open; close them first", open)}
	}
	s.stopWatchdog()
	if s.loc.Memory {
		mvcc.Delete(s.name)
	} else if s.track != nil {
		s.track.close()
	}
	if s.look.tidy {
		s.removeLeftovers()
	}
	return nil
}

// uri is the name that SQLite opens. The file layer of the connection is part of it.
func (s *Store) uri(vfsName string, readOnly bool) string {
	q := url.Values{"vfs": {vfsName}, "mode": {"rw"}}
	if readOnly {
		q.Set("mode", "ro")
	}
	if s.look.fixed.Load() {
		q.Set("immutable", "1")
	}
	path := filepath.ToSlash(s.path)
	if path[0] != '/' {
		path = "/" + path // a Windows drive
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// pollEvery is the pace of retries while another process prepares the same new file.
const pollEvery = 5 * time.Millisecond
