package sqlite

import "github.com/ncruces/go-sqlite3"

// Class is what the engine must know of a statement before it runs it.
type Class struct {
	ReadOnly      bool     // makes no direct change to the database
	EndsTx        bool     // can end the whole transaction: OR ROLLBACK, RAISE(ROLLBACK), also in triggers, and COMMIT itself
	Partial       bool     // can fail and keep a part of its changes: OR FAIL, RAISE(FAIL)
	DDL           bool     // changes the schema
	Explain       bool     // EXPLAIN or EXPLAIN QUERY PLAN
	UsesConnState bool     // last_insert_rowid(), changes() or total_changes(): the answer depends on what the connection did before
	Columns       []string // names of the result columns
}

// Actions of SQLite's conflict handling, as they stand in the second operand of Halt and the fifth of VUpdate.
const (
	onErrorRollback = 1
	onErrorFail     = 3
)

// Class returns what is known of the statement. It is learned from SQLite's own program for the statement, not from its text, the first
// time it is asked for and again when the schema changed since. The result is shared; it must not be changed.
func (s *Stmt) Class() *Class {
	gen := s.conn.store.gen.Load()
	if s.class != nil && s.gen == gen {
		return s.class
	}
	s.relearn(gen)
	if s.class == nil {
		// The connection is lost, and every step of the statement will say so: it changes nothing.
		return &Class{ReadOnly: true}
	}
	return s.class
}

func (s *Stmt) relearn(gen uint64) {
	c := s.conn
	var err error
	if c.enter("class") != nil {
		return
	}
	defer c.leave("class", &err)
	s.class, s.gen = s.learn(), gen
}

func (s *Stmt) learn() *Class {
	k := &Class{
		ReadOnly:      s.raw.ReadOnly(),
		DDL:           s.seen&seenDDL != 0,
		Explain:       firstWord(s.sql) == "EXPLAIN",
		UsesConnState: s.seen&seenConnState != 0 || s.stateInView(),
	}
	k.Columns = make([]string, s.raw.ColumnCount())
	for i := range k.Columns {
		k.Columns[i] = s.raw.ColumnName(i)
	}
	switch {
	case k.Explain:
	case isTransactionControl(s.sql):
		word := firstWord(s.sql)
		k.EndsTx = word == "COMMIT" || word == "END" || word == "ROLLBACK" && !s.rollsBackToSavepoint()
	case !k.ReadOnly:
		s.explain(k)
	}
	return k
}

// explain reads the statement's program, which includes the programs of all triggers it can fire. When it cannot be read the worst is
// assumed: the statement then runs alone.
func (s *Stmt) explain(k *Class) {
	c := s.conn
	c.guard.bypass++
	defer func() { c.guard.bypass-- }()
	p, _, err := c.raw.Prepare("EXPLAIN " + s.sql)
	if err != nil || p == nil {
		k.EndsTx, k.Partial = true, true
		return
	}
	defer p.Close()
	for p.Step() {
		action := int64(0)
		switch p.ColumnText(1) {
		case "Halt":
			if p.ColumnInt64(2) != 0 {
				action = p.ColumnInt64(3)
			}
		case "HaltIfNull":
			action = p.ColumnInt64(3)
		case "VUpdate":
			action = p.ColumnInt64(6)
		}
		k.EndsTx = k.EndsTx || action == onErrorRollback
		k.Partial = k.Partial || action == onErrorFail
	}
	if p.Err() != nil {
		k.EndsTx, k.Partial = true, true
	}
}

// rollsBackToSavepoint tells ROLLBACK TO x from ROLLBACK.
func (s *Stmt) rollsBackToSavepoint() bool {
	rest := s.sql[skipBlank(s.sql, true)+len("ROLLBACK"):]
	for {
		rest = rest[skipBlank(rest, false):]
		switch firstWord(rest) {
		case "TRANSACTION":
			rest = rest[len("TRANSACTION"):]
		case "TO":
			return true
		default:
			return false
		}
	}
}

// stateInView reports whether a view that the statement reads uses a function whose answer depends on the connection. Inside a trigger
// such a function is about the trigger's own statements, which is nobody else's business.
func (s *Stmt) stateInView() bool {
	for _, name := range s.inner {
		trigger := false
		err := s.conn.first("SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND name = "+sqlite3.Quote(name), func(*sqlite3.Stmt) { trigger = true })
		if err != nil || !trigger {
			return true
		}
	}
	return false
}
