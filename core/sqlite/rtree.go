package sqlite

import "github.com/ncruces/go-sqlite3/ext/rtree"

// RTree is the R*Tree index for ranges and boxes. It is linked into the program only when this function is referenced.
func RTree() Extension { return Extension{name: "rtree", load: rtree.Register} }
