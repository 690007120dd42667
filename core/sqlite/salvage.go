package sqlite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// A log without its name, or beside another database than its own, is worse than a crash. What SQLite knows of a log lives in the -shm
// file, which keeps its name: whoever opens the database next finds an index that describes the old log, reads the new one by it,
// and copies holes into the database. And a log that is found beside a database is played into it, whoever's it is. So names and contents
// are brought together again, as they would be after a crash, before anybody opens anything: the log's bytes under the log's name, no
// index, and no log beside a database that it does not belong to.

// Salvage is what was done about files that were renamed, replaced or removed while they were open.
type Salvage struct {
	Same bool  // the database itself is in its place
	Put  int64 // size of the log that was written again under its name
	Lost error // not nil: what only the log held could not be saved
}

// Salvage brings the files in order when HasMoved has said yes. No connection is opened meanwhile. Where the database is in its place and
// its log is not, the log is written again under its name; last is asked to save it in another way when that fails. release must fence every
// connection; same says that those who read must not go on, because what they read will be written to without regard to them. Where another
// database is in the place of ours and our log still beside it, the log gets another name before the next connection is opened.
//
// It must not be called twice at a time, nor while a transaction of this Store is open for writing.
func (s *Store) Salvage(last func() error, release func(same bool)) (out Salvage) {
	if s.track == nil {
		release(false)
		return out
	}
	s.moving.Lock()
	defer s.moving.Unlock()
	db, log, shm := s.track.places()
	out.Same = db == placeSame
	var saved string
	if out.Same && (log == placeGone || log == placeOther) {
		var err error
		if saved, out.Put, err = s.copyLog(); err != nil {
			if e := last(); e != nil {
				out.Lost = errors.Join(err, e)
			}
		}
	}
	if db == placeGone && log == placeSame {
		s.track.anchor(s.path) // it may come back, or another in its place: see settleNames
	}
	release(out.Same)
	s.track.disown()
	if shm == placeSame && !(db == placeGone && log == placeSame) {
		// Beside a database that may come back with its log, readers are still held together by it.
		_ = os.Remove(s.path + "-shm") // gone already, or the next to open finds it without a holder and empties it
	}
	if out.Same && (log == placeGone || log == placeOther) {
		out.Lost = errors.Join(out.Lost, s.putLog(saved))
	}
	return out
}

// putLog gives the copy of the log its name. Another log that has taken it is set aside, unless nothing is in it.
func (s *Store) putLog(saved string) error {
	wal := s.path + "-wal"
	if info, err := os.Stat(wal); err == nil && info.Size() > 0 {
		if err := s.setAside(); err != nil {
			return err
		}
	}
	if saved == "" {
		return nil
	}
	if err := os.Rename(saved, wal); err != nil {
		return err
	}
	return syncDir(filepath.Dir(wal))
}

// setAside gives the file in the log's place a name that nobody opens. It is never removed: it may hold what somebody misses.
func (s *Store) setAside() error {
	wal := s.path + "-wal"
	name := wal + ".orphaned-" + time.Now().UTC().Format("20060102T150405.000000000Z")
	if err := os.Rename(wal, name); err != nil {
		return fmt.Errorf("%s does not belong to the database beside it and cannot be renamed: %w", wal, err)
	}
	if tell := s.opt.SetAside; tell != nil {
		tell(name)
	}
	return syncDir(filepath.Dir(wal))
}

// copyLog writes the log that connections hold open to a file beside the database. Nobody writes to it meanwhile: the lane is between two
// transactions.
func (s *Store) copyLog() (name string, size int64, err error) {
	from := s.track.logFile()
	if from == nil {
		return "", 0, errors.New("no connection holds the write-ahead log open any more")
	}
	if size, err = from.base.Size(); err != nil {
		return "", 0, err
	}
	name = s.path + "-wal.saved"
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a process that ended in the middle of this
		return "", 0, err
	}
	if err := createPrivate(name, s.path); err != nil {
		return "", 0, err
	}
	to, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err == nil {
		_, err = io.Copy(to, io.NewSectionReader(from.base, 0, size))
		if err == nil {
			err = to.Sync()
		}
		err = errors.Join(err, to.Close())
	}
	if err != nil {
		return "", 0, errors.Join(err, os.Remove(name))
	}
	return name, size, nil
}

// settleNames comes ahead of the first connection after all others are gone. Where the database at the path is not the one of before, the
// log of that one must not be beside it.
func (s *Store) settleNames() error {
	if !s.track.stranded(s.path) {
		return nil
	}
	if err := s.setAside(); err != nil {
		return &Error{Class: Moved, Op: "connect", Cause: err,
			Msg: "another database is at " + s.path + ", and the write-ahead log of the one before is still beside it: move that away, or it would be played into the new one"}
	}
	_ = os.Remove(s.path + "-shm") // that log's index; see Salvage
	return nil
}

// syncDir makes names durable. Windows does that by itself, and cannot be asked.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
