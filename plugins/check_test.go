package plugins_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/sdk/contract"
)

// changed is the good manifest with one part replaced.
func changed(t *testing.T, from, to string) (*plugins.Manifest, error) {
	t.Helper()
	if !strings.Contains(good, from) {
		t.Fatalf("the good manifest has no %q", from)
	}
	return plugins.ParseManifest([]byte(strings.Replace(good, from, to, 1)))
}

// TestLimitsOfAManifest: the largest value that is allowed is taken, and one more is not.
func TestLimitsOfAManifest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, form string
		most       int64
	}{
		{"fuel: 5", "fuel: %d", plugins.MaxFuel},
		{"fuel_per_row: 6", "fuel_per_row: %d", plugins.MaxFuel / 1000},
		{"memory_pages: 7", "memory_pages: %d", plugins.MaxMemoryPages},
		{"deadline: 8ms", "deadline: %dns", int64(plugins.MaxDeadline)},
		{"instances: 9", "instances: %d", plugins.MaxInstances},
		{"max_rows: 5", "max_rows: %d", 10_000},
		{"max_bytes: 1000", "max_bytes: %d", 1 << 30},
	} {
		if _, err := changed(t, c.from, fmt.Sprintf(c.form, c.most)); err != nil {
			t.Errorf("%s with %d: %v", c.from, c.most, err)
		}
		for _, bad := range []int64{c.most + 1, -1} {
			if _, err := changed(t, c.from, fmt.Sprintf(c.form, bad)); !errors.Is(err, plugins.ErrManifest) {
				t.Errorf("%s with %d: %v", c.from, bad, err)
			}
		}
	}
}

// TestLimitsThatAreSet: what a manifest says is what holds, and only what it leaves out is filled in.
func TestLimitsThatAreSet(t *testing.T) {
	t.Parallel()
	set := plugins.Limits{Fuel: 1, FuelPerRow: 2, MemoryPages: 3, Deadline: 4, Instances: 5}
	if got := set.WithDefaults(9); got != set {
		t.Errorf("%+v", got)
	}
	want := plugins.Limits{Fuel: 2_000_000, FuelPerRow: 20_000, MemoryPages: 256, Deadline: plugins.Duration(20 * time.Millisecond), Instances: 9}
	if got := (plugins.Limits{}).WithDefaults(9); got != want {
		t.Errorf("%+v", got)
	}
}

// TestSmallMistakesOfAManifest: each is refused by itself.
func TestSmallMistakesOfAManifest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to, want string }{
		{"deadline: 8ms", "deadline: 8", "no duration such as 20ms"},
		{"deadline: 8ms", "deadline: soon", "no duration such as 20ms"},
		{"on: validate, ", "", "hooks[0].on: say validate"},
		{"table: orders, ", "", "hooks[0].table"},
		{"columns: [id, qty]", "columns: []", "hooks[0].columns"},
		{"config: {max: 10}", "config: {max: 1.5}", "config.max"},
		{"config: {max: 10}", "config: {max: '10'}", "config.max"},
		{"config: {max: 10}", "config: {max: true}", "config.max"},
		{"config: {max: 10}", "config: {}", "config.max: missing"},
		{"log: true", "metric_add: [{name: Rows Seen}]", "capabilities.metric_add[0].name"},
		{"log: true", "metric_add: [{name: seen}, {name: seen}]", "capabilities.metric_add[1].name"},
		{"log: true", "metric_add: [{name: " + strings.Repeat("a", 65) + "}]", "capabilities.metric_add[0].name"},
		{"log: true", "metric_add: [{name: seen, kind: histogram}]", "capabilities.metric_add[0].kind"},
	} {
		if _, err := changed(t, c.from, c.to); !errors.Is(err, plugins.ErrManifest) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.to, err, c.want)
		}
	}
	for _, good := range [][2]string{{"config: {max: 10}", "config: {max: 2.0}"}, {"log: true", "metric_add: [{name: " + strings.Repeat("a", 64) + ", kind: gauge}]"}} {
		if _, err := changed(t, good[0], good[1]); err != nil {
			t.Errorf("%s: %v", good[1], err)
		}
	}
}

// TestRangesOfTheEngine: a plug-in is loaded where all parts of its range hold, at their edges too; the engine here is 0.5.0.
func TestRangesOfTheEngine(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	for engine, fits := range map[string]bool{
		"": true, ">=0.5": true, ">=0.5.0": true, ">=0.5.1": false, ">0.5": false, ">0.4.9": true, "<=0.5.0": true, "<=0.4": false, "<0.5": false, "<0.5.1": true, "=0.5": true, "0.5.0": true, "=0.5.1": false,
		"0.4": false, "=0.6": false, ">=0.1 <0.5": false, ">=0.1 <1": true, ">=0.6 <1": false, ">=1": false, "<1": true, ">0.5 <1": false,
	} {
		err := b.load(t, "1.0.0", "good", func(m *plugins.Manifest) { m.Engine = engine })
		if (err == nil) != fits || err != nil && !strings.Contains(err.Error(), "does not take this engine") {
			t.Errorf("%q: %v", engine, err)
		}
	}
}

// TestSignatureIsAskedFor: where the registry wants signatures nothing comes into service without a good one, and where it knows keys a bad one keeps it out.
func TestSignatureIsAskedFor(t *testing.T) {
	t.Parallel()
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(id string, key ed25519.PrivateKey, after func(*plugins.Manifest)) func(*plugins.Manifest) {
		return func(m *plugins.Manifest) {
			if err := m.Sign(id, key); err != nil {
				t.Fatal(err)
			}
			if after != nil {
				after(m)
			}
		}
	}
	for _, c := range []struct {
		name              string
		require, optional bool // it comes into service where signatures are asked for, and where they are not
		change            func(*plugins.Manifest)
	}{
		{"none", false, true, nil},
		{"good", true, true, sign("ops", key, nil)},
		{"of a stranger", false, false, sign("stranger", stranger, nil)},
		{"of a stranger under a known name", false, false, sign("ops", stranger, nil)},
		{"changed afterwards", false, false, sign("ops", key, func(m *plugins.Manifest) { m.Policy.OnError = "allow" })},
	} {
		for _, require := range []bool{true, false} {
			b := newBed(t)
			b.r = plugins.NewRegistry(plugins.Options{Hosts: map[string]plugins.Host{"wasm": b.host}, Engine: [3]int{0, 5, 0}, RequireSignature: require, TrustedKeys: map[string]ed25519.PublicKey{"ops": pub}})
			want := c.optional
			if require {
				want = c.require
			}
			err := b.load(t, "1.0.0", "good", c.change)
			v, in := b.r.Pin("limits")
			if (err == nil) != want || (in == nil) != want {
				t.Errorf("%s, asked for %v: %v, in service: %v", c.name, require, err, in == nil)
			}
			if in == nil {
				v.Unpin()
			}
		}
	}
}

// TestRulesOfHooks: a hook is a rule of the operations that it names, of all where it names none, with its columns, its moment and its number.
func TestRulesOfHooks(t *testing.T) {
	t.Parallel()
	all := contract.OnInsert | contract.OnUpdate | contract.OnDelete
	for _, c := range []struct {
		ops  []string
		want contract.Ops
	}{
		{nil, all}, {[]string{"insert"}, contract.OnInsert}, {[]string{"update"}, contract.OnUpdate}, {[]string{"delete"}, contract.OnDelete},
		{[]string{"insert", "delete"}, contract.OnInsert | contract.OnDelete}, {[]string{"delete", "update", "insert"}, all},
	} {
		b := newBed(t)
		err := b.load(t, "1.0.0", "good", func(m *plugins.Manifest) {
			m.Hooks = append(m.Hooks, plugins.HookSpec{On: "retain", Table: "old", Columns: []string{"x"}}, plugins.HookSpec{On: "validate", Table: "trades", Columns: []string{"a", "b"}, Ops: c.ops, When: "commit"})
			m.Policy.OnError = "allow"
		})
		if err != nil {
			t.Fatal(err)
		}
		held := b.r.Acquire()
		list := held.List
		held.Release()
		if len(list) != 2 || list[0].Ops != all || list[0].Schema != 0 || list[0].When != contract.AtStatement {
			t.Fatalf("%+v", list)
		}
		if r := list[1]; r.Ops != c.want || r.Schema != 2 || r.Table != "trades" || r.When != contract.AtCommit || !r.Allow || r.Shadow || strings.Join(r.Columns, " ") != "a b" {
			t.Errorf("%v: %+v", c.ops, r)
		}
	}
}

// TestRulesAreHeld: a version that a transaction was promised is not closed before the transaction lets go of it, however often it is replaced meanwhile.
func TestRulesAreHeld(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	if err := b.load(t, "1.0.0", "good", nil); err != nil {
		t.Fatal(err)
	}
	first, second := b.r.Acquire(), b.r.Acquire()
	for i := range 3 {
		if err := b.load(t, fmt.Sprintf("2.0.%d", i), "good", nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.host.open.Load(); n != 2 {
		t.Errorf("%d units are open, want the one that is held and the one in service", n)
	}
	first.Release()
	if n := b.host.open.Load(); n != 2 {
		t.Errorf("%d units are open while one transaction holds the first version", n)
	}
	second.Release()
	if n := b.host.open.Load(); n != 1 {
		t.Errorf("%d units are open when nobody holds the first version", n)
	}
	last := b.r.Acquire()
	if err := b.r.Unload("limits"); err != nil {
		t.Fatal(err)
	}
	if now := b.r.Acquire(); len(now.List) != 0 || now.Generation <= last.Generation || b.host.open.Load() != 1 {
		t.Errorf("%+v, %d open", now, b.host.open.Load())
	} else {
		now.Release()
	}
	last.Release()
}

// TestCleanText: what a plug-in says cannot break a line of a log, nor a screen.
func TestCleanText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"as it is, ä €": "as it is, ä €", "a\nb\r\tc\x00": "a b  c ", "\x1b[31mred": " [31mred", "x\u2028y\u2029z\u0085": "x y z ", "bad \xff": "bad \uFFFD", "": "",
	} {
		if got := plugins.Clean([]byte(in), 100); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := plugins.Clean([]byte(strings.Repeat("ä", 100)), 11); got != strings.Repeat("ä", 5) {
		t.Errorf("%q", got)
	}
}
