package migrate

import (
	"encoding/json"
	"fmt"
	"strings"
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

// applied is a row of the history, as far as decisions need it.
type applied struct {
	Version    int
	Name       string
	Checksum   string
	Compat     int
	Up, Down   string
	SchemaHash string
	Chain      string
}

// link chains a row to the one before it, so that an edited or missing row
// shows.
func (a applied) link(previous string) string {
	return digest(strings.Join([]string{previous, Component, fmt.Sprint(a.Version, " ", a.Compat), a.Name, a.Checksum, digest(a.Up), digest(a.Down), a.SchemaHash}, "\n"))
}

func brokenLink(rows []applied) int {
	previous := ""
	for _, a := range rows {
		if a.Chain != a.link(previous) {
			return a.Version
		}
		previous = a.Chain
	}
	return 0
}

// readHistory returns the applied migrations in order, and whether the
// database has a history at all. One statement reads it: rows that another
// process commits meanwhile come all or not at all.
func readHistory(conn Conn) ([]applied, bool, error) {
	n, err := conn.QueryInt("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = " + quote(historyTable))
	if err != nil {
		return nil, false, fmt.Errorf("migrate: look for the history: %w", err)
	}
	if n == 0 {
		return nil, false, nil
	}
	text, err := conn.QueryText(`SELECT json_group_array(json_object('Version', version, 'Name', name, 'Checksum', checksum, 'Compat', compat,
  'Up', up_sql, 'Down', down_sql, 'SchemaHash', schema_hash, 'Chain', chain) ORDER BY version)
 FROM _tg_migration WHERE component = ` + quote(Component))
	if err != nil {
		return nil, false, fmt.Errorf("migrate: read the history: %w", err)
	}
	var rows []applied
	if err := json.Unmarshal([]byte(text), &rows); err != nil {
		return nil, false, fmt.Errorf("migrate: read the history: %w", err)
	}
	return rows, true, nil
}

// schemaHash covers every object of the user's schema, not ours and not
// SQLite's own.
func schemaHash(conn Conn) (string, error) {
	text, err := conn.QueryText(`SELECT json_group_array(json_array(type, name, tbl_name, sql) ORDER BY type, name) FROM sqlite_schema
 WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\' AND tbl_name NOT LIKE '\_tg\_%' ESCAPE '\'`)
	if err != nil {
		return "", fmt.Errorf("migrate: hash the schema: %w", err)
	}
	return "s1-sha256:" + digest(text), nil
}

// rowCounts returns a JSON object of every user table and its rows.
func rowCounts(conn Conn) (string, error) {
	names, err := conn.QueryText(`SELECT json_group_array(name ORDER BY name) FROM pragma_table_list
 WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name NOT LIKE '\_tg\_%' ESCAPE '\'`)
	if err != nil {
		return "", fmt.Errorf("migrate: list the tables: %w", err)
	}
	var tables []string
	if err := json.Unmarshal([]byte(names), &tables); err != nil {
		return "", fmt.Errorf("migrate: list the tables: %w", err)
	}
	counts := make(map[string]int64, len(tables))
	for _, t := range tables {
		if counts[t], err = conn.QueryInt("SELECT count(*) FROM " + quoteName(t)); err != nil {
			return "", fmt.Errorf("migrate: count the rows of %s: %w", t, err)
		}
	}
	b, err := json.Marshal(counts)
	return string(b), err
}

// quote makes an SQL string literal. Control statements run unprepared and
// take no arguments; migration texts hold no NUL, which a literal could not.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
