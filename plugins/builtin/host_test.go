package builtin_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/builtin"
	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/abi"
)

// odd is a rule that misbehaves where its configuration says so.
type odd struct {
	does  string
	q     sdk.Query
	calls int
}

func (o *odd) Configure(c *sdk.Config) error {
	o.does, o.q = c.Text("does", ""), c.Lookup("names")
	switch o.does {
	case "refuse":
		return errors.New("no")
	case "panic early":
		panic("early")
	}
	return nil
}

func (o *odd) Validate(b *sdk.Batch, v *sdk.Verdicts) error {
	o.calls++
	switch o.does {
	case "panic":
		if b.Cell(0, 0).Int() == 13 {
			panic("thirteen")
		}
		if o.calls > 1 {
			v.Reject(0, 0, 9, "asked before")
		}
	case "ask":
		_, err := b.Lookup(o.q, sdk.Int(1))
		return err
	case "ask for ever":
		for {
			if _, err := b.Lookup(o.q, sdk.Int(1)); err != nil {
				return err
			}
		}
	case "post":
		return b.Post("ops", sdk.Post{Body: []byte("x")})
	case "say":
		v.Reject(0, 0, 1, "a\nb\x00\xff")
	}
	return nil
}

// lookup counts questions and may fail.
type lookup struct {
	n   int
	err error
}

func (l *lookup) Lookup(context.Context, string, int, abi.Rows) ([]byte, error) {
	l.n++
	var b abi.Batch
	b.Reset(abi.OpScan, 0, 1)
	raw, err := b.Append(nil)
	return raw, errors.Join(err, l.err)
}

// outbox takes everything.
type outbox struct{}

func (outbox) Put(context.Context, string, string, []byte) (bool, error) { return true, nil }

func load(t *testing.T, does string, s plugins.Services, change ...func(*plugins.Manifest)) (plugins.Unit, error) {
	t.Helper()
	m := &plugins.Manifest{Name: "odd", Version: "1.0.0", ABI: 1, Kind: plugins.KindBuiltin, Module: "odd", Config: map[string]any{"does": does},
		Hooks: []plugins.HookSpec{{On: "validate", Table: "t", Columns: []string{"id"}}}, Capabilities: plugins.Capabilities{Lookup: []plugins.LookupQuery{{Name: "names", SQL: "SELECT 1"}}}}
	for _, c := range change {
		c(m)
	}
	doc, err := m.Document()
	if err != nil {
		t.Fatal(err)
	}
	return builtin.New(map[string]func() any{"odd": func() any { return &odd{} }}, s).Load(t.Context(), plugins.Source{Manifest: m, Config: doc})
}

func call(t *testing.T, u plugins.Unit, id int64) (plugins.Outcome, error) {
	t.Helper()
	var b abi.Batch
	b.Reset(abi.OpInsert, 0, 1)
	b.Int(id)
	return u.Call(t.Context(), plugins.HookValidate, &b, time.Unix(0, 0))
}

func kind(err error) plugins.FaultKind {
	var f *plugins.Fault
	if errors.As(err, &f) {
		return f.Kind
	}
	return 0
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	if _, err := load(t, "refuse", plugins.Services{}); kind(err) != plugins.FaultFailed || !strings.Contains(err.Error(), "it says: no") {
		t.Error(err)
	}
	if _, err := load(t, "panic early", plugins.Services{}); kind(err) != plugins.FaultTrap {
		t.Error(err)
	}
	if _, err := load(t, "", plugins.Services{}, func(m *plugins.Manifest) { m.Module = "even" }); kind(err) != plugins.FaultLoad || !strings.Contains(err.Error(), "one of odd") {
		t.Error(err)
	}
	if _, err := load(t, "", plugins.Services{}, func(m *plugins.Manifest) { m.Hooks[0].On = "retain" }); kind(err) != plugins.FaultFailed {
		t.Error(err)
	}
}

// A panic costs one batch, and the value that it left in the middle of something is asked no more.
func TestPanic(t *testing.T) {
	t.Parallel()
	u, err := load(t, "panic", plugins.Services{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := call(t, u, 13); kind(err) != plugins.FaultTrap {
		t.Fatalf("%v, want a trap", err)
	}
	out, err := call(t, u, 1)
	if err != nil || len(out.Verdicts) != 0 {
		t.Errorf("%v, %v: the value that panicked was asked again", out.Verdicts, err)
	}
	if out, err = call(t, u, 1); err != nil || len(out.Verdicts) != 1 {
		t.Errorf("%v, %v: a sound value was thrown away", out.Verdicts, err)
	}
}

func TestServices(t *testing.T) {
	t.Parallel()
	l := &lookup{}
	u, err := load(t, "ask for ever", plugins.Services{Lookup: l})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := call(t, u, 1); kind(err) != plugins.FaultFailed || l.n != 1000+2*1 { // and two for its row
		t.Errorf("%v after %d questions", err, l.n)
	}
	broken := errors.New("disk on fire")
	if u, err = load(t, "ask", plugins.Services{Lookup: &lookup{err: broken}}); err != nil {
		t.Fatal(err)
	}
	if _, err := call(t, u, 1); kind(err) != plugins.FaultHost || !errors.Is(err, broken) {
		t.Errorf("%v, want a fault of the host", err)
	}
	if u, err = load(t, "ask", plugins.Services{}); err != nil {
		t.Fatal(err)
	}
	if _, err := call(t, u, 1); kind(err) != plugins.FaultFailed {
		t.Errorf("%v: nobody can answer", err)
	}
}

// What the manifest does not grant is refused, as it is to a module.
func TestNothingIsGrantedByDefault(t *testing.T) {
	t.Parallel()
	s := plugins.Services{Outbox: outbox{}}
	u, err := load(t, "post", s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := call(t, u, 1); kind(err) != plugins.FaultFailed || !strings.Contains(err.Error(), "refuses") {
		t.Errorf("%v", err)
	}
	if u, err = load(t, "post", s, func(m *plugins.Manifest) { m.Capabilities.Outbox = []string{"ops"} }); err != nil {
		t.Fatal(err)
	}
	if _, err := call(t, u, 1); err != nil {
		t.Errorf("%v, though the endpoint is granted", err)
	}
}

func TestCallsAndClose(t *testing.T) {
	t.Parallel()
	u, err := load(t, "say", plugins.Services{})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := call(t, u, 1); err != nil || len(out.Verdicts) != 1 || out.Verdicts[0].Message != "a b \ufffd" {
		t.Errorf("%+v, %v", out.Verdicts, err)
	}
	gone, stop := context.WithCancel(t.Context())
	stop()
	var b abi.Batch
	b.Reset(abi.OpInsert, 0, 1)
	b.Int(1)
	if _, err := u.Call(gone, plugins.HookValidate, &b, time.Unix(0, 0)); !errors.Is(err, context.Canceled) || errors.Is(err, plugins.ErrFault) {
		t.Errorf("%v: a caller that gave up is nobody's fault", err)
	}
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := call(t, u, 1); kind(err) != plugins.FaultLoad {
		t.Errorf("%v after Close", err)
	}
}

// A caller who gives up while a query runs is nobody's fault, and not to be counted as one.
func TestCallerGivesUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	l := &lookup{}
	u, err := load(t, "ask", plugins.Services{Lookup: gaveUp{l, cancel}})
	if err != nil {
		t.Fatal(err)
	}
	var b abi.Batch
	b.Reset(abi.OpInsert, 0, 1)
	b.Int(1)
	if _, err := u.Call(ctx, plugins.HookValidate, &b, time.Unix(0, 0)); !errors.Is(err, context.Canceled) || errors.Is(err, plugins.ErrFault) || l.n != 1 {
		t.Errorf("%v after %d queries, want what the caller said", err, l.n)
	}
}

// gaveUp is a query during which the caller gives up.
type gaveUp struct {
	*lookup
	cancel context.CancelFunc
}

func (g gaveUp) Lookup(ctx context.Context, plugin string, query int, args abi.Rows) ([]byte, error) {
	raw, err := g.lookup.Lookup(ctx, plugin, query, args)
	g.cancel()
	return raw, errors.Join(err, ctx.Err())
}
