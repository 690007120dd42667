package plugins_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine/internal/clock"
	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/sdk/abi"
)

// fakeHost loads units whose behaviour is the text of the module.
type fakeHost struct{ open atomic.Int64 }

type fakeUnit struct {
	h       *fakeHost
	m       *plugins.Manifest
	failing atomic.Bool
	closed  atomic.Bool
}

func (h *fakeHost) Load(_ context.Context, s plugins.Source) (plugins.Unit, error) {
	if string(s.Module) == "broken" {
		return nil, &plugins.Fault{Kind: plugins.FaultLoad, Plugin: s.Manifest.Name, Version: s.Manifest.Version, Reason: "broken"}
	}
	h.open.Add(1)
	u := &fakeUnit{h: h, m: s.Manifest}
	u.failing.Store(string(s.Module) == "failing")
	return u, nil
}

func (u *fakeUnit) Call(_ context.Context, _ plugins.Hook, b *abi.Batch, _ time.Time) (plugins.Outcome, error) {
	if u.closed.Load() {
		return plugins.Outcome{}, errors.New("called after its end")
	}
	if u.failing.Load() && b.Rows() > 1 {
		return plugins.Outcome{}, &plugins.Fault{Kind: plugins.FaultTrap, Plugin: u.m.Name, Version: u.m.Version, Reason: "unreachable"}
	}
	return plugins.Outcome{Fuel: 10, Verdicts: []plugins.Verdict{{Row: 0, Action: abi.Reject, Message: u.m.Version}}}, nil
}

func (u *fakeUnit) Close() error {
	if !u.closed.Swap(true) {
		u.h.open.Add(-1)
	}
	return nil
}

// diary keeps transitions.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) Transition(tr plugins.Transition) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf("%s %s>%s", tr.Identity.Version, tr.From, tr.To))
}

func (d *diary) take() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := strings.Join(d.lines, ", ")
	d.lines = nil
	return s
}

type bed struct {
	r     *plugins.Registry
	host  *fakeHost
	diary *diary
	clock *clock.Fake
}

func newBed(t *testing.T) *bed {
	b := &bed{host: &fakeHost{}, diary: &diary{}, clock: clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))}
	b.r = plugins.NewRegistry(plugins.Options{Hosts: map[string]plugins.Host{"wasm": b.host}, Engine: [3]int{0, 5, 0}, Observer: b.diary, Clock: b.clock})
	t.Cleanup(func() {
		b.r.Close()
		if n := b.host.open.Load(); n != 0 {
			t.Errorf("%d units are still open", n)
		}
	})
	return b
}

func (b *bed) load(t *testing.T, version, module string, change func(*plugins.Manifest)) error {
	t.Helper()
	m := &plugins.Manifest{Name: "limits", Version: version, ABI: 1, Hooks: []plugins.HookSpec{{On: "validate", Table: "orders", Columns: []string{"id"}}}}
	if change != nil {
		change(m)
	}
	_, err := b.r.Load(context.Background(), m, []byte(module))
	return err
}

func (b *bed) pin(t *testing.T) *plugins.Version {
	t.Helper()
	v, err := b.r.Pin("limits")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// ask calls a version with so many rows and returns the version that answered.
func ask(v *plugins.Version, rows int) (string, error) {
	var b abi.Batch
	b.Reset(abi.OpInsert, 0, 1)
	for range rows {
		b.Null()
	}
	out, err := v.Validate(context.Background(), &b, time.Time{})
	if err != nil {
		return "", err
	}
	return out.Verdicts[0].Message, nil
}

// TestReload pins a version as a transaction does, and reloads beneath it.
func TestReload(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	if _, err := b.r.Pin("limits"); !errors.Is(err, plugins.ErrState) {
		t.Fatal(err)
	}
	if err := b.load(t, "1.0.0", "good", nil); err != nil {
		t.Fatal(err)
	}
	if got, want := b.diary.take(), "1.0.0 unknown>read, 1.0.0 read>verified, 1.0.0 verified>loaded, 1.0.0 loaded>tested, 1.0.0 tested>active"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	old := b.pin(t)
	if err := b.load(t, "2.0.0", "good", nil); err != nil {
		t.Fatal(err)
	}
	fresh := b.pin(t)
	for v, want := range map[*plugins.Version]string{old: "1.0.0", fresh: "2.0.0"} {
		if got, err := ask(v, 1); err != nil || got != want {
			t.Errorf("%s %v, want %s", got, err, want)
		}
	}
	if old.State() != plugins.StateDraining || b.host.open.Load() != 2 {
		t.Errorf("%v, %d open", old.State(), b.host.open.Load())
	}
	b.diary.take()
	old.Unpin()
	if got := b.diary.take(); got != "1.0.0 draining>retired" || b.host.open.Load() != 1 {
		t.Errorf("%s, %d open", got, b.host.open.Load())
	}
	fresh.Unpin()
}

// TestFailedLoad shows that whatever goes wrong leaves the version before in service.
func TestFailedLoad(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	if err := b.load(t, "1.0.0", "good", nil); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		module string
		change func(*plugins.Manifest)
		want   string
	}{
		"module": {"broken", nil, "broken"},
		"engine": {"good", func(m *plugins.Manifest) { m.Engine = ">=1" }, "does not take this engine, 0.5.0"},
		"kind":   {"good", func(m *plugins.Manifest) { m.Kind = "process" }, `wants the transport "process"`},
		"own test": {"good", func(m *plugins.Manifest) { m.Tests = []plugins.TestCase{{Name: "quiet", Rows: [][]any{{1}}}} },
			`its own test quiet: nothing expects what it said: row 0`},
		"own test, other verdict": {"good", func(m *plugins.Manifest) {
			m.Tests = []plugins.TestCase{{Rows: [][]any{{1}}, Expect: []plugins.Expect{{Action: "warn"}}}}
		}, "no verdict warn for row 0"},
		"own test, fuel": {"good", func(m *plugins.Manifest) {
			m.Tests = []plugins.TestCase{{Rows: [][]any{{1}}, Expect: []plugins.Expect{{Message: "2."}}, MaxFuel: 9}}
		}, "max_fuel is 9"},
	} {
		if err := b.load(t, "2.0.0", c.module, c.change); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		v := b.pin(t)
		if got, err := ask(v, 1); got != "1.0.0" || err != nil {
			t.Errorf("%s: %s answers, %v", name, got, err)
		}
		v.Unpin()
		if n := b.host.open.Load(); n != 1 {
			t.Errorf("%s: %d units are open", name, n)
		}
	}
}

func TestQuarantine(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	if err := b.load(t, "1.0.0", "failing", nil); err != nil {
		t.Fatal(err)
	}
	v := b.pin(t)
	defer v.Unpin()
	for i := range 2 * plugins.BreakerFaults { // four a minute are borne for ever
		if _, err := ask(v, 2); !errors.Is(err, plugins.ErrFault) || errors.Is(err, plugins.ErrQuarantined) {
			t.Fatalf("fault %d: %v", i, err)
		}
		b.clock.Advance(16 * time.Second)
	}
	b.clock.Advance(time.Hour)
	b.diary.take()
	for range plugins.BreakerFaults {
		if _, err := ask(v, 2); !errors.Is(err, plugins.ErrFault) {
			t.Fatal(err)
		}
	}
	if got := b.diary.take(); got != "1.0.0 active>quarantined" {
		t.Error(got)
	}
	if _, err := ask(v, 1); !errors.Is(err, plugins.ErrQuarantined) || !strings.Contains(err.Error(), "trap: unreachable") {
		t.Errorf("a quarantined version answers: %v", err)
	}
	if l := b.r.List(); len(l) != 1 || l[0].State != plugins.StateQuarantined || l[0].Faults != plugins.BreakerFaults {
		t.Errorf("%+v", l)
	}
	if err := b.r.Unquarantine("limits"); err != nil {
		t.Fatal(err)
	}
	if got, err := ask(v, 1); got != "1.0.0" || err != nil {
		t.Errorf("%s %v", got, err)
	}
	if err := b.r.Unquarantine("limits"); !errors.Is(err, plugins.ErrState) {
		t.Error(err)
	}
}

// TestQuarantineOfBoth: a version in shadow mode has a breaker of its own. It is not promoted while that is open, and a lift ends the quarantine of the active version
// first, since that keeps people from working.
func TestQuarantineOfBoth(t *testing.T) {
	t.Parallel()
	for range 8 { // the order is none of chance
		b := newBed(t)
		for version, mode := range map[string]string{"1.0.0": "enforce", "2.0.0": "shadow"} {
			if err := b.load(t, version, "failing", func(m *plugins.Manifest) { m.Policy.Mode = mode }); err != nil {
				t.Fatal(err)
			}
		}
		active := b.pin(t)
		shadow, err := b.r.PinShadow("limits")
		if err != nil {
			t.Fatal(err)
		}
		for range plugins.BreakerFaults {
			for _, v := range []*plugins.Version{active, shadow} {
				if _, err := ask(v, 2); !errors.Is(err, plugins.ErrFault) {
					t.Fatal(err)
				}
			}
		}
		if err := b.r.Promote("limits"); !errors.Is(err, plugins.ErrState) || !strings.Contains(err.Error(), "in quarantine") {
			t.Errorf("promoted out of quarantine: %v", err)
		}
		for _, want := range []plugins.State{plugins.StateQuarantined, plugins.StateShadow} {
			if err := b.r.Unquarantine("limits"); err != nil {
				t.Fatal(err)
			}
			if active.State() != plugins.StateActive || shadow.State() != want {
				t.Errorf("%v and %v, want active and %v", active.State(), shadow.State(), want)
			}
		}
		active.Unpin()
		shadow.Unpin()
	}
}

func TestShadowAndPromote(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	if err := b.load(t, "1.0.0", "good", nil); err != nil {
		t.Fatal(err)
	}
	if err := b.r.Promote("limits"); !errors.Is(err, plugins.ErrState) {
		t.Error(err)
	}
	if err := b.load(t, "2.0.0", "good", func(m *plugins.Manifest) { m.Policy.Mode = "shadow" }); err != nil {
		t.Fatal(err)
	}
	v, err := b.r.PinShadow("limits")
	if err != nil || v.State() != plugins.StateShadow {
		t.Fatal(v, err)
	}
	v.Unpin()
	if v := b.pin(t); v.Identity().Version != "1.0.0" {
		t.Error("the shadow judges")
	} else {
		v.Unpin()
	}
	if err := b.r.Promote("limits"); err != nil {
		t.Fatal(err)
	}
	if v := b.pin(t); v.Identity().Version != "2.0.0" || v.State() != plugins.StateActive || b.host.open.Load() != 1 {
		t.Error(v.Identity(), v.State(), b.host.open.Load())
	} else {
		v.Unpin()
	}
	if err := b.r.Unload("limits"); err != nil {
		t.Fatal(err)
	}
	if err := b.r.Unload("limits"); !errors.Is(err, plugins.ErrState) {
		t.Error(err)
	}
	if _, err := b.r.Pin("limits"); !errors.Is(err, plugins.ErrState) {
		t.Error(err)
	}
}

// TestReloadUnderLoad reloads while others pin, ask and unpin: nobody meets a unit that was closed, or two versions under one pin.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	if err := b.load(t, "0.0.0", "good", nil); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				v, err := b.r.Pin("limits")
				if err != nil {
					t.Error(err)
					return
				}
				for range 3 {
					if got, err := ask(v, 1); err != nil || got != v.Identity().Version {
						t.Errorf("%s %v", got, err)
					}
				}
				v.Unpin()
			}
		})
	}
	for i := range 300 {
		if err := b.load(t, fmt.Sprintf("1.0.%d", i), "good", nil); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
	if n := b.host.open.Load(); n != 1 {
		t.Errorf("%d units are open", n)
	}
}
