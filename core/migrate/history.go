package migrate

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

const historyTable = "_tg_migration"

// The down script is kept in the database: an older program that does not have
// the file can still take a migration back.
const createHistory = `CREATE TABLE IF NOT EXISTS _tg_migration (
  component      TEXT    NOT NULL,
  version        INTEGER NOT NULL,
  name           TEXT    NOT NULL,
  checksum       TEXT    NOT NULL,
  up_sql         TEXT    NOT NULL,
  down_sql       TEXT    NOT NULL,
  compat         INTEGER NOT NULL,
  schema_hash    TEXT    NOT NULL,
  rows_before    TEXT    NOT NULL CHECK (json_valid(rows_before)),
  rows_after     TEXT    NOT NULL CHECK (json_valid(rows_after)),
  started_ns     INTEGER NOT NULL,
  finished_ns    INTEGER NOT NULL,
  engine_version TEXT    NOT NULL,
  sqlite_version TEXT    NOT NULL,
  run            TEXT    NOT NULL,
  chain          TEXT    NOT NULL,
  PRIMARY KEY (component, version)
) STRICT, WITHOUT ROWID`

// Entry is a row of the history: one migration that is applied.
type Entry struct {
	Component  string
	Version    int // 0: the schema that an adopted database had
	Name       string
	Checksum   string
	Compat     int
	Up, Down   string // the SQL that was run, and the SQL that takes it back; "" for a Go migration
	SchemaHash string // of the component's schema after it
	RowsBefore map[string]int64
	RowsAfter  map[string]int64
	Started    time.Time
	Finished   time.Time
	By         string // version of the engine, and of SQLite, that applied it
	Run        string // of the run that applied it
	Chain      string // ties the row to the one before it
}

// link chains a row to the one before it, so that an edited or missing row
// shows.
func (a Entry) link(previous string) string {
	component := a.Component
	if component == "" {
		component = Component
	}
	return digest(strings.Join([]string{previous, component, fmt.Sprint(a.Version, " ", a.Compat), a.Name, a.Checksum, digest(a.Up), digest(a.Down), a.SchemaHash}, "\n"))
}

// brokenLink returns the first entry of a component that does not fit the one before it.
func brokenLink(entries []Entry) (Entry, bool) {
	previous := ""
	for _, a := range entries {
		if a.Chain != a.link(previous) {
			return a, true
		}
		previous = a.Chain
	}
	return Entry{}, false
}

func hasTable(conn *sqlite.Conn, name string) (bool, error) {
	n, err := conn.QueryInt("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = " + quote(name))
	if err != nil {
		return false, fmt.Errorf("migrate: look for %s: %w", name, err)
	}
	return n == 1, nil
}

// readHistory returns what is applied, by component and version, and whether the
// database has a history at all. Without texts, Up and Down stay empty: a start that has nothing to do need not read them.
func readHistory(conn *sqlite.Conn, texts bool) (entries []Entry, managed bool, err error) {
	if managed, err = hasTable(conn, historyTable); err != nil || !managed {
		return nil, false, err
	}
	up, down := "''", "''"
	if texts {
		up, down = "up_sql", "down_sql"
	}
	err = ownRows(conn, `SELECT component, version, name, checksum, compat, `+up+`, `+down+`, schema_hash, rows_before, rows_after,
 started_ns, finished_ns, engine_version, sqlite_version, run, chain FROM _tg_migration ORDER BY component, version`, nil, func(v []sqlite.Value) error {
		e := Entry{Component: text(v[0]), Version: int(v[1].Int), Name: text(v[2]), Checksum: text(v[3]), Compat: int(v[4].Int), Up: text(v[5]), Down: text(v[6]),
			SchemaHash: text(v[7]), Started: time.Unix(0, v[10].Int), Finished: time.Unix(0, v[11].Int), By: text(v[12]) + ", SQLite " + text(v[13]),
			Run: text(v[14]), Chain: text(v[15])}
		if err := errorsIn(json.Unmarshal(v[8].Bytes, &e.RowsBefore), json.Unmarshal(v[9].Bytes, &e.RowsAfter)); err != nil {
			return err
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, true, fmt.Errorf("migrate: read the history: %w", err)
	}
	return entries, true, nil
}

func text(v sqlite.Value) string { return string(v.Bytes) }

// of returns the entries of one component.
func of(entries []Entry, component string) []Entry {
	var out []Entry
	for _, e := range entries {
		if e.Component == component {
			out = append(out, e)
		}
	}
	return out
}

// componentsOf lists who has entries.
func componentsOf(entries []Entry) []string {
	var out []string
	for _, e := range entries {
		if len(out) == 0 || out[len(out)-1] != e.Component {
			out = append(out, e.Component)
		}
	}
	return out
}

// writeEntry appends e to the history and chains it.
func writeEntry(conn *sqlite.Conn, e Entry, previous string) (chain string, err error) {
	e.Chain = e.link(previous)
	before, err := json.Marshal(counts(e.RowsBefore))
	if err != nil {
		return "", err
	}
	after, err := json.Marshal(counts(e.RowsAfter))
	if err != nil {
		return "", err
	}
	err = own(conn, "INSERT INTO _tg_migration VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, sqlite_version(), ?, ?)",
		e.Component, e.Version, e.Name, e.Checksum, e.Up, e.Down, e.Compat, e.SchemaHash, string(before), string(after),
		e.Started.UnixNano(), e.Finished.UnixNano(), engineVersion(), e.Run, e.Chain)
	if err != nil {
		return "", fmt.Errorf("migrate: write the history: %w", err)
	}
	return e.Chain, nil
}

// counts makes a nil map an empty object.
func counts(m map[string]int64) map[string]int64 {
	if m == nil {
		return map[string]int64{}
	}
	return m
}

// rechain writes the chain of a component again, after an entry of it was changed on purpose.
func rechain(conn *sqlite.Conn, component string) error {
	entries, _, err := readHistory(conn, true)
	if err != nil {
		return err
	}
	previous := ""
	for _, e := range of(entries, component) {
		chain := e.link(previous)
		if chain != e.Chain {
			if err := own(conn, "UPDATE _tg_migration SET chain = ? WHERE component = ? AND version = ?", chain, component, e.Version); err != nil {
				return fmt.Errorf("migrate: chain the history: %w", err)
			}
		}
		previous = chain
	}
	return nil
}
