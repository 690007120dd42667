package sqlite

import "encoding/binary"

// More than half of a point read is the two file locks that begin and end its snapshot. Where nothing was committed since the last
// read there is nothing new to see, so a connection for single reads may linger on its snapshot: it keeps the read transaction open
// after the statement and, ahead of the next one, looks at the header of the WAL index, which every commit of any process changes.
// If it is what it was, the snapshot is still the newest state there is. What a snapshot costs others is the reset of the WAL, so
// the lane ends those that nobody uses ahead of each checkpoint and several times a second.

// walHeader is the first copy of the header at the start of the -shm file: version, change counter, size, salts and checksums
// (https://sqlite.org/walformat.html, section 2.3). All zero means that there is no index yet.
type walHeader [6]uint64

// log is what the header says of the log: frames that are part of the database, salts, and the size of a page. It means something under the write
// lock alone, where nobody changes it.
func (h walHeader) log() (frames int64, of [8]byte, page int64) {
	var b [len(h) * 8]byte
	for i, word := range h {
		binary.NativeEndian.PutUint64(b[i*8:], word)
	}
	page = int64(binary.NativeEndian.Uint16(b[14:]))
	if page == 1 {
		page = 1 << 16 // the field has 16 bits
	}
	return int64(binary.NativeEndian.Uint32(b[16:])), [8]byte(b[32:40]), page
}

// linger is what a connection knows of the snapshot it may keep. Its zero value keeps none.
type linger struct {
	index *walIndex // nil: not looked for yet, or there is none to be seen
	tried bool
	last  walHeader // ahead of the latest read, or of the kept snapshot
	same  int       // reads in a row that found last unchanged
	hits  int       // reads that the kept snapshot has served
	kept  bool      // a transaction is open for it
}

const (
	// lingerAfter is how many reads in a row must have found nothing new before a snapshot is kept: where commits come as often
	// as reads, keeping one would cost a BEGIN and a COMMIT for nothing.
	lingerAfter = 2
	// lingerReads bounds the reads of one kept snapshot, so that back-to-back reads leave other programs a gap to lock the file.
	lingerReads = 4096
)

// BeginLone is Begin for the only statement of a session: nothing else may be open on the connection, and the snapshot may be kept
// for the next BeginLone. Such a connection is given to others only after BeginRead or LetGo.
func (s *Stmt) BeginLone(args []any, b *Block, limit int) (more bool, err error) {
	b.Clear()
	c := s.conn
	if err := c.enter("step"); err != nil {
		return false, err
	}
	defer c.leave("step", &err)
	if err := s.bind(args); err != nil {
		return false, err
	}
	l := &c.linger
	if l.index == nil && !l.look(c) {
		return s.fetch(b, limit)
	}
	if err := c.freshen(); err != nil {
		return false, err
	}
	return s.fetch(b, limit)
}

// look finds the index, once.
func (l *linger) look(c *Conn) bool {
	if !l.tried {
		l.tried = true
		if c.vfs.main != nil && c.vfs.track != nil {
			l.index = mapWALIndex(c.vfs.main.shm)
		}
	}
	return l.index != nil
}

// freshen ends a kept snapshot that is not the newest any more, and opens one to keep when that has come to pay. It is called from
// inside.
func (c *Conn) freshen() error {
	l := &c.linger
	now := l.index.header()
	switch {
	case now == (walHeader{}):
		return c.letGo()
	case l.kept:
		// The snapshot began after last was read. As long as nothing has changed since then, it is what last describes.
		if now == l.last && l.hits < lingerReads {
			l.hits++
			return nil
		}
		l.same, l.last = 0, now
		return c.letGo()
	case now != l.last:
		l.same, l.last = 0, now
		return nil
	case l.same < lingerAfter:
		l.same++
		return nil
	}
	if err := c.runControl(beginRead); err != nil {
		return err
	}
	l.kept, l.hits = true, 0
	return nil
}

func (c *Conn) letGo() error {
	if !c.linger.kept {
		return nil
	}
	c.linger.kept = false
	if c.raw.GetAutocommit() {
		return nil // an error or a rollback has ended it
	}
	return c.runControl(endRead)
}

// Lingers reports whether a snapshot is kept.
func (c *Conn) Lingers() bool { return c.linger.kept }

// Renew ends a kept snapshot that is not the newest any more. It comes ahead of Prepare, which compiles with the schema of the snapshot.
func (c *Conn) Renew() error {
	if l := &c.linger; !l.kept || l.index.header() == l.last {
		return nil
	}
	return c.LetGo()
}

// LetGo ends the snapshot that BeginLone kept, if any.
func (c *Conn) LetGo() (err error) {
	if !c.linger.kept {
		return nil
	}
	if err := c.enter("control"); err != nil {
		return err
	}
	defer c.leave("control", &err)
	return c.letGo()
}

// BeginRead begins a read transaction, whose end is the caller's business. A kept snapshot that is still the newest becomes it.
func (c *Conn) BeginRead() (err error) {
	if err := c.enter("control"); err != nil {
		return err
	}
	defer c.leave("control", &err)
	if l := &c.linger; l.kept {
		if l.index.header() == l.last && !c.raw.GetAutocommit() {
			l.kept = false
			return nil
		}
		if err := c.letGo(); err != nil {
			return err
		}
	}
	return c.runControl(beginRead)
}
