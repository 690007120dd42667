package engine

import (
	"context"
	"slices"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/ledger"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/clock"
)

// Key makes an Update, an Exec or a Batch idempotent: whatever happens, a call with this key is applied once. The first call writes the key
// and its results in its own transaction; a later call with the same key, after an error, a time-out or a restart of the program, does
// nothing and returns the first one's results. For an Update the closure is not run then; [AlreadyApplied] tells.
//
// The key belongs to one call and its repetitions: make it where the intention is made (the id of an order, a UUID of the request), not where
// the call is made. At most 255 bytes. about says what the call is about, so that another call with the same key is noticed; an Exec and a
// Batch add their statements and arguments by themselves. A call that failed leaves no key behind. Keys are kept for as long as
// Config.Keys says. Without an adopted database there are none: the call returns what any write does there.
func Key(key string, about ...any) Option {
	return func(o *callOptions) { o.key = &keyOption{key: key, about: slices.Clone(about)} }
}

// AlreadyApplied sets *into, when the call returns nil, to whether an earlier call with the same key had been applied, so that this one did
// nothing. It needs [Key].
func AlreadyApplied(into *bool) Option { return func(o *callOptions) { o.already = into } }

// KeysConfig says how long the keys of [Key] are kept.
type KeysConfig struct {
	// Age is how long at least a key is kept. Default 7 days.
	Age time.Duration
	// Entries is how many keys are kept at most; beyond, the oldest are removed whatever their age. Default 1,000,000.
	Entries int
}

// keyOption is what Key was given.
type keyOption struct {
	key   string
	about []any
}

// keyMistake is what is wrong with the options about keys.
func (o *callOptions) keyMistake() error {
	switch {
	case o.key == nil && o.already != nil:
		return argErrorf("AlreadyApplied: there is no Key whose earlier call it could tell of")
	case o.key == nil:
		return nil
	case o.key.key == "":
		return argErrorf("Key: the key is empty")
	case len(o.key.key) > ledger.MaxKey:
		return argErrorf("Key: the key has %d bytes, at most %d are allowed: use a hash of it", len(o.key.key), ledger.MaxKey)
	}
	if o.already != nil {
		*o.already = false
	}
	return nil
}

// keyless refuses a key where there is nothing to be done once.
func (o *callOptions) keyless(call string) error {
	if o.key == nil {
		return nil
	}
	return argErrorf("Key: %s takes none: use Exec, Update or Batch for what is to be applied once", call)
}

// keyed is one call with a key. A nil *keyed is a call without: its methods do nothing.
type keyed struct {
	ledger.Call
	into *bool
	hit  bool // an earlier call was found
}

// keyed makes the call of the options' key; nil without one. parts, where not nil, lists what the call is about beside what Key was given.
func (o *callOptions) keyed(db *DB, kind string, parts func() []any) (*keyed, error) {
	if o.key == nil {
		return nil, nil
	}
	about, err := plainArgs(o.key.about)
	if err != nil {
		return nil, err
	}
	if parts != nil {
		about = append(parts(), about...)
	}
	return &keyed{Call: ledger.Call{Key: o.key.key, Print: ledger.Print(kind, about...), Now: db.clock.latest}, into: o.already}, nil
}

// prove lets the lane ask the key what became of a COMMIT.
func (k *keyed) prove(job lane.JobOptions) lane.JobOptions {
	if k != nil {
		job.Proof = k.committed
	}
	return job
}

// committed is Committed for a call that writes its key. One that has found an earlier call's writes nothing, and would find that key whatever
// became of its own group.
func (k *keyed) committed(conn *sqlite.Conn) (bool, error) {
	if k.hit {
		return false, lane.ErrNoProof
	}
	return k.Committed(conn)
}

// look reads what an earlier call did; nil when this is the first.
func (k *keyed) look(ctx context.Context, w *lane.Tx) ([]ledger.Step, bool, error) {
	if k == nil {
		return nil, false, nil
	}
	k.hit = false
	earlier, err := k.Look(ctx, w)
	if err != nil || earlier == nil {
		return nil, false, err
	}
	k.hit = true
	return earlier.Steps, true, nil
}

// record keeps the results.
func (k *keyed) record(ctx context.Context, w *lane.Tx, steps []ledger.Step) error {
	if k == nil {
		return nil
	}
	return k.Record(ctx, w, steps)
}

// tell sets what AlreadyApplied was given, once the call has succeeded.
func (k *keyed) tell() {
	if k != nil && k.into != nil {
		*k.into = k.hit
	}
}

// parts is what a batch's fingerprint is made of.
func (b *Batch) parts() []any {
	out := make([]any, 0, len(b.args)+4*len(b.steps))
	for i := range b.steps {
		s := &b.steps[i]
		out = append(out, s.sql, s.keep, s.least, s.most, int64(s.to-s.from))
		out = append(out, b.arguments(i)...)
	}
	return out
}

// kept turns the results of a batch into what the ledger keeps.
func kept(results []StepResult) []ledger.Step {
	steps := make([]ledger.Step, len(results))
	for i := range results {
		r := &results[i]
		steps[i] = ledger.Step{RowsAffected: r.Result.RowsAffected, LastInsertID: r.Result.LastInsertID, Columns: r.Rows.columns, Values: r.Rows.values}
	}
	return steps
}

// restored is the reverse of kept.
func restored(steps []ledger.Step) []StepResult {
	results := make([]StepResult, len(steps))
	for i := range steps {
		s := &steps[i]
		results[i].Result = Result{RowsAffected: s.RowsAffected, LastInsertID: s.LastInsertID}
		results[i].Rows = KeptRows{columns: s.Columns, values: s.Values}
		if len(s.Columns) > 0 {
			results[i].Rows.count = len(s.Values) / len(s.Columns)
		}
	}
	return results
}

// purgeEvery is how often old keys are looked for.
const purgeEvery = 10 * time.Minute

// purgeKeys removes old keys, while nobody waits for the writer, until stop.
func (db *DB) purgeKeys(tick *clock.Ticker, stop <-chan struct{}) {
	defer tick.Stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	policy := ledger.Policy{Age: db.cfg.Keys.Age, Entries: int64(db.cfg.Keys.Entries)}
	busy := func() bool {
		select {
		case <-stop:
			return true
		default:
			return db.lanes.Stats().Writer.Waiting > 0
		}
	}
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		removed, err := ledger.Purge(ctx, db.lanes, policy, db.clock.earliest(), busy)
		if err != nil {
			db.log.Warn("old keys could not be removed; it is tried again", "error", typed(err, ""))
		} else if removed > 0 {
			db.log.Debug("old keys removed", "keys", removed)
		}
	}
}
