// Package peer opens a database the way a program does that uses the driver directly: database/sql over the same SQLite. It
// is what the engine is measured against. Nothing that an embedder links imports it.
package peer

import (
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/ncruces/go-sqlite3/driver"
)

// Options are those of a pool. The zero value is a pool without limits that may lose its latest commits with the power.
type Options struct {
	Connections int  // open at once, and kept open; 0: no limit, and database/sql's own idle ones
	Full        bool // synchronous=FULL: a commit is acknowledged after fsync; otherwise NORMAL
}

// Open opens the database file at path, creating it, in WAL mode with BEGIN IMMEDIATE, a busy time-out of 30 s, foreign keys
// and the caches that the engine's writer has. The pool is safe for concurrent use. No connection is made yet: an error is
// about the options, those of the file come with the first call.
func Open(path string, o Options) (*sql.DB, error) {
	level := "normal"
	if o.Full {
		level = "full"
	}
	name := (&url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path)}).String()
	db, err := driver.Open(name + "?_txlock=immediate&_pragma=busy_timeout(30000)&_pragma=journal_mode(wal)&_pragma=synchronous(" + level +
		")&_pragma=foreign_keys(1)&_pragma=temp_store(memory)&_pragma=cache_size(-8192)")
	if err != nil {
		return nil, fmt.Errorf("open %s by database/sql: %w", path, err)
	}
	if o.Connections > 0 {
		db.SetMaxOpenConns(o.Connections)
		db.SetMaxIdleConns(o.Connections)
	}
	return db, nil
}
