package sqlite

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// header is what the first page of a database file tells.
type header struct {
	size    int64
	appID   uint32
	raw     bool // short or all zero so far
	wal     bool // the file asks for write-ahead logging
	noTable bool // the schema table has no row
}

// settleTime bounds how long a file that looks half made is given to become a database.
const settleTime = time.Second

// readSettled is readHeader that waits for another process to finish making the file: SQLite extends it before it writes the header.
func readSettled(ctx context.Context, path string) (header, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for {
		h, err := readHeader(path)
		if err == nil || !h.raw || wait(ctx) != nil {
			return h, err
		}
	}
}

// wait pauses for pollEvery, or until ctx ends.
func wait(ctx context.Context) error {
	t := time.NewTimer(pollEvery)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// readHeader looks at a file without SQLite, which would write to it or make files beside it.
func readHeader(path string) (h header, err error) {
	f, err := os.Open(path)
	if err != nil {
		return h, &Error{Class: CantOpen, Op: "open", Msg: path + " cannot be read; give this user read access", Cause: err}
	}
	defer f.Close()
	var buf [108]byte
	n, err := io.ReadFull(f, buf[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return h, &Error{Class: IO, Op: "open", Msg: path + " cannot be read", Cause: err}
	}
	info, err := f.Stat()
	if err != nil {
		return h, &Error{Class: IO, Op: "open", Msg: path + " cannot be examined", Cause: err}
	}
	h.size = info.Size()
	if n == 0 {
		h.noTable = true
		return h, nil
	}
	h.raw = n < len(buf) || buf == [len(buf)]byte{}
	if n < len(buf) || !bytes.HasPrefix(buf[:], []byte("SQLite format 3\x00")) {
		return h, &Error{Class: NotADB, Op: "open", Msg: path + " is not a SQLite database; check the path (an encrypted or truncated file looks like this, too)"}
	}
	if read := buf[19]; read > 2 {
		return h, &Error{Class: NotADB, Op: "open", Msg: fmt.Sprintf("%s uses file format %d, newer than this version understands (2); upgrade the engine", path, read)}
	}
	h.appID = binary.BigEndian.Uint32(buf[68:72])
	h.wal = buf[18] == 2 || buf[19] == 2
	const leafTablePage = 0x0d
	h.noTable = buf[100] == leafTablePage && binary.BigEndian.Uint16(buf[103:105]) == 0
	return h, nil
}

func (h *header) state() State {
	switch {
	case h.appID == ApplicationID:
		return Managed
	case h.noTable && h.appID == 0:
		return Empty
	}
	return Foreign
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// prepare finds out whose the database is and brings an empty or managed one into shape.
func (s *Store) prepare(ctx context.Context) error {
	if s.loc.Memory {
		s.state.Store(uint32(Empty))
		return patiently(ctx, s.tryInitialise)
	}
	h, err := readSettled(ctx, s.path)
	if err != nil {
		return err
	}
	s.state.Store(uint32(h.state()))
	hadWAL := exists(s.path + "-wal")
	if hadWAL && h.state() != Managed {
		// What the file says may be behind the WAL: a new database's first commits are only there.
		if err := patiently(ctx, s.probe); err != nil {
			return err
		}
	}
	if s.ReadOnly() {
		return s.lookOnly(ctx, h, hadWAL)
	}
	if err := writable(s.path); err != nil {
		return s.degrade(ctx, h, hadWAL, err)
	}
	s.track.mapped.Store(true)
	if info, err := os.Stat(s.path + "-wal"); err == nil && info.Size() > logHeader && s.State() == Managed {
		// Why it was left behind is not known. If a sync had failed, this system reads from memory what the disk does not hold.
		s.track.doubt.Store(true)
		s.track.unsynced.Store(true)
	}
	return patiently(ctx, s.tryInitialise)
}

// writable says in plain words what SQLite would report as "attempt to write a readonly database" much later.
func writable(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		return f.Close()
	}
	msg := path + " may not be written by this user; give it write access, or open the database with mode=ro"
	if isReadOnlyFS(err) {
		msg = path + " lies on a file system mounted read only; open the database with mode=ro"
	}
	return &Error{Class: ReadOnly, Op: "open", Msg: msg, Cause: err}
}

// probe asks SQLite, reading the WAL, whose the database is.
func (s *Store) probe(ctx context.Context) error {
	c, err := s.open(ctx, Maintenance, true)
	if err != nil {
		return err
	}
	defer c.discard()
	id, err := c.QueryInt("PRAGMA application_id")
	if err != nil {
		return err
	}
	tables, err := c.QueryInt("SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return err
	}
	h := header{appID: uint32(id), noTable: tables == 0}
	s.state.Store(uint32(h.state()))
	return s.displaced(nil)
}

// lookOnly prepares for reading only. A database in WAL mode cannot be read without a -wal and a -shm file beside it. Where they are
// missing they are made, and removed again by Close; where that is not possible nobody else can make them either, and the file is
// read as immutable.
func (s *Store) lookOnly(ctx context.Context, h header, hadWAL bool) error {
	if h.wal && !hadWAL && !s.loc.Immutable {
		if canCreateBeside(s.path) {
			s.look.tidy = true
			s.track.mapped.Store(true)
		} else {
			s.look.fixed.Store(true)
		}
	}
	c, err := s.open(ctx, Maintenance, true)
	if err != nil {
		return err
	}
	defer c.discard()
	if h.size == 0 {
		return nil
	}
	_, err = c.QueryInt("SELECT count(*) FROM sqlite_schema")
	return err
}

func canCreateBeside(path string) bool {
	f, err := os.CreateTemp(filepath.Dir(path), ".tidegate-*")
	if err != nil {
		return false
	}
	f.Close()
	return os.Remove(f.Name()) == nil
}

// patience bounds the wait for other processes when the caller's context sets no deadline.
const patience = 10 * time.Second

// patiently runs f again while another process is in the way.
func patiently(ctx context.Context, f func(context.Context) error) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	for {
		err := f(ctx)
		if !inTheWay(err) {
			return err
		}
		if cause := wait(ctx); cause != nil {
			return &Error{Class: Busy, Op: "open", Msg: "another process keeps the database locked; wait for it or end it", Cause: errors.Join(cause, err)}
		}
	}
}

func inTheWay(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	switch e.Class {
	case Busy, BusySnapshot, Locked, Protocol:
		return true
	}
	// Two ways of saying that the -shm file is being made or recovered.
	return e.Code == int(sqlite3.READONLY_RECOVERY) || e.Code == int(sqlite3.READONLY_CANTINIT)
}

// tryInitialise sets what a new database needs and checks what an old one has. Several processes may do it at the same instant: every
// step is idempotent.
func (s *Store) tryInitialise(ctx context.Context) (err error) {
	c, err := s.open(ctx, Maintenance, false)
	if err != nil {
		return err
	}
	defer func() {
		if moved := s.displaced(nil); moved != nil {
			c.discard()
			err = moved
			return
		}
		err = errors.Join(err, c.Close())
	}()
	empty := s.State() == Empty
	if empty {
		// Both take effect with the first page, and do nothing afterwards.
		if err := c.Exec("PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL"); err != nil {
			return err
		}
	}
	if !s.loc.Memory {
		if err := c.Exec("PRAGMA journal_mode=WAL"); err != nil {
			return err
		}
		mode, err := c.QueryText("PRAGMA journal_mode")
		if err != nil {
			return err
		}
		if mode != "wal" {
			return &Error{Class: Busy, Code: int(sqlite3.BUSY), Op: "open", Msg: fmt.Sprintf("the journal mode stays %q: another program has the database open", mode)}
		}
	}
	if s.LogInDoubt() {
		if _, err := c.Settle(&LogMark{}, true); inTheWay(err) {
			return err // any other failure leaves the doubt: nothing is copied into the database, and the writer tries again
		}
	}
	if !empty {
		return nil
	}
	if err := c.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	tables, err := c.QueryInt("SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return err
	}
	id, err := c.QueryInt("PRAGMA application_id")
	if err != nil {
		return err
	}
	if id == 0 && tables > 0 {
		return &Error{Class: Mismatch, Op: "open", Msg: "another program filled the new database at the same time; open it again"}
	}
	if id != ApplicationID {
		if err := c.Exec(fmt.Sprintf("PRAGMA application_id=%d", ApplicationID)); err != nil {
			return err
		}
	}
	return c.Exec("COMMIT")
}

// removeLeftovers lets SQLite remove the -wal and -shm files that reading a foreign database made. It does so under its own exclusive
// lock, so other programs come to no harm, and the database is not written because there is nothing in the WAL.
func (s *Store) removeLeftovers() {
	if info, err := os.Stat(s.path + "-wal"); err != nil || info.Size() != 0 {
		return
	}
	// Best effort: files that stay are empty and harmless.
	raw, err := sqlite3.Open(s.uri("os", false))
	if err != nil {
		return
	}
	_ = raw.Exec("SELECT 1 FROM sqlite_schema")
	_ = raw.Close()
}
