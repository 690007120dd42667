package sqlite

import "github.com/ncruces/go-sqlite3/ext/fts5"

// FTS5 is full-text search. It is linked into the program only when this function is referenced.
func FTS5() Extension { return Extension{name: "fts5", load: fts5.Register} }
