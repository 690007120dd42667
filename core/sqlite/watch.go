package sqlite

import "github.com/ncruces/go-sqlite3"

// AccessKind is what a statement would do to an object of the schema.
type AccessKind uint8

// The kinds.
const (
	AccessInsert AccessKind = iota
	AccessUpdate
	AccessDelete
	AccessCreate // of a table, an index, a trigger, a view or a virtual table
	AccessDrop
	AccessAlter // ALTER TABLE in all its forms
	AccessOther // REINDEX, ANALYZE
)

// String returns the verb in lower case.
func (k AccessKind) String() string {
	names := [...]string{"insert", "update", "delete", "create", "drop", "alter", "other"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Access is one thing that a statement would do, as SQLite found it while it compiled the statement.
type Access struct {
	Kind   AccessKind
	Object string // the table, index, trigger or view itself
	Table  string // the table that it belongs to; the same as Object for a table or a view
	Type   string // "table", "index", "trigger", "view", "vtable"
	Inner  string // the trigger or view that causes it; "" for the statement's own text
}

// Watch calls fn for every change that a statement compiled from now on would make; nil ends it. An error refuses the statement, with the
// error's text. Statements of the engine itself (Exec, QueryInt) are not shown, nor what SQLite does to its own tables.
func (c *Conn) Watch(fn func(Access) error) { c.guard.watch = fn }

func (g *guardState) watched(action sqlite3.AuthorizerActionCode, arg3, arg4, schema, inner string) *denied {
	a, ok := access(action, arg3, arg4, schema)
	if !ok {
		return nil
	}
	a.Inner = inner
	if err := g.watch(a); err != nil {
		return &denied{what: err.Error()}
	}
	return nil
}

func access(action sqlite3.AuthorizerActionCode, arg3, arg4, schema string) (Access, bool) {
	if schema == "temp" {
		return Access{}, false
	}
	a := Access{Object: arg3, Table: arg3, Type: "table"}
	switch action {
	case sqlite3.AUTH_INSERT:
		a.Kind = AccessInsert
	case sqlite3.AUTH_UPDATE:
		a.Kind = AccessUpdate
	case sqlite3.AUTH_DELETE:
		a.Kind = AccessDelete
	case sqlite3.AUTH_CREATE_TABLE, sqlite3.AUTH_CREATE_VIEW, sqlite3.AUTH_CREATE_VTABLE, sqlite3.AUTH_CREATE_INDEX, sqlite3.AUTH_CREATE_TRIGGER:
		a.Kind = AccessCreate
	case sqlite3.AUTH_DROP_TABLE, sqlite3.AUTH_DROP_VIEW, sqlite3.AUTH_DROP_VTABLE, sqlite3.AUTH_DROP_INDEX, sqlite3.AUTH_DROP_TRIGGER:
		a.Kind = AccessDrop
	case sqlite3.AUTH_ALTER_TABLE:
		a.Kind, a.Object, a.Table = AccessAlter, arg4, arg4
	case sqlite3.AUTH_REINDEX, sqlite3.AUTH_ANALYZE:
		a.Kind = AccessOther
	default:
		return a, false
	}
	switch action {
	case sqlite3.AUTH_CREATE_INDEX, sqlite3.AUTH_DROP_INDEX:
		a.Type, a.Table = "index", arg4
	case sqlite3.AUTH_CREATE_TRIGGER, sqlite3.AUTH_DROP_TRIGGER:
		a.Type, a.Table = "trigger", arg4
	case sqlite3.AUTH_CREATE_VIEW, sqlite3.AUTH_DROP_VIEW:
		a.Type = "view"
	case sqlite3.AUTH_CREATE_VTABLE, sqlite3.AUTH_DROP_VTABLE:
		a.Type = "vtable"
	}
	if len(a.Object) > 7 && a.Object[:7] == "sqlite_" {
		return a, false
	}
	return a, true
}
