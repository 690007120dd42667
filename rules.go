package engine

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine/core/change"
	"github.com/tidegate/engine/core/health"
	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/clock"
	"github.com/tidegate/engine/sdk/contract"
)

// RulesConfig says by what rules rows are judged before they are committed.
type RulesConfig struct {
	// Source tells the rules of plug-ins: a *plugins.Registry. Nil: there are none.
	Source contract.Source
	// Checks are declared rules, for what needs no plug-in.
	Checks []RowCheck
	// Keep is how many rejections and other verdicts are stored in the database, for [Rules.Rejections]; the oldest go. Default 10,000; 0 stores none.
	Keep int
	// Keys says what errors, logs and stored verdicts tell of the key of a row: "full", "hash" or "none". A key of text is a value, and may be one that nobody is to
	// see. With "hash" numbers are told, and of a text or a blob "#" and the first 8 bytes of its SHA-256 in hexadecimal digits: who knows a key finds its verdicts, and who
	// can guess it, too. With "none" a verdict does not say which row it is about. Default "full", which "" means as well.
	Keys string
}

// RowCheck is a declared rule: an expression of SQL that must not be false for a row after an INSERT or an UPDATE.
type RowCheck = change.Check

// Typed errors of rules.
type (
	// RejectedError tells which rule of which plug-in refused which row, and why.
	RejectedError = change.RejectedError
	// RuleFaultError tells whose rule could not be asked.
	RuleFaultError = change.FaultError
	// PluginQuarantinedError tells which plug-in is out of service, and which table cannot be written because of that.
	PluginQuarantinedError = change.QuarantinedError
	// Rejection is a stored verdict.
	Rejection = change.Record
	// RuleStats is RulesStats of one version of a plug-in.
	RuleStats = change.RuleStats
	// RulesStats counts what rules were asked and what they answered.
	RulesStats = change.Stats
)

// Rules is what can be asked of the rules of a database. It is safe for concurrent use.
type Rules struct{ db *DB }

// Rules returns the rules of the database.
func (db *DB) Rules() Rules { return Rules{db} }

// Stats counts since Open.
func (r Rules) Stats() RulesStats {
	if r.db.rules.enforcer == nil {
		return RulesStats{}
	}
	return r.db.rules.enforcer.Stats()
}

// Each counts since Open for each version of a plug-in, in service or in shadow mode, that rows of its tables have met, by name; declared checks are among them.
func (r Rules) Each() []RuleStats {
	if r.db.rules.enforcer == nil {
		return nil
	}
	return r.db.rules.enforcer.Each()
}

// Rejections returns the latest n stored verdicts, newest first. A verdict is stored soon after its transaction has ended.
func (r Rules) Rejections(ctx context.Context, n int) ([]Rejection, error) {
	out, err := change.Last(ctx, r.db.lanes, n)
	return out, typed(err, "")
}

// Guard makes writes of other programs to a table fail: rules are asked by this engine, so whoever opens the file past it passes them by. It adds
// triggers that call a function which other programs lack. Unguard takes them away, and so does dropping the table.
//
// # Errors
//
// Those of [DB.Exec]; [ErrSQL] where there is no such table.
func (r Rules) Guard(ctx context.Context, table string) error {
	return typed(change.Guard(ctx, r.db.lanes, table), "")
}

// Unguard ends Guard. It is no error where nothing is guarded.
func (r Rules) Unguard(ctx context.Context, table string) error {
	return typed(change.Unguard(ctx, r.db.lanes, table), "")
}

// keyWays are the values of RulesConfig.Keys.
func keyWays() map[string]change.Keys {
	return map[string]change.Keys{"": change.KeysFull, "full": change.KeysFull, "hash": change.KeysHash, "none": change.KeysNone}
}

// enforcement is what a DB has of rules.
type enforcement struct {
	enforcer    *change.Enforcer
	recorder    *change.Recorder
	quarantined reminder
}

// reminder says which of many same words are said: the first of a plug-in, and one a second after it. The zero value is ready.
type reminder struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// due reports whether it is time to say it again.
func (r *reminder) due(plugin string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil {
		r.last = map[string]time.Time{}
	}
	if now.Sub(r.last[plugin]) < time.Second {
		return false
	}
	r.last[plugin] = now
	return true
}

// enforce prepares the lanes to have rows judged. Without a source and without checks nothing is hooked.
func (db *DB) enforce(lanes *lane.Config) error {
	c := &db.cfg.Rules
	if c.Source == nil && len(c.Checks) == 0 {
		return nil
	}
	now := db.clock.Now
	if db.clock.Clock == clock.System() {
		now = nil // what each call reads anyway
	}
	e, err := change.New(change.Config{Source: c.Source, Checks: c.Checks, Keys: keyWays()[c.Keys], Now: now, Observe: db.judged, Called: db.called})
	if err != nil {
		return &ConfigError{[]string{"rules.checks: " + err.Error()}}
	}
	db.rules.enforcer, lanes.Enforcer = e, e
	return nil
}

// withPass adds the function that the triggers of Guard call, which the connections of a migrator need as well.
func withPass(functions []Function) []Function {
	return append(functions[:len(functions):len(functions)], Function{Name: change.PassName, Schema: true, Scalar: func([]sqlite.Value) (any, error) { return nil, nil }})
}

// judged logs, traces and stores what a rule had to say.
func (db *DB) judged(ctx context.Context, ev *change.Event) {
	v := &ev.Verdict
	db.chores.watched.judged(ev)
	reason := v.Reason
	if ev.Err != nil {
		reason = ev.Err.Error()
	}
	span := oteltrace.SpanFromContext(ctx)
	if span.IsRecording() {
		span.AddEvent("validation."+ev.Kind.String(), oteltrace.WithAttributes(
			attribute.String("engine.plugin.name", v.Plugin), attribute.String("engine.plugin.version", v.Version),
			attribute.Int64("engine.rule", int64(v.Rule)), attribute.String("db.collection.name", v.Table)))
	}
	if errors.Is(ev.Err, change.ErrQuarantined) && !db.rules.quarantined.due(v.Plugin, ev.At) {
		return // each write of its tables says the same, and would push what was rejected out of what is stored
	}
	level := slog.LevelWarn
	if ev.Err != nil {
		level = slog.LevelError
	}
	db.log.LogAttrs(ctx, level, "a rule spoke: "+ev.Kind.String(), slog.String("plugin", v.Plugin), slog.String("version", v.Version), slog.Int64("rule", int64(v.Rule)),
		slog.String("table", v.Table), slog.String("column", v.Column), slog.String("row", v.Key), slog.Int("rows", v.Rows), slog.String("reason", reason))
	if rec := db.rules.recorder; rec != nil {
		r := change.Record{At: ev.At, Kind: ev.Kind.String(), Verdict: *v}
		r.Verdict.Reason = reason
		if id := span.SpanContext().TraceID(); id.IsValid() {
			r.Trace = id.String()
		}
		rec.Add(r)
	}
}

// idleRules tells of rules whose table is not there, so that they judge nothing: its name may be misspelt.
func (db *DB) idleRules(ctx context.Context) (idle []string) {
	who, tables := map[string]string{}, []string{} // of a table, the first that watches it
	watch := func(table, name string) {
		if _, ok := who[table]; !ok {
			who[table] = name
			tables = append(tables, table)
		}
	}
	if src := db.cfg.Rules.Source; src != nil {
		now := src.Acquire()
		for i := range now.List {
			id := now.List[i].Validator.Identity()
			watch(now.List[i].Table, id.Name+" "+id.Version)
		}
		if now.Release != nil {
			now.Release()
		}
	}
	for i := range db.cfg.Rules.Checks {
		watch(db.cfg.Rules.Checks[i].Table, "a declared check")
	}
	missing, _ := change.Missing(ctx, db.lanes, tables) // where that cannot be read, nothing can, as another check says
	for _, table := range missing {
		idle = append(idle, who[table]+" watches the table "+table+", which is not there")
	}
	return idle
}

// checkRules is red while a plug-in is in quarantine, here or by what is stored of another process: its tables cannot be written.
func (db *DB) checkRules(ctx context.Context) Check {
	var names []string
	add := func(plugin, version string) {
		if name := plugin + " " + version; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if src, ok := db.cfg.Rules.Source.(contract.Ailing); ok {
		for _, id := range src.Quarantined() {
			add(id.Name, id.Version)
		}
	}
	stored, _ := change.Quarantines(ctx, db.lanes) // where that cannot be read, nothing can, as another check says
	for _, q := range stored {
		add(q.Plugin, q.Version)
	}
	if len(names) == 0 {
		if idle := db.idleRules(ctx); len(idle) > 0 {
			return health.Warning("rules", strings.Join(idle, "; "), "mend the table's name (plugin.yaml, or rules.checks) and reload; a table that a migration is still to make needs nothing")
		}
		return health.Good("rules", "none is out of service")
	}
	return health.Failure("rules", "in quarantine: "+strings.Join(names, ", "),
		"mend the plug-in and reload it (engine plugin reload), or lift its quarantine (engine plugin quarantine --lift); until then its tables refuse writes")
}

// mistakes lists what is wrong with the rules.
func (c *RulesConfig) mistakes() (bad []string) {
	if _, ok := keyWays()[c.Keys]; !ok {
		bad = append(bad, "rules.keys: must be full, hash or none")
	}
	if c.Keep < 0 {
		bad = append(bad, "rules.keep: must not be negative; 0 stores nothing")
	}
	if _, err := change.New(change.Config{Checks: c.Checks}); err != nil {
		bad = append(bad, "rules.checks: "+err.Error())
	}
	return bad
}
