//go:build !linux

package sqlite

import (
	"os"

	"github.com/ncruces/go-sqlite3/vfs"
)

func reopen(vfs.File) *os.File { return nil }
