package sqlite

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/util/vfsutil"
	"github.com/ncruces/go-sqlite3/vfs"
)

// file wraps one open file of one connection.
type file struct {
	base    vfs.File
	vfs     *connVFS
	kind    FileKind
	path    string
	handle  uint64
	syncDir bool             // the first sync makes the file's name durable, too
	shm     vfs.SharedMemory // nil when the base has none
	shmSet  bool             // identity of the -shm file already reported to the tracker
	shmMay  bool             // -shm created beforehand, with our permissions
}

// The optional interfaces of the driver's file layer that this wrapper passes through. Batch atomic writes (F2FS) are left out: they
// replace a rollback journal, and we write through a WAL.
var (
	_ vfs.FileLockState          = (*file)(nil)
	_ vfs.FilePersistWAL         = (*file)(nil)
	_ vfs.FilePowersafeOverwrite = (*file)(nil)
	_ vfs.FileChunkSize          = (*file)(nil)
	_ vfs.FileSizeHint           = (*file)(nil)
	_ vfs.FileHasMoved           = (*file)(nil)
	_ vfs.FileOverwrite          = (*file)(nil)
	_ vfs.FileSync               = (*file)(nil)
	_ vfs.FileCommitPhaseTwo     = (*file)(nil)
	_ vfs.FileCheckpoint         = (*file)(nil)
	_ vfs.FilePragma             = (*file)(nil)
	_ vfs.FileSharedMemory       = (*file)(nil)
	_ vfs.FileUnwrap             = (*file)(nil)
)

func (f *file) Unwrap() vfs.File { return f.base }

func (f *file) Close() error {
	f.vfs.gate.check()
	if f.vfs.faults != nil {
		// A file that cannot be closed does not exist; the plan may log it, not fail it.
		_ = f.vfs.faults.Before(Op{Kind: OpClose, File: f.kind, Path: f.path, Handle: f.handle})
	}
	f.vfs.gate.closed(f.base)
	if f.vfs.track != nil {
		f.vfs.track.closed(f)
	}
	return f.base.Close()
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if err := f.vfs.before(Op{Kind: OpRead, File: f.kind, Path: f.path, Handle: f.handle, Offset: off, Len: len(p)}); err != nil {
		return 0, f.vfs.fail(err, sqlite3.IOERR_READ)
	}
	if stop := f.vfs.stop; stop != nil && stop.masked.Load() == 0 && stop.ended() != nil {
		f.vfs.gate.filed()
		return 0, sqlite3.INTERRUPT // count(*) of a large table is one instruction, which reads and never polls
	}
	f.reached(OpRead, false, off, len(p))
	n, err := f.base.ReadAt(p, off)
	f.vfs.gate.filed()
	f.vfs.io.reads.Add(1)
	f.vfs.io.bytesRead.Add(int64(n))
	if err != nil && n < len(p) && err != io.EOF {
		return n, f.vfs.fail(err, sqlite3.IOERR_READ)
	}
	return n, err
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	if f.kind == FileWAL {
		f.vfs.commit.note(p, off)
	}
	op := Op{Kind: OpWrite, File: f.kind, Path: f.path, Handle: f.handle, Offset: off, Len: len(p), Data: p}
	if err := f.vfs.before(op); err != nil {
		if short, ok := errors.AsType[*ShortWrite](err); ok && short.N > 0 {
			op.Data = p[:min(short.N, len(p))]
			_, _ = f.base.WriteAt(op.Data, off)
			f.vfs.after(op, err)
			f.grown(off + int64(min(short.N, len(p))))
		}
		return 0, f.vfs.fail(err, sqlite3.IOERR_WRITE)
	}
	n, err := f.base.WriteAt(p, off)
	op.Data = p[:n]
	f.vfs.after(op, err)
	f.vfs.gate.filed()
	f.vfs.io.writes.Add(1)
	f.vfs.io.bytesWritten.Add(int64(n))
	f.grown(off + int64(n))
	if err != nil {
		return n, f.vfs.fail(err, sqlite3.IOERR_WRITE)
	}
	if f.kind == FileWAL {
		f.vfs.commit.wrote(off)
	}
	f.reached(OpWrite, true, off, n)
	return n, nil
}

func (f *file) grown(end int64) {
	if f.kind == FileWAL && f.vfs.track != nil {
		f.vfs.track.walGrew(end)
	}
}

func (f *file) Truncate(size int64) error {
	op := Op{Kind: OpTruncate, File: f.kind, Path: f.path, Handle: f.handle, Offset: size}
	if err := f.vfs.before(op); err != nil {
		return f.vfs.fail(err, sqlite3.IOERR_TRUNCATE)
	}
	err := f.base.Truncate(size)
	f.vfs.after(op, err)
	f.vfs.gate.filed()
	f.vfs.io.truncates.Add(1)
	if err != nil {
		return f.vfs.fail(err, sqlite3.IOERR_TRUNCATE)
	}
	if f.kind == FileWAL && f.vfs.track != nil {
		f.vfs.track.walSet(size)
	}
	f.reached(OpTruncate, true, size, 0)
	return nil
}

func (f *file) Sync(flags vfs.SyncFlag) error {
	op := Op{Kind: OpSync, File: f.kind, Path: f.path, Handle: f.handle, Dir: f.syncDir}
	if err := f.vfs.before(op); err != nil {
		f.doubt()
		return f.vfs.fail(err, sqlite3.IOERR_FSYNC)
	}
	f.reached(OpSync, false, 0, 0)
	err := f.base.Sync(flags)
	f.vfs.after(op, err)
	f.syncDir = false
	f.vfs.gate.filed()
	switch f.kind {
	case FileWAL:
		f.vfs.io.syncs.Add(1)
	case FileDB:
		f.vfs.io.dbSyncs.Add(1)
	}
	if err != nil {
		f.doubt()
		return f.vfs.fail(err, sqlite3.IOERR_FSYNC)
	}
	f.reached(OpSync, true, 0, 0)
	return nil
}

func (f *file) doubt() {
	switch {
	case f.vfs.track == nil:
	case f.kind == FileWAL:
		f.vfs.track.doubt.Store(true)
	case f.kind == FileDB:
		f.vfs.track.unsynced.Store(true)
	}
}

func (f *file) Size() (int64, error) {
	if err := f.vfs.before(Op{Kind: OpSize, File: f.kind, Path: f.path, Handle: f.handle}); err != nil {
		return 0, f.vfs.fail(err, sqlite3.IOERR_FSTAT)
	}
	n, err := f.base.Size()
	f.vfs.gate.filed()
	if err != nil {
		return n, f.vfs.fail(err, sqlite3.IOERR_FSTAT)
	}
	if f.kind == FileWAL && f.vfs.track != nil {
		f.vfs.track.walSet(n)
	}
	return n, nil
}

func (f *file) Lock(lock vfs.LockLevel) error {
	if err := f.vfs.before(Op{Kind: OpLock, File: f.kind, Path: f.path, Handle: f.handle}); err != nil {
		return f.vfs.fail(err, sqlite3.IOERR_LOCK)
	}
	err := f.base.Lock(lock)
	f.vfs.gate.filed()
	return err
}

func (f *file) Unlock(lock vfs.LockLevel) error {
	if err := f.vfs.before(Op{Kind: OpUnlock, File: f.kind, Path: f.path, Handle: f.handle}); err != nil {
		return f.vfs.fail(err, sqlite3.IOERR_UNLOCK)
	}
	err := f.base.Unlock(lock)
	f.vfs.gate.filed()
	return err
}

func (f *file) CheckReservedLock() (bool, error) {
	f.vfs.gate.check()
	return f.base.CheckReservedLock()
}

func (f *file) SectorSize() int { return f.base.SectorSize() }

func (f *file) DeviceCharacteristics() vfs.DeviceCharacteristic {
	return f.base.DeviceCharacteristics() &^ vfs.IOCAP_BATCH_ATOMIC
}

// SharedMemory is asked for ahead of every use of the -shm file, whose own methods the driver keeps to itself:
// so this is where a fenced connection is stopped.
func (f *file) SharedMemory() vfs.SharedMemory {
	if f.shm == nil {
		return nil
	}
	f.vfs.gate.check()
	if f.vfs.faults != nil {
		if broken := f.failShm(); broken != nil {
			return broken
		}
	}
	if !f.shmSet {
		f.prepareShm()
	}
	return f.shm
}

// failShm tells the plan of a use of the shared memory. The driver keeps the methods to itself, so a mapping that is to fail gets
// another shared memory in place of ours, one that cannot be opened.
func (f *file) failShm() vfs.SharedMemory {
	op := Op{Kind: OpShm, File: FileSHM, Path: f.path + "-shm", Handle: f.handle}
	if calledBy("vfs.vfsShmMap") {
		op.Kind = OpShmMap
	}
	err := f.vfs.faults.Before(op)
	f.vfs.gate.check()
	if err == nil || op.Kind != OpShmMap {
		return nil
	}
	_ = f.vfs.fail(err, sqlite3.IOERR_SHMMAP) // counted and remembered; the driver reports what it meets itself
	return vfs.NewSharedMemory(filepath.Join(f.path+"-shm", "cannot", "be"), vfs.OPEN_MAIN_DB)
}

// calledBy reports whether a function of that name is among the nearest callers.
func calledBy(name string) bool {
	var pcs [8]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.Function, name) {
			return true
		}
		if !more {
			return false
		}
	}
}

// prepareShm creates the -shm file with the permissions of the database before the driver does it with 0666 less the umask,
// and tells the tracker the file's identity once the driver has opened it.
func (f *file) prepareShm() {
	if f.kind != FileDB || f.vfs.track == nil {
		f.shmSet = true
		return
	}
	if s, ok := f.shm.(interface{ Stat() (fs.FileInfo, error) }); ok {
		if info, err := s.Stat(); err == nil {
			f.vfs.track.shmOpened(f, info)
			f.shmSet = true
			return
		}
	}
	// Only a mapping opens the file. The driver also asks for the shared memory when it opens the database: a connection that ends there
	// would leave an empty -shm file behind.
	if !f.shmMay && f.vfs.track.mapped.Load() && calledBy("vfs.vfsShmMap") {
		f.shmMay = true
		// A failure shows again, with its error, when the driver opens the file.
		_ = createPrivate(f.path+"-shm", f.vfs.track.path)
	}
}

func (f *file) LockState() vfs.LockLevel        { return vfsutil.WrapLockState(f.base) }
func (f *file) PersistWAL() bool                { return vfsutil.WrapPersistWAL(f.base) }
func (f *file) SetPersistWAL(keep bool)         { vfsutil.WrapSetPersistWAL(f.base, keep) }
func (f *file) PowersafeOverwrite() bool        { return vfsutil.WrapPowersafeOverwrite(f.base) }
func (f *file) SetPowersafeOverwrite(psow bool) { vfsutil.WrapSetPowersafeOverwrite(f.base, psow) }
func (f *file) ChunkSize(size int)              { vfsutil.WrapChunkSize(f.base, size) }
func (f *file) HasMoved() (bool, error)         { return vfsutil.WrapHasMoved(f.base) }
func (f *file) Overwrite() error                { return vfsutil.WrapOverwrite(f.base) }
func (f *file) SyncSuper(super string) error    { return vfsutil.WrapSyncSuper(f.base, super) }
func (f *file) CommitPhaseTwo() error           { return vfsutil.WrapCommitPhaseTwo(f.base) }
func (f *file) CheckpointStart()                { vfsutil.WrapCheckpointStart(f.base) }
func (f *file) CheckpointDone()                 { vfsutil.WrapCheckpointDone(f.base) }

func (f *file) SizeHint(size int64) error {
	op := Op{Kind: OpGrow, File: f.kind, Path: f.path, Handle: f.handle, Offset: size}
	if err := f.vfs.before(op); err != nil {
		return f.vfs.fail(err, sqlite3.IOERR_TRUNCATE)
	}
	err := vfsutil.WrapSizeHint(f.base, size)
	f.vfs.after(op, err)
	f.vfs.gate.filed()
	if err != nil && !errors.Is(err, sqlite3.NOTFOUND) {
		return f.vfs.fail(err, sqlite3.IOERR_TRUNCATE)
	}
	return err
}

func (f *file) Pragma(name, value string) (string, error) {
	return vfsutil.WrapPragma(f.base, name, value)
}
