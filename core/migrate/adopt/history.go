package adopt

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/tidegate/engine/internal/sqltext"
)

// Tool is another program's way to keep migrations.
type Tool string

// The tools that are understood.
const (
	Goose         Tool = "goose"          // table goose_db_version, files 00001_name.sql with -- +goose
	GolangMigrate Tool = "golang-migrate" // table schema_migrations, files 1_name.up.sql and 1_name.down.sql
	UserVersion   Tool = "user_version"   // PRAGMA user_version counts files like 01_name.sql
)

// Tools lists them.
func Tools() []Tool { return []Tool{Goose, GolangMigrate, UserVersion} }

// ErrForeign matches what keeps another tool's history or files from being imported.
var ErrForeign = errors.New("cannot be imported")

func refuse(remedy, format string, args ...any) error {
	return fmt.Errorf("adopt: %s: %w; %s", fmt.Sprintf(format, args...), ErrForeign, remedy)
}

// Conn is what reading a database needs; *sqlite.Conn is one.
type Conn interface {
	QueryInt(sql string) (int64, error)
	QueryText(sql string) (string, error)
}

// History is what a tool says of a database.
type History struct {
	Tool    Tool
	Version int64    // the highest that is applied; 0 for none
	Applied []int64  // all that are applied, where the tool tells (goose); nil: everything up to Version
	Table   string   // where the tool keeps it; "" for user_version
	Schema  []string // the statements that make that table
}

// Read reads the history of a tool.
//
// # Errors
//
// [ErrForeign] where the database has none, and where golang-migrate left it dirty.
func Read(c Conn, tool Tool) (History, error) {
	switch tool {
	case Goose:
		return readGoose(c)
	case GolangMigrate:
		return readGolangMigrate(c)
	case UserVersion:
		n, err := c.QueryInt("PRAGMA user_version")
		if err == nil && n <= 0 {
			err = refuse("adopt the database without a history: engine migrate baseline", "its user_version is %d", n)
		}
		return History{Tool: tool, Version: n}, err
	}
	return History{}, refuse("name one of goose, golang-migrate, user_version", "tool %q", tool)
}

// Detect returns the histories that a database holds. A user_version that another tool's table stands beside is none.
func Detect(c Conn) ([]History, error) {
	var out []History
	for _, tool := range Tools() {
		h, err := Read(c, tool)
		switch {
		case errors.Is(err, errNoTable) || tool == UserVersion && (errors.Is(err, ErrForeign) || len(out) > 0):
		case err != nil:
			return nil, err
		default:
			out = append(out, h)
		}
	}
	return out, nil
}

// errNoTable is told from other refusals by Detect.
var errNoTable = errors.New("the table is not there")

// table reads the statements of a table, and refuses one that has not the columns.
func table(c Conn, tool Tool, name string, columns ...string) (h History, err error) {
	h = History{Tool: tool, Table: name}
	text, err := c.QueryText("SELECT json_group_array(sql ORDER BY rowid) FROM sqlite_schema WHERE sql IS NOT NULL AND tbl_name = " + sqltext.QuoteText(name))
	if err == nil {
		err = json.Unmarshal([]byte(text), &h.Schema)
	}
	if err != nil {
		return h, fmt.Errorf("adopt: read %s: %w", name, err)
	}
	if len(h.Schema) == 0 {
		return h, errors.Join(errNoTable, refuse("name another tool with --from, or adopt it without a history: engine migrate baseline", "the database has no table %s of %s", name, tool))
	}
	if text, err = c.QueryText("SELECT json_group_array(lower(name)) FROM pragma_table_info(" + sqltext.QuoteText(name) + ")"); err != nil {
		return h, fmt.Errorf("adopt: read %s: %w", name, err)
	}
	var have []string
	if err := json.Unmarshal([]byte(text), &have); err != nil {
		return h, fmt.Errorf("adopt: read %s: %w", name, err)
	}
	for _, want := range columns {
		if !slices.Contains(have, want) {
			return h, errors.Join(errNoTable, refuse("it belongs to another tool", "table %s has no column %s, so it is not %s's", name, want, tool))
		}
	}
	return h, nil
}

func readGoose(c Conn) (History, error) {
	h, err := table(c, Goose, "goose_db_version", "version_id", "is_applied")
	if err != nil {
		return h, err
	}
	// Older releases write a second row when a migration is taken back; the last one counts.
	text, err := c.QueryText(`SELECT json_group_array(version_id ORDER BY version_id) FROM goose_db_version g WHERE is_applied AND version_id > 0
 AND id = (SELECT max(id) FROM goose_db_version l WHERE l.version_id = g.version_id)`)
	if err == nil {
		err = json.Unmarshal([]byte(text), &h.Applied)
	}
	if err != nil {
		return h, fmt.Errorf("adopt: read goose_db_version: %w", err)
	}
	if n := len(h.Applied); n > 0 {
		h.Version = h.Applied[n-1]
	}
	return h, nil
}

func readGolangMigrate(c Conn) (History, error) {
	h, err := table(c, GolangMigrate, "schema_migrations", "version", "dirty")
	if err != nil {
		return h, err
	}
	dirty, err := c.QueryInt("SELECT count(*) FROM schema_migrations WHERE dirty")
	if err != nil {
		return h, fmt.Errorf("adopt: read schema_migrations: %w", err)
	}
	if h.Version, err = c.QueryInt("SELECT max(version) FROM schema_migrations"); err != nil {
		return h, fmt.Errorf("adopt: read schema_migrations: %w", err)
	}
	if dirty > 0 {
		return h, refuse("finish or undo that migration by hand, and tell the tool with migrate force, before anything else",
			"golang-migrate marks the database dirty: version %d failed half way", h.Version)
	}
	return h, nil
}
