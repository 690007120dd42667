// Package plain opens a database file with SQLite's own file layer and nothing of ours around it: what a test reads through it is what
// any other program would find. Nothing that an embedder links imports it.
package plain

import (
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/ncruces/go-sqlite3"
)

// DB is one connection. It is not safe for concurrent use.
type DB struct{ raw *sqlite3.Conn }

// Open opens the file at path for reading and writing, and makes none. SQLite recovers a log that it finds beside it.
func Open(path string) (*DB, error) {
	uri := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path), RawQuery: "vfs=os"}
	raw, err := sqlite3.OpenFlags(uri.String(), sqlite3.OPEN_READWRITE|sqlite3.OPEN_URI)
	if err != nil {
		return nil, fmt.Errorf("open %s plainly: %w", path, err)
	}
	return &DB{raw}, nil
}

// Text runs a query and returns the first column of its first row as text; "" where there is no row or the value is NULL.
func (d *DB) Text(sql string) (string, error) {
	s, _, err := d.raw.Prepare(sql)
	if err != nil {
		return "", err
	}
	defer s.Close()
	if !s.Step() {
		return "", s.Err()
	}
	text := s.ColumnText(0)
	return text, s.Err()
}

// Exec runs statements that return nothing.
func (d *DB) Exec(sql string) error { return d.raw.Exec(sql) }

// Close closes the connection; the last one of a file copies the log into it and removes it.
func (d *DB) Close() error { return d.raw.Close() }
