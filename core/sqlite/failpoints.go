package sqlite

import "github.com/tidegate/engine/internal/failpoint"

// reached names the calls of the file layer after or ahead of which a test may end the process (see package failpoint). Without its build
// tag this is empty.
func (f *file) reached(kind OpKind, done bool, off int64, n int) {
	if !failpoint.Enabled {
		return
	}
	switch call := (fileCall{kind, f.kind, done}); {
	case call == fileCall{OpSync, FileWAL, false}:
		failpoint.Hit(failpoint.WALUnsynced)
	case call == fileCall{OpSync, FileWAL, true}:
		failpoint.Hit(failpoint.WALSynced)
	case call == fileCall{OpSync, FileDB, true}:
		failpoint.Hit(failpoint.CheckpointSynced)
	case call == fileCall{OpWrite, FileDB, true}:
		failpoint.Hit(failpoint.CheckpointPage)
	case call == fileCall{OpWrite, FileWAL, true} && off == 0:
		failpoint.Hit(failpoint.LogBegins)
	case call == fileCall{OpWrite, FileWAL, true} && n > frameHeader:
		failpoint.Hit(failpoint.WALFrame)
	case call == fileCall{OpTruncate, FileWAL, true}:
		failpoint.Hit(failpoint.LogTruncated)
	case call == fileCall{OpRead, FileWAL, false} && off == 0:
		failpoint.Hit(failpoint.RecoveryBegun) // nobody else reads the log's header
	case call == fileCall{OpRead, FileWAL, false} && n&(n-1) != 0:
		failpoint.Hit(failpoint.RecoveryFrame) // nor whole frames: a page alone is a power of two
	}
}

type fileCall struct {
	kind OpKind
	file FileKind
	done bool
}
