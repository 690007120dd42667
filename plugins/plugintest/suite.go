package plugintest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/builtin"
	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/plugins/wasm/wasmtest"
	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/sdktest"
)

// Policy is a plug-in in Go and its cases.
type Policy struct {
	// Dir holds plugin.yaml, whose module and sha256 the suite replaces.
	Dir string
	// Main is the folder of the package main that calls sdk.Export; "" is Dir/wasm.
	Main string
	// New makes the value that main exports.
	New func() any
	// Cases are run on both; the cases of plugin.yaml and batches of nonsense are besides.
	Cases []Case
}

// Case is one configuration and what is asked of it.
type Case struct {
	// Name of the subtest.
	Name string
	// Config is the configuration as a JSON object; "" is that of plugin.yaml.
	Config string
	// Lookups answer the queries of plugin.yaml by their names.
	Lookups []sdktest.Lookup
	// Refuses is a part of what the plug-in says of the configuration; "": it must take it.
	Refuses string
	// Test asks and checks. It runs once for each of the two, and must ask the same both times.
	Test func(t *testing.T, h *sdktest.Harness)
}

// Manifest reads dir/plugin.yaml as it would be packed with this module; nil is the built-in.
func Manifest(t testing.TB, dir, module string, wasm []byte) *plugins.Manifest {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "plugin.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := plugins.ParseManifest(raw)
	if err != nil {
		t.Fatal(err)
	}
	m.Module, m.SHA256, m.Kind = module, "", plugins.KindBuiltin
	if wasm != nil {
		sum := sha256.Sum256(wasm)
		m.SHA256, m.Kind = hex.EncodeToString(sum[:]), ""
	}
	m.Limits.Deadline = plugins.Duration(plugins.MaxDeadline) // fuel bounds the work; how busy the machine is, is not what is tested
	return m
}

// suite is a policy with its two forms.
type suite struct {
	p      Policy
	module []byte
	cache  string
}

// Run runs the suite.
func Run(t *testing.T, p Policy) {
	t.Helper()
	if p.Main == "" {
		p.Main = filepath.Join(p.Dir, "wasm")
	}
	s := &suite{p: p, module: wasmtest.Go(t, p.Main), cache: filepath.Join(t.TempDir(), "cache")}
	t.Run("manifest", s.manifestTests)
	for _, c := range p.Cases {
		t.Run(c.Name, func(t *testing.T) { s.both(t, c) })
	}
	t.Run("nonsense", s.nonsense)
	t.Run("receipts", s.receipts)
}

// form is one of the two.
type form struct {
	name string
	m    *plugins.Manifest
	unit plugins.Unit
	w    *sdktest.World
	log  []said
}

// said is one question with its answer; the questions must be the same, too.
type said struct {
	Hook, Batch, Err string
	Records          []abi.Record
}

// String is the beginning of it: of thousands of records the first ones say enough.
func (s said) String() string {
	return fmt.Sprintf("%s of %.12s: %d records, %q, first %.800s", s.Hook, s.Batch, len(s.Records), s.Err, fmt.Sprintf("%+v", s.Records))
}

// open loads both forms with a configuration; errs holds what a form said where it refused.
func (s *suite) open(t *testing.T, c Case) (forms []*form, setup *sdktest.Setup, errs []error) {
	t.Helper()
	for _, name := range []string{"built-in", "wasm"} {
		f := &form{name: name}
		var module []byte
		file := "policy"
		if name == "wasm" {
			module, file = s.module, "policy.wasm"
		}
		f.m = Manifest(t, s.p.Dir, file, module)
		var err error
		if f.m, err = configured(f.m, c.Config); err != nil {
			errs = append(errs, err)
			continue
		}
		setup = s.setup(t, f.m, c)
		f.w = sdktest.NewWorld(setup)
		services := plugins.Services{Log: world{f.w}, Metrics: world{f.w}, Lookup: world{f.w}, KV: world{f.w}, Outbox: outbox{f.w}}
		var host plugins.Host = builtin.New(map[string]func() any{file: s.p.New}, services)
		if module != nil {
			w, err := wasm.New(wasm.Options{CacheDir: s.cache, Services: services})
			if err != nil {
				t.Fatal(err)
			}
			host = w
		}
		doc, err := f.m.Document()
		if err != nil {
			t.Fatal(err)
		}
		f.unit, err = host.Load(context.Background(), plugins.Source{Manifest: f.m, Module: module, Config: doc})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		t.Cleanup(func() {
			if err := f.unit.Close(); err != nil {
				t.Error(err)
			}
		})
		forms = append(forms, f)
	}
	return forms, setup, errs
}

// configured is the manifest with another configuration, checked as if it had been written there.
func configured(m *plugins.Manifest, config string) (*plugins.Manifest, error) {
	if config == "" {
		return m, nil
	}
	dec := json.NewDecoder(strings.NewReader(config))
	dec.UseNumber()
	m.Config = nil
	if err := dec.Decode(&m.Config); err != nil {
		return nil, err
	}
	m.Config, _ = plugins.PlainNumbers(m.Config).(map[string]any)
	deadline := m.Limits.Deadline
	raw, err := m.SignedBytes()
	if err != nil {
		return nil, err
	}
	_, raw, _ = bytes.Cut(raw, []byte("\n")) // the line that tells what is signed
	if m, err = plugins.ParseManifest(raw); err != nil {
		return nil, err
	}
	m.Limits.Deadline = deadline
	return m, nil
}

// setup is what the harness has to know of the manifest.
func (s *suite) setup(t *testing.T, m *plugins.Manifest, c Case) *sdktest.Setup {
	t.Helper()
	setup := &sdktest.Setup{Endpoints: m.Capabilities.Outbox}
	for i, h := range m.Hooks {
		setup.Hooks = append(setup.Hooks, sdk.Hook{ID: i, On: h.On, Table: h.Table, When: h.When, Columns: h.Columns})
	}
	left := len(c.Lookups)
next:
	for _, q := range m.Capabilities.Lookup {
		for _, l := range c.Lookups {
			if l.Name == q.Name {
				setup.Lookups = append(setup.Lookups, l)
				left--
				continue next
			}
		}
		setup.Lookups = append(setup.Lookups, sdktest.Lookup{Name: q.Name, Answer: func([]any) ([]sdktest.Row, error) {
			return nil, fmt.Errorf("the case has no answer for the query %s", q.Name)
		}})
	}
	if left > 0 {
		t.Fatal("the case answers a query that plugin.yaml does not declare")
	}
	return setup
}

// both runs a case on the two forms and compares all that they said.
func (s *suite) both(t *testing.T, c Case) {
	t.Helper()
	forms, setup, errs := s.open(t, c)
	if c.Refuses != "" {
		if len(errs) != 2 {
			t.Fatalf("%d of 2 refuse the configuration (%v), want %q", len(errs), errs, c.Refuses)
		}
		for _, err := range errs {
			if !strings.Contains(err.Error(), c.Refuses) {
				t.Errorf("the configuration is refused with %v, want %q", err, c.Refuses)
			}
		}
		if reason(errs[0]) != reason(errs[1]) {
			t.Errorf("built-in: %v; wasm: %v", errs[0], errs[1])
		}
		return
	}
	if len(errs) > 0 {
		t.Fatal(errors.Join(errs...))
	}
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) { c.Test(t, sdktest.With(t, setup, f.w, f)) })
	}
	compare(t, forms[0], forms[1])
}

func compare(t testing.TB, a, b *form) {
	t.Helper()
	if len(a.log) != len(b.log) {
		t.Errorf("the %s was asked %d times, the other %d times", a.name, len(a.log), len(b.log))
	}
	for i := range min(len(a.log), len(b.log)) {
		if !reflect.DeepEqual(a.log[i], b.log[i]) {
			t.Errorf("question %d\n%s: %s\n%s: %s", i, a.name, a.log[i], b.name, b.log[i])
		}
	}
	one, two := sdktest.With(t, nil, a.w, a), sdktest.With(t, nil, b.w, b)
	if !reflect.DeepEqual(one.Posts(), two.Posts()) {
		t.Errorf("messages for the outbox differ:\n%q\n%q", one.Posts(), two.Posts())
	}
	if !reflect.DeepEqual(one.Log(), two.Log()) {
		t.Errorf("lines of log differ:\n%q\n%q", one.Log(), two.Log())
	}
	for _, m := range a.m.Capabilities.MetricAdd {
		if x, y := one.Counter(m.Name), two.Counter(m.Name); x != y {
			t.Errorf("%s counted %v of %s, %s %v", a.name, x, m.Name, b.name, y)
		}
	}
	if one.Lookups() != two.Lookups() {
		t.Errorf("%s asked %d queries, %s %d", a.name, one.Lookups(), b.name, two.Lookups())
	}
}

// Ask implements sdktest.Asker.
func (f *form) Ask(on string, b *abi.Batch, at time.Time) (sdktest.Answer, error) {
	raw, err := b.Append(nil)
	if err != nil {
		return sdktest.Answer{}, err
	}
	sum := sha256.Sum256(raw)
	q := said{Hook: on, Batch: hex.EncodeToString(sum[:])}
	out, err := f.unit.Call(context.Background(), hookOf(on), b, at)
	if err != nil {
		q.Err = reason(err)
	}
	q.Records = bytesOf(out.Verdicts)
	f.log = append(f.log, q)
	return sdktest.Answer{Records: out.Verdicts, Fuel: out.Fuel}, err
}

// bytesOf copies records, since who gets them may sort them; nil and empty are the same.
func bytesOf(r []abi.Record) []abi.Record { return append([]abi.Record(nil), r...) }

func hookOf(on string) plugins.Hook {
	switch on {
	case "retain":
		return plugins.HookRetain
	case "notify":
		return plugins.HookNotify
	}
	return plugins.HookValidate
}

// reason is how a plug-in failed; how a trap is told differs, that it is one does not.
func reason(err error) string {
	var f *plugins.Fault
	if !errors.As(err, &f) {
		return err.Error()
	}
	if f.Kind == plugins.FaultTrap {
		return f.Kind.String()
	}
	return f.Kind.String() + ": " + f.Reason
}

// world lets a host ask the world of a test.
type world struct{ *sdktest.World }

func (w world) Log(_ context.Context, _ string, level uint32, text string) { w.World.Log(level, text) }

func (w world) Add(_ context.Context, _, name string, delta float64) { w.Count(name, delta) }

func (w world) Lookup(_ context.Context, _ string, query int, args abi.Rows) ([]byte, error) {
	return w.Answer(query, args)
}

func (w world) Get(_ context.Context, _, key string) ([]byte, bool, error) {
	v, ok := w.World.Get(key)
	return bytes.Clone(v), ok, nil
}

func (w world) Put(_ context.Context, _, key string, value []byte) (bool, error) {
	w.World.Put(key, append([]byte{}, value...))
	return true, nil
}

func (w world) Delete(_ context.Context, _, key string) error {
	w.World.Put(key, nil)
	return nil
}

// outbox is the outbox of the world; its Put is another than that of the keys.
type outbox struct{ w *sdktest.World }

func (o outbox) Put(_ context.Context, _, endpoint string, body []byte) (bool, error) {
	return o.w.Post(endpoint, body)
}
