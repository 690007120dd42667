package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/config"
)

// file writes a configuration and returns its path.
func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "engine.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// load fails the test when there is a mistake.
func load(t testing.TB, src config.Sources) *config.Settings {
	t.Helper()
	s, err := config.Load(src)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func value(t testing.TB, s *config.Settings, key string) config.Value {
	t.Helper()
	for _, v := range s.Values() {
		if v.Key == key {
			return v
		}
	}
	t.Fatalf("no value of %s", key)
	return config.Value{}
}

func TestLayers(t *testing.T) {
	t.Parallel()
	path := file(t, "writer:\n  queue_timeout: 3s\n  queue: 7\n  hold: 60ms\n")
	env := []string{"ENGINE_WRITER_QUEUE_TIMEOUT=4s", "ENGINE_WRITER_QUEUE=8", "ENGINE_WAL_SNAPSHOT_AGE=", "HOME=/nowhere"}
	flags := []config.Flag{{Name: "--set", Key: "writer.queue_timeout", Value: "5s"}, {Name: "--again", Key: "writer.queue_timeout", Value: "6s"}}
	s := load(t, config.Sources{File: path, Env: env, Flags: flags})
	w := s.Engine.Writer
	if w.QueueTimeout != 6*time.Second || w.Queue != 8 || w.Hold != 60*time.Millisecond || w.GroupJobs != engine.DefaultConfig("").Writer.GroupJobs {
		t.Errorf("writer: %+v", w)
	}
	for key, want := range map[string]string{
		"writer.queue_timeout": "--again", "writer.queue": "ENGINE_WRITER_QUEUE", "writer.hold": path + ":4", "writer.group_jobs": "default",
		"wal.snapshot_age": "default",
	} {
		if got := value(t, s, key).Origin.String(); got != want {
			t.Errorf("%s comes from %s, want %s", key, got, want)
		}
	}
}

func TestDefaultsAreTheCodes(t *testing.T) {
	t.Parallel()
	s := load(t, config.Sources{})
	want := engine.DefaultConfig(config.DefaultURL)
	want.Telemetry.Store = true
	if !reflect.DeepEqual(s.Engine, want) {
		t.Errorf("got %+v\nwant %+v", s.Engine, want)
	}
	if want := config.DefaultServer(); !reflect.DeepEqual(s.Server, want) {
		t.Errorf("got %+v\nwant %+v", s.Server, want)
	}
	if s.Schema != "none" || s.Engine.Migrations != nil {
		t.Errorf("a schema is forced on whoever sets nothing: %s", s.Schema)
	}
	if s := load(t, config.Sources{Env: []string{"ENGINE_MIGRATIONS=trading"}}); s.Engine.Migrations == nil {
		t.Error("migrations: trading brings none")
	}
}

// inGo lists the fields that no text can fill.
var inGo = []string{"Engine.Rules.Source", "Engine.Alerts.Deliver.Sinks", "Engine.Alerts.Deliver.Endpoints", "Engine.Migrations", "Engine.Extend.Functions", "Engine.Extend.Collations", "Engine.Extend.Modules", "Engine.TracerProvider", "Engine.MeterProvider", "Engine.Trace.Sink", "Engine.Logger",
	"Engine.Migrate.Go", "Engine.Migrate.Components", "Engine.Migrate.Probes", "Engine.Migrate.Progress", "Engine.Migrate.Ended"}

// leaves collects the fields of a struct that hold values, by path.
func leaves(v reflect.Value, path string, out map[string]any) {
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if path != "" {
			name = path + "." + name
		}
		if f := v.Field(i); f.Kind() == reflect.Struct {
			leaves(f, name, out)
		} else {
			out[name] = f.Interface()
		}
	}
}

func fields(s *config.Settings) map[string]any {
	out := map[string]any{"Schema": s.Schema}
	leaves(reflect.ValueOf(s.Engine), "Engine", out)
	leaves(reflect.ValueOf(s.Server), "Server", out)
	leaves(reflect.ValueOf(s.Plugins), "Plugins", out)
	leaves(reflect.ValueOf(s.Alerts), "Alerts", out)
	return out
}

// keyOf is the key that a field should have.
func keyOf(path string) string {
	path = strings.TrimPrefix(path, "Engine.")
	for from, to := range map[string]string{"Schema": "Migrations", "CacheKiB": "CacheKib", "URL": "Url", "WAL": "Wal", "TLS": "Tls", "OTLP": "Otlp"} {
		path = strings.ReplaceAll(path, from, to)
	}
	var b strings.Builder
	for i, r := range path {
		if unicode.IsUpper(r) && i > 0 && path[i-1] != '.' {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// trustedKey is a public key as it is written.
const trustedKey = "ops=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

// another returns a text that is right and not the default.
func another(v config.Value) string {
	for from, to := range map[string]string{"true": "false", "false": "true", "none": "trading", "full": "hash", "durable": "relaxed", "string": "number", "shape": "hash"} {
		if v.Text == from {
			return to
		}
	}
	switch {
	case v.Key == "server.listen":
		return "[::1]:1"
	case v.Key == "server.token_file" || v.Key == "server.hosts":
		return "other"
	case v.Key == "server.otlp.endpoint":
		return "https://collector.example:4318"
	case v.Key == "plugins.trusted_keys":
		return trustedKey
	case v.Key == "tenants.quotas":
		return "desk in_flight=1 queued=2 share=3"
	case v.Key == "plugins.builtin":
		return `[{"config":{"max_rows":5},"policy":"dailylimits"}]`
	case v.Key == "rules.checks":
		return `[{"table":"trades","check":"side IN ('B', 'S')","message":"one of B, S"}]`
	case v.Key == "alerts.rules":
		return `[{"name":"Big","when":"max(sqlite.file.size) > 1GB","severity":"info","title":"a, b"}]`
	case v.Key == "alerts.sinks":
		return `[{"name":"log","kind":"log","least":"warning","repeat":"1m","heartbeat":"1h30m","settings":{"resolved":false}}]`
	case v.Key == "alerts.endpoints":
		return `[{"name":"ops","url":"https://ops.example/a?b=c&d","headers":{"x-team":"fx"},"headers_from":{"authorization":"OPS"},"key_from":"OPS_KEY","insecure":true,"timeout":"5s"}]`
	case v.Key == "alerts.deliver.first_delay":
		return "2s"
	case v.Key == "alerts.off":
		return "WriterBusy"
	case v.Key == "alerts.limits":
		return "SignalLatencyHigh > 80ms resolve < 60ms for 2m,ErrorRate > 2%"
	case v.Key == "url":
		return "sqlite://"
	case v.Key == "wal.soft": // their order must hold
		return "15MiB"
	case v.Key == "wal.hard":
		return "63MiB"
	case v.Key == "telemetry.interval": // it divides a minute
		return "5s"
	case strings.HasSuffix(v.Key, ".cache_kib"):
		return "100"
	}
	return "9" + v.Text // a larger number, whatever its unit
}

// Every field that a text can fill has a setting, it fills that field alone, and its key follows from the field's name: whoever adds a
// field to engine.Config adds it to the table.
func TestEveryFieldHasSetting(t *testing.T) {
	t.Parallel()
	base := load(t, config.Sources{})
	before, filled := fields(base), map[string]bool{}
	for _, v := range base.Values() {
		if v.Doc == "" {
			t.Errorf("%s: nothing says what it means", v.Key)
		}
		set := another(v)
		flags := []config.Flag{{Name: "--set", Key: v.Key, Value: set}}
		if strings.HasPrefix(v.Key, "server.tls.") { // the two only go together
			flags = []config.Flag{{Name: "--set", Key: "server.tls.cert", Value: "a"}, {Name: "--set", Key: "server.tls.key", Value: "b"}}
		}
		for _, one := range base.Values() { // one of a pair would follow
			if from, name, ok := strings.Cut(v.Key, ".slow."); ok && one.Key != v.Key && strings.HasSuffix(one.Key, ".slow."+name) && from != "" {
				flags = append(flags, config.Flag{Name: "--set", Key: one.Key, Value: one.Text})
			}
		}
		partners := len(flags) - 1
		if strings.HasPrefix(v.Key, "server.tls.") {
			partners = 0 // its other half has changed as well
		}
		if v.Key == "plugins.require_signature" { // it means nothing without a key
			flags = append(flags, config.Flag{Name: "--set", Key: "plugins.trusted_keys", Value: trustedKey})
		}
		s := load(t, config.Sources{Flags: flags})
		var changed []string
		for path, now := range fields(s) {
			if !reflect.DeepEqual(now, before[path]) && !slices.Contains(inGo, path) {
				changed = append(changed, keyOf(path))
				filled[path] = true
			}
		}
		if !slices.Contains(changed, v.Key) || len(changed) != len(flags)-partners {
			t.Errorf("%s=%s changed %v", v.Key, set, changed)
		}
		flags[0].Value = value(t, s, flags[0].Key).Text
		if again := load(t, config.Sources{Flags: flags}); !reflect.DeepEqual(again.Engine, s.Engine) || !reflect.DeepEqual(again.Server, s.Server) || !reflect.DeepEqual(again.Alerts, s.Alerts) {
			t.Errorf("%s=%s is shown as %q, which means something else", v.Key, set, flags[0].Value)
		}
	}
	for path := range before {
		if !filled[path] && !slices.Contains(inGo, path) {
			t.Errorf("no setting fills %s: add %s to the table", path, keyOf(path))
		}
	}
}

// Two keys must not share a variable: that is all that makes underscores in keys safe.
func TestVariables(t *testing.T) {
	t.Parallel()
	have := map[string]string{}
	for _, v := range load(t, config.Sources{}).Values() {
		name := config.Variable(v.Key)
		if other, taken := have[name]; taken || name == config.FileVariable || name == "ENGINE_DB" {
			t.Errorf("%s is the variable of %s and %s", name, v.Key, other)
		}
		have[name] = v.Key
	}
	if config.Variable("writer.queue_timeout") != "ENGINE_WRITER_QUEUE_TIMEOUT" {
		t.Errorf("got %s", config.Variable("writer.queue_timeout"))
	}
}
