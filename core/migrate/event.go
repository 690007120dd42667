package migrate

import (
	"errors"
	"sync"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// Event tells how a change of the schema ended, well or not. A start that finds nothing to do makes none.
type Event struct {
	Kind      string // "up", "down", "baseline", "repair" or "restore"
	Run       string // "" where nothing was committed
	From, To  int    // versions of the main schema
	Applied   []Applied
	TakenBack []Applied
	Snapshot  string        // path of the copy from before; "" where none was made
	Restored  bool          // a probe failed and the copy was put back
	Locked    time.Duration // how long the writer was kept out
	Took      time.Duration
	Conflicts []*Conflict // why the change was refused; nil where it was not
	Err       error       // nil when it went well
}

// Metrics are the figures of a [Migrator] since it was made. The zero value says that it changed nothing.
type Metrics struct {
	// Runs counts changes of the schema that were begun, Failed those of them that ended with an error and left the schema as it was,
	// Refused starts that met a conflict, and Restored failed probes after which the copy from before was put back.
	Runs, Failed, Refused, Restored int64
	// Applied and TakenBack count migrations.
	Applied, TakenBack int64
	// Converted counts rows whose column changed its type, Quarantined those of them whose former value is kept because it was lost otherwise.
	Converted, Quarantined int64
	// Took and Locked are the times of all runs together, and of these the time during which the writer was kept out.
	Took, Locked time.Duration
	// LastEnd is when the last run ended; zero for none. LastError is its error, nil where it went well.
	LastEnd   time.Time
	LastError error
}

// tally keeps the figures of a migrator.
type tally struct {
	mu  sync.Mutex
	sum Metrics
}

// Metrics returns the present figures. Safe for concurrent use.
func (m *Migrator) Metrics() Metrics {
	m.tally.mu.Lock()
	defer m.tally.mu.Unlock()
	return m.tally.sum
}

// ended counts a run, logs how it went wrong, and tells whoever wants to know.
func (m *Migrator) ended(kind string, rep *Report, err error) {
	e := Event{Kind: kind, Run: rep.Run, From: rep.From, To: rep.To, Applied: rep.Applied, TakenBack: rep.TakenBack, Snapshot: rep.Snapshot,
		Locked: rep.Locked, Took: rep.Duration, Err: err}
	var conflict *ConflictError
	if errors.As(err, &conflict) {
		e.Conflicts = conflict.Conflicts
	}
	var probe *ProbeError
	e.Restored = errors.As(err, &probe) && probe.Restored
	if err != nil {
		e.To = e.From
		m.log.Error("migration failed", "kind", kind, "database", m.store.Location().String(), "error", err)
	}
	m.count(&e)
	if m.cfg.Ended != nil {
		m.cfg.Ended(e)
	}
}

func (m *Migrator) count(e *Event) {
	m.tally.mu.Lock()
	defer m.tally.mu.Unlock()
	s := &m.tally.sum
	switch {
	case e.Conflicts != nil:
		s.Refused++
	case e.Err != nil:
		s.Runs++
		s.Failed++
	default:
		s.Runs++
		s.Applied += int64(len(e.Applied))
		s.TakenBack += int64(len(e.TakenBack))
		for _, a := range e.Applied {
			for _, c := range a.Conversions {
				s.Converted += c.Rows
				s.Quarantined += c.Lossy
			}
		}
	}
	if e.Restored {
		s.Restored++
	}
	s.Took += e.Took
	s.Locked += e.Locked
	s.LastEnd, s.LastError = m.clock.Now(), e.Err
}

// mayChange asks whoever knows whether the database may be written to at all.
func (m *Migrator) mayChange(kind string) error {
	if m.store.ReadOnly() {
		return &sqlite.Error{Class: sqlite.ReadOnly, Op: "migrate " + kind, Msg: m.store.Location().String() + " is open read only: open it for writing"}
	}
	if m.cfg.Refuse == nil {
		return nil
	}
	return m.cfg.Refuse(kind)
}
