// Package sidecar keeps a small database of the engine's own beside the one that it serves: its own file and its own connections, so that
// nothing that is noted in it ever waits for a trade, or makes one wait. A power cut may lose its last seconds, never its consistency. It
// has a size that it does not grow past.
package sidecar

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

const (
	memory           = 32 << 20 // most that a connection may use
	cacheKiB         = 1024
	checkpointFrames = 1000
	pageSize         = 4096
)

// File is such a database. It is safe for concurrent use; writers wait for each other, and readers for each other.
type File struct {
	path  string
	store *sqlite.Store

	write  sync.Mutex
	writer *sqlite.Conn // nil where it is only read

	read   sync.Mutex
	reader *sqlite.Conn // made by the first Read
}

// Open opens the file, makes it where it is missing, and runs the schema: statements that may be run again. limit is the size, in bytes,
// that the file does not grow past; what does not fit fails with a *sqlite.Error of class Full.
//
// # Errors
//
// Those of sqlite.Open. A database that somebody else made is refused.
func Open(ctx context.Context, path string, limit int64, schema ...string) (*File, error) {
	for until := time.Now().Add(openTime); ; {
		f, err := open(ctx, path, limit, schema)
		if err == nil || sqlite.ClassOf(err) != sqlite.Busy || time.Now().After(until) {
			return f, err
		}
		select { // somebody else makes it, or plays its log again, which no timeout of SQLite's waits for
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// openTime is how long a file is waited for that others open at the same instant.
const openTime = 3 * time.Second

func open(ctx context.Context, path string, limit int64, schema []string) (*File, error) {
	opt := options()
	store, err := sqlite.Open(ctx, sqlite.Location{Path: path}, opt)
	if err != nil {
		return nil, err
	}
	f := &File{path: path, store: store}
	if store.State() == sqlite.Foreign {
		return nil, errors.Join(fmt.Errorf("%s is a database of another program: name another file", path), f.Close())
	}
	if f.writer, err = store.Connect(ctx, sqlite.Writer); err == nil {
		err = f.prepare(ctx, limit, schema)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (f *File) prepare(ctx context.Context, limit int64, schema []string) error {
	if err := f.writer.SetSynchronous(false); err != nil {
		return err
	}
	if err := f.writer.Exec(fmt.Sprintf("PRAGMA busy_timeout=2000; PRAGMA max_page_count=%d", max(limit/pageSize, 64))); err != nil {
		return err
	}
	return f.Write(ctx, func(c *sqlite.Conn) error {
		for _, sql := range schema {
			if err := c.Exec(sql); err != nil {
				return err
			}
		}
		return nil
	})
}

// OpenReadOnly opens the file of a database that may be open elsewhere.
//
// # Errors
//
// Those of sqlite.Open; one that wraps fs.ErrNotExist where there is none.
func OpenReadOnly(ctx context.Context, path string) (*File, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	store, err := sqlite.Open(ctx, sqlite.Location{Path: path, ReadOnly: true}, options())
	if err != nil {
		return nil, err
	}
	return &File{path: path, store: store}, nil
}

func options() sqlite.Options {
	opt := sqlite.DefaultOptions()
	for role := range opt.Memory {
		opt.Memory[role], opt.CacheKiB[role] = memory, cacheKiB
	}
	return opt
}

// Path is where the file is.
func (f *File) Path() string { return f.path }

// Write runs f in one transaction, which is committed when it returns nil.
func (f *File) Write(ctx context.Context, do func(*sqlite.Conn) error) error {
	f.write.Lock()
	defer f.write.Unlock()
	c := f.writer
	if c == nil {
		return errClosed
	}
	c.SetContext(ctx)
	defer c.SetContext(context.Background())
	if err := c.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := do(c)
	if err == nil {
		err = c.Exec("COMMIT")
	}
	if err != nil {
		if !c.Autocommit() {
			err = errors.Join(err, c.Exec("ROLLBACK"))
		}
		return err
	}
	if c.WALFrames() >= checkpointFrames {
		_, _, _, _ = c.Checkpoint(sqlite.Passive) // what is committed is, whatever comes of this: the next write tries again
	}
	return nil
}

var errClosed = errors.New("the file is closed, or was opened for reading only")

// Read runs do on a connection that only reads, in one snapshot.
func (f *File) Read(ctx context.Context, do func(*sqlite.Conn) error) error {
	f.read.Lock()
	defer f.read.Unlock()
	if f.store == nil {
		return errClosed
	}
	if f.reader == nil {
		c, err := f.store.Connect(ctx, sqlite.Reader)
		if err != nil {
			return err
		}
		f.reader = c
	}
	f.reader.SetContext(ctx)
	defer f.reader.SetContext(context.Background())
	if err := f.reader.Exec("BEGIN"); err != nil {
		return err
	}
	return errors.Join(do(f.reader), f.reader.Exec("ROLLBACK"))
}

// Used is how many bytes of the file hold something, as the writer sees it.
func (f *File) Used() (int64, error) {
	f.write.Lock()
	defer f.write.Unlock()
	if f.writer == nil {
		return 0, errClosed
	}
	pages, err := f.writer.QueryInt("PRAGMA page_count")
	if err != nil {
		return 0, err
	}
	free, err := f.writer.QueryInt("PRAGMA freelist_count")
	return (pages - free) * pageSize, err
}

// Close closes the file; a second call does nothing.
func (f *File) Close() error {
	f.write.Lock()
	defer f.write.Unlock()
	f.read.Lock()
	defer f.read.Unlock()
	if f.store == nil {
		return nil
	}
	var err error
	if f.reader != nil {
		err = f.reader.Close()
	}
	if f.writer != nil {
		err = errors.Join(err, f.writer.Close())
	}
	err = errors.Join(err, f.store.Close())
	f.reader, f.writer, f.store = nil, nil, nil
	return err
}

// Each runs a statement and calls row with each of its rows; the values are good during the call.
func Each(c *sqlite.Conn, sql string, args []any, row func([]sqlite.Value) error) error {
	s, err := c.Prepare(sql)
	if err != nil {
		return err
	}
	defer s.Release()
	if err := s.Bind(args); err != nil {
		return err
	}
	var r sqlite.Row
	for {
		more, err := s.Step()
		if err != nil || !more {
			return err
		}
		if err := s.Row(&r); err != nil {
			return err
		}
		if err := row(r.Values); err != nil {
			return err
		}
	}
}

// Run runs a statement that returns nothing of interest.
func Run(c *sqlite.Conn, sql string, args ...any) error {
	s, err := c.Prepare(sql)
	if err != nil {
		return err
	}
	defer s.Release()
	if err := s.Bind(args); err != nil {
		return err
	}
	_, err = s.Run()
	return err
}
