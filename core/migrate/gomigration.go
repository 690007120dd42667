package migrate

import (
	"context"
	"fmt"

	"github.com/tidegate/engine/core/sqlite"
)

// GoMigration is a migration written in Go, for what SQL cannot say.
type GoMigration struct {
	// Version is its place among the files; Name says what it does.
	Version int
	Name    string
	// Compat is as in a file; 0 means Version.
	Compat int
	// Touches lists the tables whose rows it may change; everything else must be identical afterwards.
	Touches []string
	// Fingerprint stands for the checksum that code cannot have: change it whenever the meaning of Up or Down changes.
	Fingerprint string
	// Up and Down run inside the transaction of the run. They must depend on nothing but the database, since they also run on an empty
	// copy of the schema. Code cannot be stored in the database: an older program cannot take this migration back.
	Up, Down func(ctx context.Context, tx *GoTx) error
}

func (g *GoMigration) migration() (*Migration, error) {
	bad := func(what string) error {
		return fmt.Errorf("migrate: Go migration %d (%s) %s", g.Version, g.Name, what)
	}
	switch {
	case g.Version < 1 || g.Version > 9999:
		return nil, bad("needs a version from 1 to 9999")
	case g.Name == "":
		return nil, bad("needs a name")
	case g.Fingerprint == "":
		return nil, bad("needs a fingerprint: any text that is changed with its meaning")
	case g.Up == nil || g.Down == nil:
		return nil, bad("needs Up and Down")
	case g.Compat < 0 || g.Compat > g.Version:
		return nil, bad("has a compat above its version")
	}
	m := &Migration{Version: g.Version, Name: g.Name, File: "Go: " + g.Name, Compat: g.Compat, Touches: g.Touches, Checksum: "go-sha256:" + digest(g.Fingerprint), code: g}
	if m.Compat == 0 {
		m.Compat = m.Version
	}
	if m.Touches == nil {
		m.Touches = []string{}
	}
	return m, nil
}

// GoTx is the transaction of a [GoMigration]. It must not be kept.
type GoTx struct {
	conn *sqlite.Conn
	each func(string) error
}

// Exec runs one or several statements; arguments are for a single one.
func (t *GoTx) Exec(sql string, args ...any) error {
	if len(args) == 0 {
		return t.conn.Script(sql, t.each)
	}
	return t.Query(sql, args, func([]Value) error { return nil })
}

// Query calls row for each row of the result. The values are valid during the call.
func (t *GoTx) Query(sql string, args []any, row func([]Value) error) error {
	s, err := t.conn.Prepare(sql)
	if err != nil {
		return err
	}
	defer s.Release()
	if err := t.each(sql); err != nil {
		return err
	}
	if err := s.Bind(args); err != nil {
		return err
	}
	var r sqlite.Row
	for {
		more, err := s.Step()
		if err != nil || !more {
			return err
		}
		if err := s.Row(&r); err != nil {
			return err
		}
		if err := row(r.Values); err != nil {
			return err
		}
	}
}

// Value is a value of a row.
type Value = sqlite.Value
