package migrate

import "github.com/tidegate/engine/core/sqlite"

// What is left of long data moves is kept beside the history, so that a restart goes on where it was.
const createBackground = `CREATE TABLE IF NOT EXISTS _tg_background (
  component   TEXT    NOT NULL,
  version     INTEGER NOT NULL,
  sql         TEXT    NOT NULL,
  rows        INTEGER NOT NULL DEFAULT 0,
  done        INTEGER NOT NULL DEFAULT 0 CHECK (done IN (0, 1)),
  PRIMARY KEY (component, version)
) STRICT, WITHOUT ROWID`

func startBackground(conn *sqlite.Conn, mig *Migration) error {
	if mig.Background == "" {
		return nil
	}
	return own(conn, "INSERT OR REPLACE INTO _tg_background (component, version, sql) VALUES (?, ?, ?)", mig.Component, mig.Version, mig.Background)
}
