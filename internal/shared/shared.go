// Package shared finds the acceptance data that lies beside some checkouts of the project.
package shared

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Path is where a file or folder below the nearest folder shared is. A test whose data is in no folder above its own is skipped.
func Path(t testing.TB, name ...string) string {
	t.Helper()
	inside := filepath.Join(append([]string{"shared"}, name...)...)
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		path := filepath.Join(dir, inside)
		_, err := os.Stat(path)
		if err == nil {
			return path
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Skipf("%s is in no folder above this one: what it is for is not tested", inside)
		}
		dir = up
	}
}
