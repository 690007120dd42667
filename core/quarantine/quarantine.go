// Package quarantine remembers that a database was found damaged, across restarts and without writing to it: a small file beside it,
// <database>.quarantine, says why. While the file is there nothing may be written to the database; an operator removes it with
// `engine health --reset` once the database is in order.
package quarantine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/tidegate/engine/internal/failpoint"
)

// Suffix of the file's name.
const Suffix = ".quarantine"

// Record is why a database is in quarantine.
type Record struct {
	Since     time.Time `json:"since"`
	Reason    string    `json:"reason"`              // what SQLite said; never holds a value of a user
	Class     string    `json:"class"`               // corrupt or notadb
	Code      int       `json:"code,omitempty"`      // extended result code; 0 where SQLite was not asked
	Statement string    `json:"statement,omitempty"` // that met it, with ? for every literal
}

// Path is where the file of a database is: beside the file itself where its path is a symbolic link.
func Path(database string) string {
	if real, err := filepath.EvalSymlinks(database); err == nil {
		database = real
	}
	return database + Suffix
}

// Load reads the record of a database; nil when it is not in quarantine. A file that cannot be read or understood still is one: the error
// goes into the record, because the safe answer to "may I write" is no.
func Load(database string) *Record {
	path := Path(database)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var r Record
	if err == nil {
		err = json.Unmarshal(raw, &r)
	}
	if err != nil {
		return &Record{Class: "unknown", Reason: fmt.Sprintf("%s is there and cannot be read (%v)", filepath.Base(path), err)}
	}
	return &r
}

// Save writes the record, whole or not at all, for its owner's eyes alone. One that is there already stays: the first reason is the one
// to look into.
//
// # Errors
//
// What the operating system said; the database is then in quarantine for this process alone.
func (r *Record) Save(database string) (err error) {
	path := Path(database)
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(raw, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	failpoint.Hit(failpoint.QuarantineUnnamed)
	// A link, unlike a rename, never takes the place of what is there.
	switch err = os.Link(f.Name(), path); {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil: // a file system without links
		if err = os.Rename(f.Name(), path); err != nil {
			return err
		}
	}
	failpoint.Hit(failpoint.QuarantineNamed)
	return syncDir(filepath.Dir(path))
}

// Clear removes the record of a database. It is no error when there is none.
func Clear(database string) error {
	path := Path(database)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a new or a removed name durable, where the system can.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return nil // Windows: names are durable by themselves
	}
	_ = d.Sync() // not every file system can; the name is there all the same
	return d.Close()
}
