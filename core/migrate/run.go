package migrate

import (
	"crypto/rand"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/tidegate/engine/core/migrate/convert"
	"github.com/tidegate/engine/core/sqlite"
)

const runsTable = "_tg_migration_run"

// A run is kept apart from what it applied: it also tells of downs, repairs and restores, and carries the state that a crash between
// COMMIT and the probes leaves behind.
const createRuns = `CREATE TABLE IF NOT EXISTS _tg_migration_run (
  run          TEXT    NOT NULL PRIMARY KEY,
  kind         TEXT    NOT NULL,
  state        TEXT    NOT NULL CHECK (state IN ('committed','done','restoring','restored','failed')),
  from_version INTEGER NOT NULL,
  to_version   INTEGER NOT NULL,
  epoch_before INTEGER NOT NULL,
  epoch_after  INTEGER NOT NULL,
  snapshot     TEXT    NOT NULL,
  sha256       TEXT    NOT NULL,
  started_ns   INTEGER NOT NULL,
  finished_ns  INTEGER NOT NULL,
  host         TEXT    NOT NULL,
  pid          INTEGER NOT NULL,
  note         TEXT    NOT NULL,
  schema_sql   TEXT    NOT NULL
) STRICT, WITHOUT ROWID`

// RunState is how far a run has come.
type RunState string

// The states of a run that its database tells of. A run that did not commit leaves no trace in the database.
const (
	RunCommitted RunState = "committed" // the schema is changed, the probes have not passed yet
	RunDone      RunState = "done"      // the probes have passed; nothing is restored automatically any more
	RunRestoring RunState = "restoring" // a probe failed, the snapshot is being put back
	RunRestored  RunState = "restored"  // the database is as it was before the run
	RunFailed    RunState = "failed"    // a probe failed and the snapshot could not be put back
)

// Run is what became of one Up, Down, Baseline, Repair or Restore.
type Run struct {
	ID            string
	Kind          string // "up", "down", "baseline", "repair", "restore"
	State         RunState
	From, To      int // versions of the main schema
	EpochBefore   int64
	EpochAfter    int64
	Snapshot      string // path of the copy from before; "" where none was needed
	SHA256        string // of the copy
	Started, Done time.Time
	Host          string
	PID           int
	Note          string // why, for a failure or a repair
	Schema        string // SQL of the whole schema as it was adopted; "" for a run that adopted nothing
}

// newRunID names a run.
func newRunID() string { return rand.Text()[:16] }

func readRuns(conn *sqlite.Conn) ([]Run, error) {
	ok, err := hasTable(conn, runsTable)
	if err != nil || !ok {
		return nil, err
	}
	var out []Run
	err = ownRows(conn, `SELECT run, kind, state, from_version, to_version, epoch_before, epoch_after, snapshot, sha256, started_ns, finished_ns, host, pid, note, schema_sql
 FROM _tg_migration_run ORDER BY started_ns`, nil, func(v []sqlite.Value) error {
		out = append(out, Run{ID: text(v[0]), Kind: text(v[1]), State: RunState(text(v[2])), From: int(v[3].Int), To: int(v[4].Int), EpochBefore: v[5].Int,
			EpochAfter: v[6].Int, Snapshot: text(v[7]), SHA256: text(v[8]), Started: time.Unix(0, v[9].Int), Done: time.Unix(0, v[10].Int),
			Host: text(v[11]), PID: int(v[12].Int), Note: text(v[13]), Schema: text(v[14])})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("migrate: read the runs: %w", err)
	}
	return out, nil
}

func writeRun(conn *sqlite.Conn, r Run) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	err = own(conn, "INSERT OR REPLACE INTO _tg_migration_run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", r.ID, r.Kind, string(r.State), r.From, r.To,
		r.EpochBefore, r.EpochAfter, r.Snapshot, r.SHA256, r.Started.UnixNano(), r.Done.UnixNano(), host, os.Getpid(), r.Note, r.Schema)
	if err != nil {
		return fmt.Errorf("migrate: write the run: %w", err)
	}
	return nil
}

// nextEpoch is an epoch that the database has not had, as far as it can tell: the next one, or the lowest that is free where the 32 bits of
// user_version end, which an adopted database may have used up.
func nextEpoch(now int64, runs []Run) int64 {
	next := now + 1
	had := map[int64]bool{now: true}
	for _, r := range runs {
		had[r.EpochBefore], had[r.EpochAfter] = true, true
		next = max(next, r.EpochAfter+1)
	}
	if next <= math.MaxInt32 {
		return next
	}
	for next = 1; had[next]; {
		next++
	}
	return next
}

// createTables makes what is missing of our own tables.
func createTables(conn *sqlite.Conn) error {
	for _, sql := range []string{createHistory, createRuns, convert.CreateQuarantine, createBackground} {
		if err := conn.Exec(sql); err != nil {
			return fmt.Errorf("migrate: create the history: %w", err)
		}
	}
	return nil
}
