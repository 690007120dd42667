package sqltext

import "strings"

// Boundary follows one statement, piece by piece, and knows whether a semicolon ends it. The statements in a trigger's body end in semicolons too: a trigger
// ends at "; END ;", as in SQLite's own sqlite3_complete. The zero value stands before a statement.
type Boundary struct {
	words   int  // seen so far, EXPLAIN and QUERY PLAN left out
	create  bool // it begins with CREATE
	trigger bool // it is a CREATE TRIGGER
	semi    bool // the last piece was a semicolon
	ended   bool // the last pieces were a semicolon and END
}

// Inside reports whether a semicolon here belongs to the statement.
func (b *Boundary) Inside() bool { return b.trigger && !b.ended }

// Add takes the next piece, which is not blank.
func (b *Boundary) Add(piece string, k Kind) {
	is := func(w string) bool { return k == Word && strings.EqualFold(piece, w) }
	b.ended = b.semi && is("END")
	b.semi = k == End
	switch {
	case b.words == 0 && (is("EXPLAIN") || is("QUERY") || is("PLAN")):
		return
	case b.words == 0:
		b.create = is("CREATE")
	case b.words == 1 && b.create && (is("TEMP") || is("TEMPORARY")):
		return
	case b.words == 1 && b.create:
		b.trigger = is("TRIGGER")
	}
	b.words++
}
