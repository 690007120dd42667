package shell

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tidegate/engine/internal/sqltext"
)

// statement is what the shell must know of a statement before the database sees it.
type statement struct {
	sql     string
	verb    string   // the word that says what it does, in capitals
	rows    bool     // it returns rows
	plan    bool     // EXPLAIN QUERY PLAN
	control control  // it begins or ends a transaction
	params  []string // by their number, from 1; "" for one that is left out
}

// control is what a statement does to the transaction.
type control uint8

const (
	controlNone control = iota
	controlBegin
	controlBeginRead
	controlCommit
	controlRollback
	controlUnknown // it would, in a form that nobody knows
)

// read looks at the words of a statement.
func read(sql string) statement {
	st := statement{sql: sql}
	depth, main := 0, ""
	returning := false
	var words []string // the first few
	for at := 0; at < len(sql); {
		to, k, _ := sqltext.Scan(sql, at)
		token := sql[at:to]
		switch {
		case k == sqltext.Parameter:
			st.parameter(token)
		case k == sqltext.Word && depth == 0:
			w := strings.ToUpper(token)
			if len(words) < 5 {
				words = append(words, w)
			}
			if main == "" && mainVerb(w) {
				main = w
			}
			returning = returning || w == "RETURNING"
		case token == "(":
			depth++
		case token == ")":
			depth--
		}
		at = to
	}
	if len(words) == 0 {
		return st
	}
	st.verb = words[0]
	if st.verb == "WITH" && main != "" {
		st.verb = main
	}
	st.plan = strings.HasPrefix(strings.Join(words, " "), "EXPLAIN QUERY PLAN")
	st.control = controlOf(words)
	st.rows = returning || !st.writes()
	return st
}

func mainVerb(w string) bool {
	switch w {
	case "SELECT", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE":
		return true
	}
	return false
}

// writes reports whether the statement may change the database.
func (st *statement) writes() bool {
	switch st.verb {
	case "SELECT", "VALUES", "PRAGMA", "EXPLAIN":
		return false
	}
	return true
}

// changes reports whether it is a statement whose effect is counted in rows.
func (st *statement) changes() bool {
	switch st.verb {
	case "INSERT", "REPLACE", "UPDATE", "DELETE":
		return true
	}
	return false
}

// controlOf tells BEGIN, COMMIT and ROLLBACK in the forms that SQLite knows, and BEGIN READ ONLY. ROLLBACK TO is about a savepoint, and for
// the database.
func controlOf(words []string) control {
	first, rest := words[0], words[1:]
	if len(rest) > 0 && rest[len(rest)-1] == "TRANSACTION" {
		rest = rest[:len(rest)-1]
	} else if len(rest) > 0 && rest[0] == "TRANSACTION" {
		rest = rest[1:]
	}
	how := strings.Join(rest, " ")
	switch {
	case first == "BEGIN" && how == "READ ONLY":
		return controlBeginRead
	case first == "BEGIN" && (how == "" || how == "DEFERRED" || how == "IMMEDIATE" || how == "EXCLUSIVE"):
		return controlBegin
	case (first == "COMMIT" || first == "END") && how == "":
		return controlCommit
	case first == "ROLLBACK" && how == "":
		return controlRollback
	case first == "BEGIN" || first == "COMMIT" || first == "END" || first == "ROLLBACK" && rest[0] != "TO":
		return controlUnknown
	}
	return controlNone
}

// maxParameter is SQLite's own limit.
const maxParameter = 32766

// parameter gives a parameter the number that SQLite gives it.
func (st *statement) parameter(token string) {
	n := len(st.params) + 1
	switch {
	case token == "?":
		token = "?" + strconv.Itoa(n)
	case token[0] == '?':
		n, _ = strconv.Atoi(token[1:])
		if n < 1 || n > maxParameter {
			return // wrong, as the database will say
		}
		token = "?" + strconv.Itoa(n)
	default:
		for _, p := range st.params {
			if p == token {
				return
			}
		}
	}
	for len(st.params) < n {
		st.params = append(st.params, "")
	}
	if st.params[n-1] == "" {
		st.params[n-1] = token
	}
}

// unboundError says that a parameter has no value.
type unboundError struct{ name string }

func (e *unboundError) Error() string {
	return fmt.Sprintf("the parameter %s has no value: .param set %s VALUE", e.name, e.name)
}

// bind returns the arguments of a statement by their numbers.
func (st *statement) bind(values map[string]any) ([]any, error) {
	out := make([]any, len(st.params))
	for i, p := range st.params {
		v, set := values[p]
		if p != "" && !set {
			return nil, &unboundError{p}
		}
		out[i] = v
	}
	return out, nil
}
