package sqlite

import (
	"slices"

	"github.com/ncruces/go-sqlite3"
)

// ReleaseStatements closes every cursor and takes every statement back, as if its holder had released it. It is for the end of a
// transaction whose holder is gone: no Stmt that was handed out before may be touched afterwards.
func (c *Conn) ReleaseStatements() {
	var err error
	if c.enter("release") != nil {
		return
	}
	defer c.leave("release", &err)
	kept := make(map[*sqlite3.Stmt]struct{}, len(c.stmts.byKey))
	for _, raw := range c.control {
		kept[raw] = struct{}{}
	}
	for _, s := range c.stmts.byKey {
		kept[s.raw] = struct{}{}
		if !s.inUse {
			continue
		}
		s.inUse = false
		if s.state != stmtReset {
			s.reset()
		}
		if s.heavy {
			_ = s.raw.ClearBindings() // cannot fail
			s.heavy = false
		}
	}
	for _, raw := range slices.Collect(c.raw.Stmts()) {
		if _, ok := kept[raw]; !ok {
			_ = raw.Close() // repeats the error of the last step
		}
	}
}
