package change

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

// Config configures an Enforcer. Its zero value watches nothing.
type Config struct {
	// Source tells the rules of plug-ins; nil: there are none.
	Source contract.Source
	// Checks are declared rules.
	Checks []Check
	// Keys says what is told of the keys of rows.
	Keys Keys
	// Now is the instant that validators get; nil: the machine's clock.
	Now func() time.Time
	// Observe is told of what is more than a plain yes. It must be safe for concurrent use and must not block; the event is only valid during the call,
	// and the context is that of the statement. Nil: nobody.
	Observe func(context.Context, *Event)
	// Called is told of each call of a validator that has ended, with the same terms as Observe. Nil: nobody.
	Called func(context.Context, *Call)
}

// Call is a call of a validator.
type Call struct {
	// Who was asked, about Rows rows of Table.
	Who   contract.Identity
	Table string
	Rows  int
	// Start and Took are when and how long.
	Start time.Time
	Took  time.Duration
	// Err is why it could not answer.
	Err error
}

// EventKind says what happened.
type EventKind uint8

// The kinds.
const (
	// Rejected is a row that was refused, with its transaction.
	Rejected EventKind = iota
	// Warned is a row that passed with a remark.
	Warned
	// Failed is a validator that could not judge, whose rows were refused.
	Failed
	// Allowed is a validator that could not judge, whose rows passed because its rule allows that.
	Allowed
	// Shadowed is a row that a rule in shadow mode would have refused.
	Shadowed
)

// String is the value of the metric label.
func (k EventKind) String() string {
	return [...]string{"rejected", "warned", "failed", "allowed", "shadowed"}[k]
}

// Event is something that operators want to know of.
type Event struct {
	Kind EventKind
	At   time.Time
	// Verdict tells of Rejected, Warned and Shadowed; of the others its Plugin, Version and Table.
	Verdict RejectedError
	// Err is why the validator could not judge, of Failed and Allowed.
	Err error
}

// Stats counts since the Enforcer was made.
type Stats struct {
	// Calls of validators, the Rows that they were asked about, and the time that took.
	Calls, Rows uint64
	Time        time.Duration
	// Rejected, Warned, Failed, Allowed and Shadowed count events.
	Rejected, Warned, Failed, Allowed, Shadowed uint64
}

// Enforcer has the rows judged that transactions change. It is safe for concurrent use.
type Enforcer struct {
	cfg    Config
	checks []contract.Rule
	stats  counts // of all together
	mu     sync.Mutex
	each   map[ruleKey]*counts
}

var _ lane.Enforcer = (*Enforcer)(nil)

// New makes an Enforcer.
//
// # Errors
//
// The first check that is incomplete; whether its table and columns exist is seen when the table is first written.
func New(cfg Config) (*Enforcer, error) {
	e := &Enforcer{cfg: cfg}
	for i := range cfg.Checks {
		r, err := cfg.Checks[i].rule(uint32(i + 1))
		if err != nil {
			return nil, err
		}
		e.checks = append(e.checks, r)
	}
	return e, nil
}

// Stats returns the counters.
func (e *Enforcer) Stats() Stats {
	return e.stats.stats()
}

func (e *Enforcer) observe(ctx context.Context, ev *Event) {
	e.stats.events[ev.Kind].Add(1)
	if e.cfg.Observe != nil {
		ev.At = e.now(time.Now())
		e.cfg.Observe(ctx, ev)
	}
}

// now is the instant where the machine's clock shows that one.
func (e *Enforcer) now(machine time.Time) time.Time {
	if e.cfg.Now == nil {
		return machine
	}
	return e.cfg.Now()
}

// Attach implements lane.Enforcer.
func (e *Enforcer) Attach(conn *sqlite.Conn) lane.Warden {
	return &warden{e: e, conn: conn}
}

// warden is the Enforcer at one connection.
type warden struct {
	e    *Enforcer
	conn *sqlite.Conn

	rules  []contract.Rule
	source contract.Rules // to be released
	held   bool           // source was acquired
	gen    uint64         // of the source when the rules were taken
	schema uint64         // the store's when they were bound
	known  bool           // gen, schema and tables are set
	tables map[string]*table
	heard  bool // the connection's hook is ours

	own   bool // the engine's own SQL is running
	now   changes
	whole wholes
	kept  keeping
	asking
}

// asking is the memory of one call of a validator, used again by the next.
type asking struct {
	batch abi.Batch
	rows  []*row
	told  Call
}

// Begin implements lane.Warden.
func (w *warden) Begin(like lane.Warden) error {
	from, _ := like.(*warden)
	switch {
	case from == w: // it begins again on the same connection
		w.kept.begin(&w.kept)
	case from != nil:
		w.kept.begin(&from.kept)
		w.take(from.rules) // from keeps them from being closed until its End
	default:
		w.kept.begin(nil)
		w.refresh()
	}
	w.now.reset()
	w.whole.reset()
	if len(w.rules) == 0 {
		return w.listen(false)
	}
	if gen := w.conn.SchemaGen(); !w.known || gen != w.schema {
		if err := w.bind(); err != nil {
			return err
		}
		w.schema, w.known = gen, true
		w.heard = w.heard && !w.unseen() // statements that were compiled under other rules are to be asked about anew: they are forgotten with the hook
	}
	return w.listen(true)
}

// refresh takes the rules of now.
func (w *warden) refresh() {
	src := w.e.cfg.Source
	if src == nil {
		if w.rules == nil {
			w.take(w.e.checks)
		}
		return
	}
	w.source, w.held = src.Acquire(), true
	if w.rules != nil && w.source.Generation == w.gen {
		return // the same validators
	}
	w.gen = w.source.Generation
	w.take(slices.Concat(w.e.checks, w.source.List))
}

func (w *warden) take(rules []contract.Rule) {
	w.rules, w.known = append([]contract.Rule{}, rules...), false
}

// listen hooks the connection, or lets go of it.
func (w *warden) listen(on bool) error {
	if on == w.heard {
		return nil
	}
	if !on {
		w.conn.Watch(nil)
		w.heard = false
		return w.conn.OnChange(nil)
	}
	if err := w.conn.OnChange(w.hear); err != nil {
		return err
	}
	w.conn.Watch(w.guardSchema)
	w.heard = true
	return nil
}

// guardSchema refuses what would change the rows of a watched table without any word of it.
func (w *warden) guardSchema(a sqlite.Access) error {
	t := w.find(a.Table)
	if t == nil || a.Object != a.Table {
		return nil
	}
	switch a.Kind {
	case sqlite.AccessDrop, sqlite.AccessAlter:
		return &schemaError{a.Kind.String(), t.name, t.rules[0].Validator.Identity().Name}
	case sqlite.AccessInsert, sqlite.AccessUpdate, sqlite.AccessDelete:
		return t.unseen(a.Kind.String())
	}
	return nil
}

// schemaError is what the authorizer's refusal says.
type schemaError struct{ verb, table, who string }

func (e *schemaError) Error() string {
	return e.verb + " of table " + e.table + ", which " + e.who + " watches (unload it or write a migration),"
}

func (w *warden) find(name string) *table {
	if t := w.tables[name]; t != nil {
		return t
	}
	return w.tables[strings.ToLower(name)]
}

// Before implements lane.Warden.
func (w *warden) Before() {
	if w.heard {
		w.now.reset()
	}
}

// After implements lane.Warden.
func (w *warden) After(ctx context.Context, ddl bool) error {
	if err := w.settle(ddl); err != nil || len(w.now.rows) == 0 {
		return err
	}
	defer func() { w.kept.at++ }()
	return w.judge(ctx, contract.AtStatement, &w.now)
}

// Again implements lane.Warden.
func (w *warden) Again(ddl bool) error {
	if err := w.settle(ddl); err != nil || len(w.now.rows) == 0 {
		return err
	}
	defer func() { w.kept.at++ }()
	return w.playAgain()
}

// settle makes net changes of what was heard, and remembers what the end of the transaction is about.
func (w *warden) settle(ddl bool) error {
	if !w.heard {
		return nil
	}
	if err := w.now.err; err != nil {
		return err
	}
	if ddl {
		before := w.tables
		err := w.bind()
		if err == nil {
			err = w.came(before)
		}
		if err != nil {
			return err
		}
		w.known = false // the number of the schema grows when the transaction ends
	}
	w.now.merge()
	w.whole.note(&w.now)
	return nil
}

// Seal implements lane.Warden.
func (w *warden) Seal(ctx context.Context) error {
	if !w.heard || w.whole.empty() {
		return nil
	}
	net, err := w.net(ctx)
	if err != nil || len(net.rows) == 0 {
		return err
	}
	return w.judge(ctx, contract.AtCommit, net)
}

// End implements lane.Warden.
func (w *warden) End() {
	w.now.reset()
	w.whole.reset()
	if w.held && w.source.Release != nil {
		w.source.Release()
	}
	w.source, w.held = contract.Rules{}, false
}
