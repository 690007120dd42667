package sqlite

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"os"
	"strconv"

	"github.com/ncruces/go-sqlite3"
)

// Sizes in the write-ahead log.
const (
	logHeader   = 32
	frameHeader = 24
)

// LogMark is the frame with which a COMMIT ends in the write-ahead log. Its header holds the log's salts and a checksum over every frame
// before it, so that it is one of a kind. The zero value marks nothing: no COMMIT has come as far as its last frame.
type LogMark struct {
	offset int64
	header [frameHeader]byte
	whole  bool // its page was written too
	begun  bool // the header of a log that begins anew was written since ForgetMark
	// An attempt to settle that failed may have found out, under the write lock, what nobody can see later: found, where final is set.
	found LogVerdict
	final bool
}

// IsZero reports whether nothing is marked.
func (m LogMark) IsZero() bool { return m.offset == 0 }

// Whole reports whether every write of the COMMIT went well, so that whoever recovers the log would find it. Where it is false after an
// error that says that nothing was written, such as a full disk, nobody would.
func (m LogMark) Whole() bool { return m.whole }

// note is called ahead of every write to the log. A frame whose size-of-database field is set ends a transaction. Where it is repeated to
// fill a sector the first counts; where checksums are written again at the same place, the latest.
func (m *LogMark) note(p []byte, offset int64) {
	if len(p) != frameHeader || binary.BigEndian.Uint32(p[4:]) == 0 || m.offset != 0 && m.offset != offset {
		return
	}
	m.offset = offset // a frame whose checksum is written again is as whole as it was
	copy(m.header[:], p)
}

// wrote is called after a write to the log that went well.
func (m *LogMark) wrote(offset int64) {
	if offset == 0 {
		m.begun = true
	}
	if m.offset != 0 && offset == m.offset+frameHeader {
		m.whole = true
	}
}

// ForgetMark makes Mark tell of the next COMMIT. It is called between transactions.
func (c *Conn) ForgetMark() { c.vfs.commit = LogMark{} }

// Mark returns where the COMMIT since ForgetMark ends in the log. It may be asked of a connection that is broken.
func (c *Conn) Mark() LogMark { return c.vfs.commit }

// LogVerdict is what the log tells of a mark.
type LogVerdict uint8

// The verdicts.
const (
	LogSilent LogVerdict = iota // the log has begun anew since, or there is none: it cannot tell
	LogHolds                    // the transaction is part of the database
	LogLacks                    // it is not, and never will be
)

// String returns the verdict in lower case.
func (v LogVerdict) String() string {
	names := [...]string{"silent", "holds", "lacks"}
	if int(v) < len(names) {
		return names[v]
	}
	return "unknown"
}

// Settle finds out, on a writer's connection that was opened after a COMMIT had failed, what became of that COMMIT, and makes the answer
// final: a durable transaction that changes nothing is appended to the log, so that the frames of one which was not committed can never
// be taken for a commit by whoever recovers the log after a crash. refresh is for a failed sync: the kernel may have dropped what it
// could not write and call it clean, so every frame of the log is checked and written again ahead of that next sync.
//
// # Errors
//
// Class Corrupt when a frame of the log that belongs to the database is damaged; Busy when another program writes; those of a COMMIT.
// Nothing is final then: m remembers what has been found out, for the next attempt.
func (c *Conn) Settle(m *LogMark, refresh bool) (LogVerdict, error) {
	if c.store.track == nil {
		return LogSilent, nil
	}
	frames, err := c.logFrames()
	if err != nil {
		return LogSilent, err
	}
	c.ForgetMark()
	if err := c.SetSynchronous(true); err != nil {
		return LogSilent, err
	}
	if err := c.Exec("BEGIN IMMEDIATE"); err != nil {
		return LogSilent, err
	}
	v, place, err := c.sealLog(m, frames, refresh)
	if err != nil {
		if c.Broken() == nil && !c.Autocommit() {
			_ = c.Exec("ROLLBACK") // the first error says more
		}
		return LogSilent, err
	}
	if v != undecided {
		return v, nil
	}
	// The frame is in the file as it was written, after the end of the log as it was a moment ago. If the seal took its place, or one
	// before it, it was not part of the database; a seal in a log that has begun anew cannot say.
	own := c.Mark()
	switch {
	case !bytes.Equal(own.header[8:16], m.header[8:16]):
		return LogSilent, nil
	case own.offset > place:
		return LogHolds, nil
	}
	return LogLacks, nil
}

// LogInDoubt reports whether a sync of the log has failed, on whatever connection, and Settle has not made it good since. Nothing that is
// added to such a log is safe: what the kernel dropped lies before it.
func (s *Store) LogInDoubt() bool { return s.track != nil && s.track.doubt.Load() }

// undecided is a verdict that waits for the place of the seal.
const undecided LogVerdict = 255

// sealLog looks at the log under the write lock and commits.
func (c *Conn) sealLog(m *LogMark, frames int, refresh bool) (v LogVerdict, place int64, err error) {
	v, err = c.lookUp(*m, frames)
	if err != nil {
		return v, 0, err
	}
	gone := v == LogLacks // its last frame is not in the file, and nobody writes it again
	if v == undecided {
		v = c.indexed(*m)
	}
	defer func() {
		// What is part of the database stays so. What is whole in the file and not part of it might yet be taken for a commit, until the log
		// has begun anew.
		if err != nil && (gone || v == LogHolds || v == LogLacks && c.Mark().begun) {
			m.found, m.final = v, true
		}
	}()
	if refresh || c.store.LogInDoubt() {
		doubt := &c.store.track.doubt
		doubt.Store(false) // a sync that fails from here on says so itself
		defer func() {
			if err != nil {
				doubt.Store(true)
			}
		}()
		if err := c.refreshLog(frames); err != nil {
			return v, 0, err
		}
	}
	version, err := c.QueryInt("PRAGMA user_version")
	if err != nil {
		return v, 0, err
	}
	// Setting the number that is set writes page 1 all the same.
	if err := c.Exec("PRAGMA user_version=" + strconv.FormatInt(version, 10)); err != nil {
		return v, 0, err
	}
	return v, m.offset, c.Exec("COMMIT")
}

// Holds reports whether the transaction that m marks is in the log and part of the database. LogSilent is the answer where the log has
// begun anew, which it only does once all of it is in the database file.
func (c *Conn) Holds(m LogMark) (LogVerdict, error) {
	if c.store.track == nil || m.IsZero() {
		return LogSilent, nil
	}
	frames, err := c.logFrames()
	if err != nil {
		return LogSilent, err
	}
	v, err := c.lookUp(m, frames)
	switch {
	case v == undecided && frames == 0:
		v = LogSilent // begun anew in the shared memory, and the header in the file could not be written: all of it is in the database
	case v == undecided:
		v = LogLacks
	}
	return v, err
}

// logFrames is the number of frames that are part of the database.
func (c *Conn) logFrames() (n int, err error) {
	if err := c.enter("log"); err != nil {
		return 0, err
	}
	defer c.leave("log", &err)
	n, _, err = c.raw.WALCheckpoint("main", sqlite3.CHECKPOINT_NOOP)
	return n, c.wrap("log", err)
}

// lookUp compares the mark with the file. frames is the length of the log a moment before.
func (c *Conn) lookUp(m LogMark, frames int) (LogVerdict, error) {
	if m.IsZero() {
		return LogLacks, nil // its last frame was never written
	}
	f, err := c.openLog(os.O_RDONLY)
	if err != nil {
		return LogSilent, err
	}
	defer f.Close()
	var head [logHeader]byte
	_, err = f.ReadAt(head[:], 0)
	if err != nil || !bytes.Equal(head[16:24], m.header[8:16]) { // an empty log, or one that has begun anew
		if m.final {
			return m.found, nil
		}
		return LogSilent, nil
	}
	var got [frameHeader]byte
	if _, err := f.ReadAt(got[:], m.offset); err != nil || got != m.header {
		return LogLacks, nil // not all of it was written, or another took its place: nobody writes over what is part of the database
	}
	size := int64(binary.BigEndian.Uint32(head[8:])) + frameHeader
	if frame := (m.offset-logHeader)/size + 1; frame <= int64(frames) {
		return LogHolds, nil
	}
	return undecided, nil
}

// indexed asks the index, whose header nobody changes while the write lock is held, for the end of the log in which m was found. A COMMIT that began
// the log anew and failed leaves an index of that log without a frame; the seal begins the log once more then, with other salts, so that its place
// tells nothing.
func (c *Conn) indexed(m LogMark) LogVerdict {
	if c.vfs.main == nil {
		return undecided
	}
	index := mapWALIndex(c.vfs.main.shm)
	if index == nil {
		return undecided // on this system the place of the seal tells, unless it begins the log anew
	}
	defer index.close()
	end, of, size := index.header().log()
	switch frame := (m.offset-logHeader)/(size+frameHeader) + 1; {
	case of != [8]byte(m.header[8:16]):
		return undecided // begun anew in the index alone, after the log of m was copied
	case frame <= end:
		return LogHolds
	}
	return LogLacks
}

// openLog opens the log beside SQLite. No lock is kept on that file, so closing it again releases nobody's.
func (c *Conn) openLog(mode int) (*os.File, error) {
	f, err := os.OpenFile(c.store.path+"-wal", mode, 0)
	if err != nil {
		return nil, &Error{Class: IO, Op: "log", Msg: "the write-ahead log cannot be read", Cause: err}
	}
	return f, nil
}

// refreshLog checks the first n frames of the log and writes them again as they are. The write lock is held: nobody else adds to the
// log or begins it anew.
func (c *Conn) refreshLog(n int) error {
	if n <= 0 {
		return nil
	}
	f, err := c.openLog(os.O_RDWR)
	if err != nil {
		return err
	}
	defer f.Close()
	bad := func(frame int, cause error) error {
		return &Error{Class: Corrupt, Op: "log", Cause: cause,
			Msg: "frame " + strconv.Itoa(frame) + " of the write-ahead log was lost after a failed sync: committed transactions are damaged; restore a backup"}
	}
	buf := make([]byte, logHeader)
	if _, err := f.ReadAt(buf, 0); err != nil {
		return bad(0, err)
	}
	sum := newLogSum(buf)
	size := int(binary.BigEndian.Uint32(buf[8:]))
	if err := c.rewrite(f, buf, 0); err != nil {
		return c.logError(err)
	}
	frame := make([]byte, frameHeader+size)
	for i := range n {
		at := int64(logHeader + i*len(frame))
		if _, err := f.ReadAt(frame, at); err != nil {
			return bad(i+1, err)
		}
		if !sum.next(frame) {
			return bad(i+1, nil)
		}
		if err := c.rewrite(f, frame, at); err != nil {
			return c.logError(err)
		}
	}
	return nil
}

// rewrite writes to the log beside SQLite, and lets a test see it.
func (c *Conn) rewrite(f *os.File, p []byte, off int64) error {
	op := Op{Kind: OpWrite, File: FileWAL, Path: c.store.path + "-wal", Offset: off, Len: len(p), Data: p}
	if c.vfs.faults != nil {
		if err := c.vfs.faults.Before(op); err != nil {
			return err
		}
	}
	n, err := f.WriteAt(p, off)
	op.Data = p[:n]
	c.vfs.after(op, err)
	return err
}

func (c *Conn) logError(err error) error {
	e := &Error{Class: IO, Op: "log", Msg: "the write-ahead log cannot be written again", Cause: err}
	if isDiskFull(err) {
		e.Class = Full
	}
	return e
}

// logSum follows the checksums of a log from its header on.
type logSum struct {
	order  binary.ByteOrder
	salt   [8]byte
	s0, s1 uint32
}

func newLogSum(header []byte) *logSum {
	s := &logSum{order: binary.LittleEndian}
	if binary.BigEndian.Uint32(header)&1 != 0 {
		s.order = binary.BigEndian
	}
	copy(s.salt[:], header[16:24])
	s.s0, s.s1 = binary.BigEndian.Uint32(header[24:]), binary.BigEndian.Uint32(header[28:])
	return s
}

func (s *logSum) add(p []byte) {
	for ; len(p) >= 8; p = p[8:] {
		s.s0 += s.order.Uint32(p) + s.s1
		s.s1 += s.order.Uint32(p[4:]) + s.s0
	}
}

// next reports whether frame follows those before it.
func (s *logSum) next(frame []byte) bool {
	if !bytes.Equal(frame[8:16], s.salt[:]) {
		return false
	}
	s.add(frame[:8])
	s.add(frame[frameHeader:])
	return s.s0 == binary.BigEndian.Uint32(frame[16:]) && s.s1 == binary.BigEndian.Uint32(frame[20:])
}

// Stat describes the file at the database's path; nil for a database in memory.
func (s *Store) Stat() (fs.FileInfo, error) {
	if s.track == nil {
		return nil, nil
	}
	info, err := os.Stat(s.path)
	if err != nil {
		return nil, &Error{Class: CantOpen, Op: "stat", Msg: s.path + " cannot be examined", Cause: err}
	}
	return info, nil
}
