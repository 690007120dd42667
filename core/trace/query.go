package trace

import (
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
)

// MaxText bounds [Query.Text] in bytes. A longer statement is cut between two tokens and ends in "…".
const MaxText = 8192

// MaxSummary bounds [Query.Summary] in bytes, as the semantic conventions ask. It is never cut inside a name.
const MaxSummary = 255

// Query is what may leave the process about a statement's SQL: all of it is free of literals and of bound values, and is valid UTF-8.
// [Describe] makes it; it never changes, so it is safe for concurrent use. The zero value describes an empty statement.
type Query struct {
	// Text is the SQL with ? for every literal, without comments, and with one space for any white space.
	Text string
	// Summary names the operations and their tables in order, such as "SELECT orders" or "INSERT shipping SELECT orders": few distinct
	// values, so it serves as the span's name. "SQL" when no operation was recognised.
	Summary string
	// Operation is the statement's verb in capitals, such as "INSERT" or "CREATE TABLE"; "" when not recognised.
	Operation string
	// Collection is the table, when the statement names exactly one; else "".
	Collection string
	// Fingerprint is the same for statements that differ only in literals, parameters' names, case, quoting, white space, the length of
	// IN lists, or within a power of ten in the number of VALUES rows. It is stable across versions of the program that keep this rule.
	Fingerprint uint64

	attributes []attribute.KeyValue // those that follow from the fields above, built once
	held       atomic.Int32         // records that hold it, where it is long
	short      atomic.Pointer[Query]
}

// Describe reads one SQL statement. It never fails: what is not SQL still yields a text without literals.
//
// A name in double quotes is an identifier, as the standard says; where only a value makes sense (right of a comparison, in an IN list or
// a VALUES row) and no dot ties it to a table, it is taken for a literal, because SQLite may do so too.
func Describe(sql string) *Query {
	tokens := tokenize(strings.ToValidUTF8(sql, "\ufffd"))
	for len(tokens) > 0 && tokens[len(tokens)-1].op(";") {
		tokens = tokens[:len(tokens)-1]
	}
	tokens = mask(tokens)
	q := &Query{Text: text(tokens), Fingerprint: fingerprint(tokens)}
	q.summarize(tokens)
	q.attributes = q.describe()
	return q
}

// brief is the same with the beginning of the text only.
func (q *Query) brief() *Query {
	if b := q.short.Load(); b != nil {
		return b
	}
	cut := longText - len("…")
	for cut > 0 && !utf8.RuneStart(q.Text[cut]) {
		cut--
	}
	b := &Query{Text: q.Text[:cut] + "…", Summary: q.Summary, Operation: q.Operation, Collection: q.Collection, Fingerprint: q.Fingerprint}
	b.attributes = b.describe()
	q.short.CompareAndSwap(nil, b)
	return q.short.Load()
}

// returnsRows reports whether a count of rows returned says something about the statement.
func (q *Query) returnsRows() bool {
	switch q.Operation {
	case "SELECT", "VALUES", "PRAGMA", "EXPLAIN":
		return true
	}
	return false
}

// changesRows reports whether a count of rows changed says something about the statement.
func (q *Query) changesRows() bool {
	switch q.Operation {
	case "INSERT", "UPDATE", "DELETE", "REPLACE":
		return true
	}
	return false
}

// mask turns every literal into ?, with the sign before it, if any.
func mask(tokens []token) []token {
	values := valueLists(tokens)
	masked := make([]token, 0, len(tokens))
	space := false // before a sign that was left out
	for i, t := range tokens {
		t.space, space = t.space || space, false
		switch {
		case t.kind == literal, t.kind == unknown, t.is("true"), t.is("false"):
			t = token{kind: parameter, space: t.space, text: "?"}
		case t.kind == quoted && t.text[0] == '"' && takenForValue(tokens, i, values[i]):
			t = token{kind: parameter, space: t.space, text: "?"}
		case (t.op("-") || t.op("+")) && signs(masked, tokens[i+1:]):
			// The sign belongs to the number: x = -1 and x = 1 are one statement with two values.
			space = t.space
			continue
		}
		masked = append(masked, t)
	}
	return masked
}

// signs reports whether + or - between the tokens before and after it is the sign of a number rather than an operation on two values.
func signs(before, after []token) bool {
	if len(after) == 0 || after[0].kind != literal {
		return false
	}
	if len(before) == 0 {
		return true
	}
	switch last := before[len(before)-1]; last.kind {
	case operator:
		return !last.op(")") && !last.op(".")
	case word:
		return introducesValue(last)
	}
	return false
}

// introducesValue reports whether a value or an expression follows the keyword.
func introducesValue(t token) bool {
	switch strings.ToUpper(t.text) {
	case "AND", "BETWEEN", "BY", "CASE", "DEFAULT", "DISTINCT", "ELSE", "ESCAPE", "GLOB", "HAVING", "IN", "IS", "LIKE", "LIMIT", "MATCH",
		"NOT", "OFFSET", "ON", "OR", "REGEXP", "RETURNING", "SELECT", "THEN", "VALUES", "WHEN", "WHERE":
		return true
	}
	return false
}

// takenForValue reports whether the name in double quotes at i stands where only a value makes sense.
func takenForValue(tokens []token, i int, inList bool) bool {
	if i+1 < len(tokens) && tokens[i+1].op(".") || i > 0 && tokens[i-1].op(".") {
		return false
	}
	if inList || i == 0 {
		return inList
	}
	before := tokens[i-1]
	switch before.kind {
	case operator:
		switch before.text {
		case "(", ",", ")", ";", ".", "*":
			return false
		}
		return true
	case word:
		switch strings.ToUpper(before.text) {
		case "LIKE", "GLOB", "MATCH", "REGEXP", "ESCAPE", "BETWEEN", "THEN", "ELSE", "LIMIT", "OFFSET", "IS":
			return true
		case "AND":
			return i > 2 && tokens[i-3].is("BETWEEN")
		}
	}
	return false
}

// valueLists marks the tokens inside the brackets of an IN list or a VALUES row. A subquery in such brackets is no list.
func valueLists(tokens []token) []bool {
	in := make([]bool, len(tokens))
	var open []bool // per bracket: does it hold values?
	current, row := false, false
	for i, t := range tokens {
		in[i] = current
		switch {
		case t.op("("):
			list := current || i > 0 && (tokens[i-1].is("IN") || tokens[i-1].is("VALUES")) || row && i > 0 && tokens[i-1].op(",")
			if i+1 < len(tokens) && (tokens[i+1].is("SELECT") || tokens[i+1].is("WITH")) {
				list = false
			}
			row = false
			open = append(open, current)
			current = list
		case t.op(")"):
			row = current // another row of the same VALUES may follow
			current = false
			if n := len(open); n > 0 {
				current, open = open[n-1], open[:n-1]
			}
		case !t.op(","):
			row = false
		}
	}
	return in
}

// text joins tokens with one space wherever the statement had any white space.
func text(tokens []token) string {
	var b strings.Builder
	for i, t := range tokens {
		if b.Len()+len(t.text)+1 > MaxText-len("…") {
			b.WriteString("…")
			break
		}
		if t.space && i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(t.text)
	}
	return b.String()
}
