package migrate

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// rehearsalPrefix begins the names of the folders that rehearsals copy the database to.
const rehearsalPrefix = ".tidegate-rehearsal-"

// leftoverAge is for how long nothing may have been written to a rehearsal's folder before it is taken for one whose process was killed: a rehearsal that
// is alive writes all the time.
const leftoverAge = time.Hour

// rehearsalDir makes a folder beside the database for a rehearsal, and removes those that killed processes have left there: each holds a whole copy.
func (m *Migrator) rehearsalDir() (string, error) {
	beside := filepath.Dir(m.store.Location().Path)
	old, err := filepath.Glob(filepath.Join(beside, rehearsalPrefix+"*"))
	if err != nil {
		old = nil // the folder's name looks like a pattern: then nothing is cleared
	}
	for _, dir := range old {
		if time.Since(lastWrite(dir)) > leftoverAge {
			_ = os.RemoveAll(dir) // what cannot be removed is in nobody's way but the disk's
		}
	}
	dir, err := os.MkdirTemp(beside, rehearsalPrefix+"*")
	if err != nil {
		return "", fmt.Errorf("migrate: rehearsal: %w", err)
	}
	return dir, nil
}

// lastWrite is when something in a folder was written last; now where that cannot be told.
func lastWrite(dir string) time.Time {
	info, err := os.Stat(dir)
	if err != nil {
		return time.Now()
	}
	last := info.ModTime()
	files, err := os.ReadDir(dir)
	if err != nil {
		return time.Now()
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			return time.Now()
		}
		if info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return last
}
