package deliver

// The states of a letter, as they are stored.
const (
	pending   = 0
	delivered = 1
	dead      = 2
)

// Schema is what a Courier needs in its file.
func Schema() []string {
	return []string{
		`CREATE TABLE IF NOT EXISTS alert_letter (id INTEGER PRIMARY KEY AUTOINCREMENT, sink TEXT NOT NULL, alert_id INTEGER NOT NULL, firing INTEGER NOT NULL,
  payload TEXT NOT NULL, queued_ms INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, next_ms INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '', ended_ms INTEGER NOT NULL DEFAULT 0, UNIQUE (sink, alert_id, firing)) STRICT`,
		`CREATE INDEX IF NOT EXISTS alert_letter_state ON alert_letter (state, sink, id)`,
		`CREATE TABLE IF NOT EXISTS alert_source (one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL) STRICT`,
	}
}
