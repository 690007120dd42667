package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/util/vfsutil"
	"github.com/ncruces/go-sqlite3/vfs"
)

// IOStats counts the file calls of all connections of a Store since it was opened.
type IOStats struct {
	Reads, Writes, BytesRead, BytesWritten int64
	Syncs                                  int64 // of the WAL, one or two per durable commit
	DBSyncs                                int64 // of the database file: checkpoints
	Truncates, Opens, Errors               int64
}

type ioCounters struct {
	reads, writes, bytesRead, bytesWritten atomic.Int64
	syncs, dbSyncs                         atomic.Int64
	truncates, opens, errors               atomic.Int64
}

func (c *ioCounters) snapshot() IOStats {
	return IOStats{
		Reads: c.reads.Load(), Writes: c.writes.Load(), BytesRead: c.bytesRead.Load(), BytesWritten: c.bytesWritten.Load(),
		Syncs: c.syncs.Load(), DBSyncs: c.dbSyncs.Load(),
		Truncates: c.truncates.Load(), Opens: c.opens.Load(), Errors: c.errors.Load(),
	}
}

// connVFS is the file layer of one connection: the same wrapper in production and in tests. There is one per connection, because
// a deletion or a temporary file carries no hint of the connection that asks, and a fence must stop those too.
type connVFS struct {
	name    string
	base    vfs.VFS
	gate    *gate
	stop    *connContext // of a connection that only reads: its cancellation ends reading, too; nil of others
	track   *fileTracker
	io      *ioCounters
	faults  Faults
	handles *atomic.Uint64 // of the Store: numbers its open files
	main    *file          // the database's; nil until it is open
	last    error          // the system error of the last failed call; read by the connection's goroutine only
	fsync   error          // the first failed sync; sticky
	commit  LogMark
}

var _ vfs.VFSFilename = (*connVFS)(nil)

// before is called ahead of every file call.
func (v *connVFS) before(op Op) error {
	v.gate.file()
	if v.faults == nil {
		return nil
	}
	err := v.faults.Before(op)
	v.gate.check()
	return err
}

// after is called behind every file call that changes what is on the disk.
func (v *connVFS) after(op Op, err error) {
	if j, ok := v.faults.(Journal); ok {
		j.After(op, err)
	}
}

// fail counts and remembers an error, and gives it the code that SQLite must see.
func (v *connVFS) fail(err error, def sqlite3.ExtendedErrorCode) error {
	v.gate.filed()
	if errors.Is(err, sqlite3.BUSY) {
		return err
	}
	v.io.errors.Add(1)
	v.last = err
	if def == sqlite3.IOERR_FSYNC {
		if v.fsync == nil {
			v.fsync = err
		}
		// A sync that fails for want of space is still a failed sync: the kernel may have dropped the pages.
		return vfs.SystemError(err, sqlite3.IOERR_FSYNC)
	}
	if isDiskFull(err) {
		return vfs.SystemError(err, sqlite3.FULL)
	}
	var code sqlite3.ExtendedErrorCode
	if errors.As(err, &code) {
		return err
	}
	if _, ok := errors.AsType[*ShortWrite](err); ok || def != 0 {
		return vfs.SystemError(err, def)
	}
	return err
}

// Open implements vfs.VFS.
func (v *connVFS) Open(name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	if err := v.before(Op{Kind: OpOpen, File: kindOf(flags), Path: name}); err != nil {
		return nil, flags, v.fail(err, sqlite3.ExtendedErrorCode(sqlite3.CANTOPEN))
	}
	f, out, err := vfsutil.WrapOpen(v.base, name, flags)
	return v.wrap(f, out, err, name, flags)
}

// OpenFilename implements vfs.VFSFilename. The VFS of the operating system answers CANTOPEN to the plain Open.
func (v *connVFS) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	path := name.String()
	if err := v.before(Op{Kind: OpOpen, File: kindOf(flags), Path: path}); err != nil {
		return nil, flags, v.fail(err, sqlite3.ExtendedErrorCode(sqlite3.CANTOPEN))
	}
	if path != "" && v.track != nil {
		if err := regular(path); err != nil {
			return nil, flags, v.fail(err, sqlite3.ExtendedErrorCode(sqlite3.CANTOPEN))
		}
	}
	if path != "" && v.track != nil && flags&vfs.OPEN_CREATE != 0 && flags&vfs.OPEN_DELETEONCLOSE == 0 {
		if err := createPrivate(path, v.track.path); err != nil {
			return nil, flags, v.fail(err, sqlite3.ExtendedErrorCode(sqlite3.CANTOPEN))
		}
	}
	f, out, err := vfsutil.WrapOpenFilename(v.base, name, flags)
	return v.wrap(f, out, err, path, flags)
}

func (v *connVFS) wrap(f vfs.File, out vfs.OpenFlag, err error, path string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	if err != nil {
		return nil, out, v.fail(err, 0)
	}
	v.gate.filed()
	v.io.opens.Add(1)
	v.gate.opened(f)
	w := &file{base: f, vfs: v, kind: kindOf(flags), path: path, handle: v.handles.Add(1)}
	w.syncDir = flags&vfs.OPEN_CREATE != 0 && (w.kind == FileWAL || w.kind == FileJournal) // as the driver has it
	v.after(Op{Kind: OpOpen, File: w.kind, Path: path, Handle: w.handle}, nil)
	if v.track != nil && (w.kind != FileDB || v.main == nil) { // the copy that VACUUM INTO makes is nobody's database yet
		w.shm = vfsutil.WrapSharedMemory(f)
		if !v.track.opened(w) {
			_ = w.Close() // it was opened in the moment in which it was replaced
			return nil, out, v.fail(&fs.PathError{Op: "open", Path: path, Err: errDisplaced}, sqlite3.ExtendedErrorCode(sqlite3.CANTOPEN))
		}
	}
	if w.kind == FileDB && v.main == nil {
		v.main = w
	}
	v.gate.check()
	return w, out, nil
}

// Delete implements vfs.VFS.
func (v *connVFS) Delete(name string, syncDir bool) error {
	op := Op{Kind: OpDelete, File: kindOfPath(name), Path: name, Dir: syncDir}
	if err := v.before(op); err != nil {
		return v.fail(err, sqlite3.IOERR_DELETE)
	}
	if op.File == FileWAL && v.track != nil && v.track.strange() {
		v.gate.filed()
		return nil // it closes a log that has lost its name: what has that name now is not its to remove
	}
	err := v.base.Delete(name, syncDir)
	if op.File == FileWAL && err == nil && v.track != nil {
		v.track.logRemoved()
	}
	v.after(op, err)
	v.gate.filed()
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, sqlite3.IOERR_DELETE_NOENT) {
		return v.fail(err, sqlite3.IOERR_DELETE)
	}
	return err
}

// Access implements vfs.VFS.
func (v *connVFS) Access(name string, flags vfs.AccessFlag) (bool, error) {
	if err := v.before(Op{Kind: OpAccess, File: kindOfPath(name), Path: name}); err != nil {
		return false, v.fail(err, sqlite3.IOERR_ACCESS)
	}
	ok, err := v.base.Access(name, flags)
	v.gate.filed()
	return ok, err
}

// FullPathname implements vfs.VFS.
func (v *connVFS) FullPathname(name string) (string, error) {
	v.gate.check()
	return v.base.FullPathname(name)
}

func kindOf(flags vfs.OpenFlag) FileKind {
	switch {
	case flags&vfs.OPEN_MAIN_DB != 0:
		return FileDB
	case flags&vfs.OPEN_WAL != 0:
		return FileWAL
	case flags&(vfs.OPEN_MAIN_JOURNAL|vfs.OPEN_SUPER_JOURNAL) != 0:
		return FileJournal
	}
	return FileTemp
}

func kindOfPath(name string) FileKind {
	switch {
	case hasSuffix(name, "-wal"):
		return FileWAL
	case hasSuffix(name, "-journal"):
		return FileJournal
	case hasSuffix(name, "-shm"):
		return FileSHM
	}
	return FileDB
}

func hasSuffix(s, suffix string) bool {
	return len(s) > len(suffix) && s[len(s)-len(suffix):] == suffix
}

// errDisplaced is the state between the removal of a file and the moment at which the lanes have brought things in order.
var errDisplaced = errors.New("it was renamed, replaced or removed while connections use it: they are being closed; try again")

// regular refuses what is no file: a pipe in the place of a journal would be opened for ever, a device read for ever.
func regular(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return &fs.PathError{Op: "open", Path: path, Err: errors.New("is not a regular file: remove it")}
	}
	return nil // what is not there may be made, and any other trouble shows when it is opened
}

// createPrivate makes sure that path exists with the permissions of the database file, or 0600 when it is the database file:
// the driver would create it 0666 less the umask, and a WAL holds the same data as the database.
func createPrivate(path, database string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if path == database {
		return nil
	}
	info, err := os.Stat(database)
	if err != nil {
		return nil // a WAL whose database is gone: HasMoved reports that
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		if err := f.Chmod(mode); err != nil {
			return err
		}
	}
	return sameOwner(f, info)
}

// vfsPath makes the path canonical, so that two Stores on the same file through a symbolic link agree on its name.
func vfsPath(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		return real, nil
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.Base(abs)), nil
}
