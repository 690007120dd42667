package sdktest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/abi"
)

// Asker is where the plug-in runs: in this process, or in a host. It is called from one goroutine.
type Asker interface {
	// Ask calls a hook. An error says that the plug-in failed, or could not judge.
	Ask(on string, b *abi.Batch, at time.Time) (Answer, error)
}

// Answer is what one call gave.
type Answer struct {
	// Records are verdicts or actions.
	Records []abi.Record
	// Fuel is what the call burnt; 0 where nobody counts.
	Fuel int64
}

// ErrFailed is what a plug-in's own error comes back as.
var ErrFailed = errors.New("the plug-in could not do its work")

// native runs an instance in this process.
type native struct{ in *sdk.Instance }

// Ask implements Asker.
func (n native) Ask(on string, b *abi.Batch, at time.Time) (Answer, error) {
	raw, err := b.Append(nil)
	if err != nil {
		return Answer{}, err
	}
	block := n.in.Call(on, raw, at.UnixNano())
	if block == nil {
		return Answer{}, nil
	}
	kind, records, err := abi.DecodeBlock(nil, block, b.Rows(), b.Columns())
	if err == nil && kind == abi.Failure {
		err = fmt.Errorf("%w: %s", ErrFailed, records[0].Message)
	}
	if err == nil && (kind == abi.Verdicts) != (on == "validate") {
		err = fmt.Errorf("%w: the wrong kind of block", ErrFailed)
	}
	if err != nil {
		return Answer{}, err
	}
	return Answer{Records: records}, nil
}

// Harness feeds a plug-in and checks what it says. It belongs to one goroutine.
type Harness struct {
	t     testing.TB
	setup *Setup
	world *World
	asker Asker
	hook  int
	batch abi.Batch
}

// New configures a plug-in and returns its harness; the test fails where the plug-in refuses its configuration.
func New(t testing.TB, plugin any, s Setup) *Harness {
	t.Helper()
	h, err := Configure(t, plugin, s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Configure is New for a test of refusals: it returns what the plug-in says of its configuration.
func Configure(t testing.TB, plugin any, s Setup) (*Harness, error) {
	t.Helper()
	doc, err := s.Document()
	if err != nil {
		t.Fatalf("sdktest: the configuration is not JSON: %v", err)
	}
	w := NewWorld(&s)
	in := sdk.NewInstance(plugin, w.Services())
	if block := in.Configure(doc); block != nil {
		_, records, err := abi.DecodeBlock(nil, block, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return nil, fmt.Errorf("%w: %s", ErrFailed, records[0].Message)
	}
	return With(t, &s, w, native{in}), nil
}

// With returns a harness for a plug-in that runs somewhere else; a is configured as s says, and its services are w.
func With(t testing.TB, s *Setup, w *World, a Asker) *Harness {
	return &Harness{t: t, setup: s, world: w, asker: a}
}

// On returns the harness for another hook; New's is for hook 0.
func (h *Harness) On(hook int) *Harness {
	c := *h
	c.hook, c.batch = hook, abi.Batch{}
	return &c
}

// At returns the harness for another instant.
func (h *Harness) At(at time.Time) *Harness {
	c, s := *h, *h.setup
	s.At, c.setup, c.batch = at, &s, abi.Batch{}
	return &c
}

// Insert asks about rows that were inserted.
func (h *Harness) Insert(rows ...Row) *Result { h.t.Helper(); return h.ask(sdk.Insert, rows) }

// Update asks about rows that were updated: the new values and then the old ones.
func (h *Harness) Update(rows ...Row) *Result { h.t.Helper(); return h.ask(sdk.Update, rows) }

// Delete asks about rows that were deleted.
func (h *Harness) Delete(rows ...Row) *Result { h.t.Helper(); return h.ask(sdk.Delete, rows) }

// Scan asks about stored rows.
func (h *Harness) Scan(rows ...Row) *Result { h.t.Helper(); return h.ask(sdk.Scan, rows) }

// Alerts asks a sink about alerts.
func (h *Harness) Alerts(alerts ...sdk.Alert) *Result {
	h.t.Helper()
	return h.call(sdk.Alerts, len(alerts), func(int) error {
		for i := range alerts {
			alerts[i].Append(&h.batch)
		}
		return nil
	})
}

func (h *Harness) ask(op sdk.Op, rows []Row) *Result {
	h.t.Helper()
	return h.call(op, len(rows), func(cols int) error {
		for i, r := range rows {
			if want := cols * op.Images(); len(r) != want {
				return fmt.Errorf("sdktest: row %d has %d values, want %d", i, len(r), want)
			}
			if err := r.appendTo(&h.batch); err != nil {
				return err
			}
		}
		return nil
	})
}

// call asks about a batch that fill puts together.
func (h *Harness) call(op sdk.Op, rows int, fill func(cols int) error) *Result {
	h.t.Helper()
	if h.hook >= len(h.setup.Hooks) {
		h.t.Fatalf("sdktest: the setup has no hook %d", h.hook)
	}
	hook := h.setup.Hooks[h.hook]
	if hook.On == "" {
		hook.On = "validate"
	}
	cols := len(hook.Columns)
	if hook.On == "notify" {
		cols = len(abi.AlertColumns())
	}
	h.batch.Reset(op, uint32(h.hook), cols)
	if err := fill(cols); err != nil {
		h.t.Fatal(err)
	}
	answer, err := h.asker.Ask(hook.On, &h.batch, h.setup.at())
	slices.SortFunc(answer.Records, func(a, b abi.Record) int { return int(a.Row) - int(b.Row) })
	return &Result{t: h.t, on: hook.On, Answer: answer, Err: err, Rows: rows}
}

// Log is what the plug-in has logged, as "level text".
func (h *Harness) Log() []string {
	h.world.mu.Lock()
	defer h.world.mu.Unlock()
	return slices.Clone(h.world.lines)
}

// Posts are the messages that it has given to the outbox.
func (h *Harness) Posts() []Posted {
	h.world.mu.Lock()
	defer h.world.mu.Unlock()
	return slices.Clone(h.world.posts)
}

// Counter is what it has added to a counter.
func (h *Harness) Counter(name string) float64 {
	h.world.mu.Lock()
	defer h.world.mu.Unlock()
	return h.world.count[name]
}

// Lookups is how many queries it has asked.
func (h *Harness) Lookups() int {
	h.world.mu.Lock()
	defer h.world.mu.Unlock()
	return h.world.asked
}

// Result is what one call gave, with its checks.
type Result struct {
	t  testing.TB
	on string // the hook: numbers of verdicts and of actions overlap
	Answer
	// Err is why the plug-in could not judge; nil where it did.
	Err error
	// Rows is how many rows it was asked about.
	Rows int
}

func (r *Result) failed() bool {
	r.t.Helper()
	if r.Err != nil {
		r.t.Errorf("the plug-in failed: %v", r.Err)
	}
	return r.Err != nil
}

// Accepts checks that no row has a rejection, warnings aside; for retention and sinks, that it had nothing to say.
func (r *Result) Accepts() *Result {
	r.t.Helper()
	if r.failed() {
		return r
	}
	for _, v := range r.Records {
		if r.on != "validate" || v.Action != abi.Warn {
			r.t.Errorf("row %d: action %d, code %d: %q; want nothing", v.Row, v.Action, v.Code, v.Message)
		}
	}
	return r
}

// Rejects checks that a row is rejected with this code (0: any) and a message that holds part.
func (r *Result) Rejects(row int, code uint32, part string) *Result {
	r.t.Helper()
	return r.Says(row, abi.Reject, code, part)
}

// Warns checks that a row passes with a warning.
func (r *Result) Warns(row int, code uint32, part string) *Result {
	r.t.Helper()
	return r.Says(row, abi.Warn, code, part)
}

// Says checks that a row has this action, this code (0: any) and a message that holds part.
func (r *Result) Says(row int, action abi.Action, code uint32, part string) *Result {
	r.t.Helper()
	if r.failed() {
		return r
	}
	for _, v := range r.Records {
		if int(v.Row) != row {
			continue
		}
		if v.Action != action || code != 0 && v.Code != code || !strings.Contains(v.Message, part) {
			r.t.Errorf("row %d: action %d, code %d: %q; want action %d, code %d and %q", row, v.Action, v.Code, v.Message, action, code, part)
		}
		return r
	}
	r.t.Errorf("row %d: nothing was said; want action %d, code %d and %q", row, action, code, part)
	return r
}

// Only checks that exactly these rows were spoken of.
func (r *Result) Only(rows ...int) *Result {
	r.t.Helper()
	if r.failed() {
		return r
	}
	var got []int
	for _, v := range r.Records {
		got = append(got, int(v.Row))
	}
	if !slices.Equal(got, rows) {
		r.t.Errorf("it spoke of the rows %v, want %v", got, rows)
	}
	return r
}

// Fails checks that the plug-in could not judge, and says why.
func (r *Result) Fails(part string) *Result {
	r.t.Helper()
	if r.Err == nil {
		r.t.Errorf("the plug-in judged: %v; want a failure with %q", r.Records, part)
	} else if !strings.Contains(r.Err.Error(), part) {
		r.t.Errorf("it failed with %v, want %q", r.Err, part)
	}
	return r
}

// Within checks that the call burnt at most so much fuel for a row; where nobody counts it holds.
func (r *Result) Within(fuelPerRow int64) *Result {
	r.t.Helper()
	if r.Fuel > fuelPerRow*int64(max(1, r.Rows)) {
		r.t.Errorf("%d units of fuel for %d rows, want at most %d a row", r.Fuel, r.Rows, fuelPerRow)
	}
	return r
}
