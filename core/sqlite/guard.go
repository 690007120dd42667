package sqlite

import (
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// Guard says what SQL may do on a connection. The zero value is for SQL of users.
type Guard struct {
	ReadOnly  bool // statements that write are refused at Prepare
	Migration bool // _tg_* objects may be written, and PRAGMA foreign_keys-like settings of a migration are allowed
	Trusted   bool // everything is allowed; for the engine's own SQL only
}

// reserved is the prefix of the engine's own tables, triggers and savepoints.
const reserved = "_tg_"

type seenBits uint8

const (
	seenDDL       seenBits = 1 << iota // the authorizer saw a change of the schema
	seenConnState                      // … and a function whose answer depends on the connection
)

type guardState struct {
	active Guard
	bypass int      // > 0: internal SQL is being compiled
	seen   seenBits // of the statement being compiled
	inner  []string // triggers and views in which it uses a function whose answer depends on the connection
	denied *denied  // the last refusal
	watch  func(Access) error
}

func (g *guardState) takeDenied() *denied {
	d := g.denied
	g.denied = nil
	return d
}

// denied is a refusal and its remedy.
type denied struct{ what, use string }

func (d *denied) message() string {
	if d.use == "" {
		return d.what + " is refused"
	}
	return d.what + " is refused; use " + d.use
}

func (d *denied) error(op string) *Error {
	return &Error{Class: Auth, Code: int(sqlite3.AUTH), Op: op, Msg: d.message()}
}

// SetGuard sets what SQL prepared from now on may do. Statements of the cache are kept apart by guard.
func (c *Conn) SetGuard(g Guard) { c.guard.active = g }

// Guard is what SetGuard set last.
func (c *Conn) Guard() Guard { return c.guard.active }

// readPragmas may be read by anyone. The value tells whether an argument names what is asked about; without it an argument would be a
// new value.
func readPragma(name string) (allowed, argument bool) {
	switch name {
	case "table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list", "foreign_key_check",
		"integrity_check", "quick_check":
		return true, true
	case "user_version", "application_id", "schema_version", "data_version" /* FTS5 asks for it */, "page_count", "page_size", "freelist_count", "encoding",
		"compile_options", "function_list", "collation_list", "database_list", "module_list", "pragma_list", "journal_mode",
		"auto_vacuum", "foreign_keys", "synchronous":
		return true, false
	}
	return false, false
}

// migrationPragma are settings that a migration may change inside its transaction.
func migrationPragma(name string) bool {
	switch name {
	case "defer_foreign_keys", "legacy_alter_table", "user_version", "foreign_keys":
		return true
	}
	return false
}

func (c *Conn) authorize(action sqlite3.AuthorizerActionCode, arg3, arg4, schema, inner string) sqlite3.AuthorizerReturnCode {
	if c.guard.bypass > 0 {
		return sqlite3.AUTH_OK
	}
	c.guard.note(action, arg4, inner)
	if c.guard.active.Trusted {
		return sqlite3.AUTH_OK
	}
	d := c.guard.refuse(action, arg3, arg4, schema, inner)
	if d == nil && c.guard.watch != nil {
		d = c.guard.watched(action, arg3, arg4, schema, inner)
	}
	if d != nil {
		c.guard.denied = d
		return sqlite3.AUTH_DENY
	}
	return sqlite3.AUTH_OK
}

func (g *guardState) note(action sqlite3.AuthorizerActionCode, arg4, inner string) {
	switch action {
	case sqlite3.AUTH_CREATE_INDEX, sqlite3.AUTH_CREATE_TABLE, sqlite3.AUTH_CREATE_TRIGGER, sqlite3.AUTH_CREATE_VIEW,
		sqlite3.AUTH_CREATE_VTABLE, sqlite3.AUTH_DROP_INDEX, sqlite3.AUTH_DROP_TABLE, sqlite3.AUTH_DROP_TRIGGER,
		sqlite3.AUTH_DROP_VIEW, sqlite3.AUTH_DROP_VTABLE, sqlite3.AUTH_ALTER_TABLE, sqlite3.AUTH_REINDEX, sqlite3.AUTH_ANALYZE,
		sqlite3.AUTH_CREATE_TEMP_INDEX, sqlite3.AUTH_CREATE_TEMP_TABLE, sqlite3.AUTH_CREATE_TEMP_TRIGGER, sqlite3.AUTH_CREATE_TEMP_VIEW,
		sqlite3.AUTH_DROP_TEMP_INDEX, sqlite3.AUTH_DROP_TEMP_TABLE, sqlite3.AUTH_DROP_TEMP_TRIGGER, sqlite3.AUTH_DROP_TEMP_VIEW:
		g.seen |= seenDDL
	case sqlite3.AUTH_FUNCTION:
		switch strings.ToLower(arg4) {
		case "last_insert_rowid", "changes", "total_changes":
			if inner == "" {
				g.seen |= seenConnState
			} else {
				g.inner = append(g.inner, inner)
			}
		}
	}
}

// refuse is the table of what SQL of users may not do, and what to use instead.
func (g *guardState) refuse(action sqlite3.AuthorizerActionCode, arg3, arg4, schema, inner string) *denied {
	if schema == "temp" && action != sqlite3.AUTH_READ && action != sqlite3.AUTH_UPDATE {
		// CREATE TABLE temp.x arrives as a plain CREATE TABLE; ALTER TABLE … RENAME looks for what it must change in the temp schema, too.
		return refuseTemp()
	}
	switch action {
	case sqlite3.AUTH_TRANSACTION:
		return &denied{strings.ToUpper(arg3), "a transaction of the engine (Update, View, BeginTx)"}
	case sqlite3.AUTH_SAVEPOINT:
		if hasReserved(arg4) {
			return &denied{"a savepoint named " + reserved + "…", "another name"}
		}
	case sqlite3.AUTH_ATTACH:
		return &denied{"ATTACH", "a second engine; VACUUM belongs to maintenance"}
	case sqlite3.AUTH_DETACH:
		return &denied{"DETACH", ""}
	case sqlite3.AUTH_CREATE_TEMP_INDEX, sqlite3.AUTH_CREATE_TEMP_TABLE, sqlite3.AUTH_CREATE_TEMP_TRIGGER, sqlite3.AUTH_CREATE_TEMP_VIEW,
		sqlite3.AUTH_DROP_TEMP_INDEX, sqlite3.AUTH_DROP_TEMP_TABLE, sqlite3.AUTH_DROP_TEMP_TRIGGER, sqlite3.AUTH_DROP_TEMP_VIEW:
		return refuseTemp()
	case sqlite3.AUTH_PRAGMA:
		return g.refusePragma(strings.ToLower(arg3), arg4)
	case sqlite3.AUTH_FUNCTION:
		if strings.EqualFold(arg4, "load_extension") {
			return &denied{"load_extension()", "an Extension in the configuration"}
		}
	case sqlite3.AUTH_INSERT, sqlite3.AUTH_UPDATE, sqlite3.AUTH_DELETE, sqlite3.AUTH_CREATE_TABLE, sqlite3.AUTH_CREATE_VIEW,
		sqlite3.AUTH_CREATE_VTABLE, sqlite3.AUTH_DROP_TABLE, sqlite3.AUTH_DROP_VIEW, sqlite3.AUTH_DROP_VTABLE:
		if hasReserved(arg3) {
			return g.refuseReserved(arg3, inner)
		}
	case sqlite3.AUTH_CREATE_INDEX, sqlite3.AUTH_CREATE_TRIGGER, sqlite3.AUTH_DROP_INDEX, sqlite3.AUTH_DROP_TRIGGER, sqlite3.AUTH_ALTER_TABLE:
		if hasReserved(arg4) {
			return g.refuseReserved(arg4, inner)
		}
		if hasReserved(arg3) && action != sqlite3.AUTH_ALTER_TABLE {
			return g.refuseReserved(arg3, inner)
		}
	}
	return nil
}

func refuseTemp() *denied {
	return &denied{"a TEMP object", "a common table expression (WITH) or a plain table: connections are shared, so a TEMP object would come and go"}
}

// refuseReserved lets the engine's own triggers write the engine's own tables on behalf of a user's statement.
func (g *guardState) refuseReserved(name, inner string) *denied {
	if g.active.Migration || hasReserved(inner) {
		return nil
	}
	return &denied{"writing " + name + ", which belongs to the engine,", "the engine's own functions for it"}
}

func (g *guardState) refusePragma(name, arg string) *denied {
	allowed, argument := readPragma(name)
	switch {
	case allowed && (arg == "" || argument):
		return nil
	case g.active.Migration && migrationPragma(name):
		return nil
	case allowed:
		return &denied{"setting PRAGMA " + name, "the configuration; reading it is allowed"}
	case name == "optimize" || name == "wal_checkpoint" || name == "incremental_vacuum":
		return &denied{"PRAGMA " + name, "the engine's maintenance, which does it when it hurts nobody"}
	}
	return &denied{"PRAGMA " + name, "the configuration: settings of a shared connection would leak to others"}
}

func hasReserved(name string) bool {
	return len(name) >= len(reserved) && strings.EqualFold(name[:len(reserved)], reserved)
}
