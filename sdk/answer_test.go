package sdk_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/sdktest"
)

// scripted does what its function says.
type scripted struct {
	validate func(*sdk.Batch, *sdk.Verdicts) error
	retain   func(*sdk.Batch, *sdk.Actions) error
	notify   func(*sdk.Batch, *sdk.Deliveries) error
}

func (s *scripted) Validate(b *sdk.Batch, v *sdk.Verdicts) error { return s.validate(b, v) }
func (s *scripted) Retain(b *sdk.Batch, a *sdk.Actions) error    { return s.retain(b, a) }
func (s *scripted) Notify(b *sdk.Batch, d *sdk.Deliveries) error { return s.notify(b, d) }

func harness(t testing.TB, s *scripted) *sdktest.Harness {
	t.Helper()
	return sdktest.New(t, s, sdktest.Setup{Hooks: []sdk.Hook{{Table: "t", Columns: []string{"id", "v"}}, {On: "retain", Table: "t", Columns: []string{"id"}}, {On: "notify"}}})
}

func rows(n, columns int) []sdktest.Row {
	out := make([]sdktest.Row, n)
	for i := range out {
		for c := range columns {
			out[i] = append(out[i], i*10+c)
		}
	}
	return out
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	h := harness(t, &scripted{validate: func(b *sdk.Batch, v *sdk.Verdicts) error {
		v.Warn(2, 1, 5, "first a warning")
		v.Reject(2, 1, 6, "then a rejection")
		v.Warn(2, 0, 7, "then a warning again")
		v.Warn(0, -1, 8, strings.Repeat("é", 200))
		return nil
	}})
	r := h.Insert(rows(3, 2)...).Only(0, 2).Rejects(2, 6, "then a rejection").Warns(0, 8, "é")
	if m := r.Records[0]; len(m.Message) != abi.MaxMessage || m.Col != sdk.WholeRow {
		t.Errorf("%d bytes at column %d", len(m.Message), m.Col)
	}
	h.Insert(rows(3, 2)...).Only(0, 2) // the same again: nothing of the call before is left
}

// A block holds some 2,700 records. What does not fit must never turn a rejected row into an accepted statement.
func TestRejectionsOutlastWarnings(t *testing.T) {
	t.Parallel()
	h := harness(t, &scripted{validate: func(b *sdk.Batch, v *sdk.Verdicts) error {
		for row := range b.Len() {
			v.Warn(row, 0, 1, "a warning that takes all the room there is in a block")
		}
		v.Reject(b.Len()-1, 0, 2, "the one that matters")
		return nil
	}})
	r := h.Insert(rows(4096, 2)...)
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	r.Rejects(4095, 2, "the one that matters")
	if len(r.Records) >= 4096 {
		t.Error("the block was not full: the test shows nothing")
	}
}

func TestVerdictsOutOfRange(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(*sdk.Verdicts){
		"row 3 of 3":    func(v *sdk.Verdicts) { v.Reject(3, 0, 1, "") },
		"row -1 of 3":   func(v *sdk.Verdicts) { v.Warn(-1, 0, 1, "") },
		"column 2 of 2": func(v *sdk.Verdicts) { v.Reject(0, 2, 1, "") },
	} {
		harness(t, &scripted{validate: func(_ *sdk.Batch, v *sdk.Verdicts) error { f(v); return nil }}).Insert(rows(3, 2)...).Fails(name)
	}
}

func TestErrorsAreNoVerdicts(t *testing.T) {
	t.Parallel()
	h := harness(t, &scripted{validate: func(_ *sdk.Batch, v *sdk.Verdicts) error {
		v.Reject(0, 0, 1, "never told")
		return errors.New("out of luck")
	}})
	r := h.Insert(rows(1, 2)...).Fails("out of luck")
	if len(r.Records) > 0 {
		t.Errorf("verdicts beside an error: %v", r.Records)
	}
}

// Of two actions for a row the one that keeps more of it stays, whichever comes first.
func TestActions(t *testing.T) {
	t.Parallel()
	h := harness(t, &scripted{retain: func(_ *sdk.Batch, a *sdk.Actions) error {
		a.Delete(0, 1, "old")
		a.Archive(0, 2, "rather")
		a.Hold(1, 3, "in court")
		a.Delete(1, 4, "old")
		a.Archive(2, 5, "old")
		a.Keep(2, 6, "open")
		a.Delete(3, 7, "old")
		return nil
	}})
	h.On(1).Scan(rows(5, 1)...).Only(0, 1, 2, 3).Says(0, abi.Archive, 2, "rather").Says(1, abi.Hold, 3, "").Says(2, abi.Keep, 6, "").Says(3, abi.Delete, 7, "")
}

// A hold that got lost would let other policies delete the row.
func TestHoldIsNeverLost(t *testing.T) {
	t.Parallel()
	h := harness(t, &scripted{retain: func(b *sdk.Batch, a *sdk.Actions) error {
		for row := range b.Len() {
			a.Hold(row, 1, "in court")
		}
		return nil
	}})
	h.On(1).Scan(rows(4096, 1)...).Fails("more answers than a result block holds")
	h.On(1).Scan(rows(1000, 1)...).Says(999, abi.Hold, 1, "in court")
}

func TestDeliveries(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 0, 0, 0, 5, time.UTC)
	var got sdk.Alert
	h := harness(t, &scripted{notify: func(b *sdk.Batch, d *sdk.Deliveries) error {
		got = b.Alert(0)
		for _, text := range []*string{&got.Rule, &got.Title, &got.Body, &got.Unit, (*string)(&got.Labels), &got.Diagnosis.Cause, &got.Diagnosis.Explanation, &got.Diagnosis.JSON} {
			*text = strings.Clone(*text)
		}
		d.Retry(0, 90*time.Second, "busy")
		d.Drop(1, "no such channel")
		return nil
	}})
	a := sdk.Alert{ID: 7, Rule: "r", Title: "t", Body: "b", Firing: true, Severity: sdk.Critical, Value: 1.5, Known: true, At: at, Limit: 1, Unit: "s", Since: at.Add(-time.Minute),
		Labels: sdk.MakeLabels([2]string{"engine.class", "signal"}, [2]string{"a=b", "x=y\nz"}), Diagnosis: sdk.Diagnosis{Cause: "long_reader", Explanation: "a reader\nholds it", JSON: `{"cause":"long_reader"}`}}
	r := h.On(2).Alerts(a, a, a).Only(0, 1).Says(0, abi.Retry, 0, "busy").Says(1, abi.Drop, 0, "no such channel")
	if got != a || r.Records[0].Aux != 90 {
		t.Errorf("%+v, wait %d s", got, r.Records[0].Aux)
	}
	var pairs []string
	for key, v := range got.Labels.All() {
		pairs = append(pairs, key+" is "+v)
	}
	if want := []string{"engine.class is signal", "a_b is x=y z"}; !slices.Equal(pairs, want) {
		t.Errorf("labels %q, want %q", pairs, want)
	}
}

// Once its buffers have grown, a call allocates for what it says and for nothing else.
func TestNoAllocationsForRows(t *testing.T) {
	s := &scripted{validate: func(b *sdk.Batch, v *sdk.Verdicts) error {
		for row := range b.Len() {
			if b.Cell(row, 1).Int() < 0 {
				v.Reject(row, 1, 1, "negative")
			}
		}
		return nil
	}}
	in := sdk.NewInstance(s, sdk.Services{})
	doc, err := (&sdktest.Setup{Hooks: []sdk.Hook{{Table: "t", Columns: []string{"id", "v"}}}}).Document()
	if err != nil || in.Configure(doc) != nil {
		t.Fatal(err)
	}
	var b abi.Batch
	b.Reset(abi.OpInsert, 0, 2)
	for i := range 1000 {
		b.Int(int64(i))
		b.Int(int64(i))
	}
	raw, err := b.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(50, func() {
		if in.Call("validate", raw, 0) != nil {
			t.Error("rejected")
		}
	}); n > 0 {
		t.Errorf("%v allocations for 1,000 rows", n)
	}
}
