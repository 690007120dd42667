package config_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/config"
)

// mistakes loads and returns what is wrong, a line each.
func mistakes(t testing.TB, src config.Sources) []string {
	t.Helper()
	s, err := config.Load(src)
	if err == nil {
		return nil
	}
	var wrong *config.Error
	if s != nil || !errors.As(err, &wrong) || !errors.Is(err, engine.ErrConfig) {
		t.Fatalf("settings %v, error %T %v", s != nil, err, err)
	}
	var lines []string
	for _, m := range wrong.Mistakes {
		lines = append(lines, m.String())
	}
	return lines
}

func expect(t *testing.T, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("missing: %s", want[i])
		case i >= len(want):
			t.Errorf("too much: %s", got[i])
		case got[i] != want[i]:
			t.Errorf("line %d\n got %s\nwant %s", i+1, got[i], want[i])
		}
	}
}

func TestMistakesAllAtOnce(t *testing.T) {
	t.Parallel()
	path := file(t, `url: postgres://user:secret@host/db
writer:
  queue_timout: 3s
  hold: 50
  durability: fsync
  group_jobs: many
  queue: 0
readers: fast
wal:
  soft: 64MB
  hard: 1KiB
  cap: 10 parsecs
analitics:
  slots: 1
server:
  listen: 0.0.0.0:80
  hosts: {a: b}
  limits:
    rows: 1
    rows: 2
    body: 12
server.drain: 5s
create:
`)
	env := []string{"ENGINE_WRITER_GROUP_TIMES=1ms", "ENGINE_TOKEN=secret", "ENGINE_CREATE=yes", "ENGINE_DB=a.db", "ENGINE_URL=b.db"}
	flags := []config.Flag{{Name: "--set", Key: "queue-timeout", Value: "secret"}, {Name: "--set", Key: "wal.snapshot_age", Value: "-1s"}}
	at := func(line, text string) string { return path + ":" + line + ": " + text }
	expect(t, mistakes(t, config.Sources{File: path, Env: env, Flags: flags}), []string{
		at("3", "writer.queue_timout: there is no such setting; did you mean writer.queue_timeout?"),
		at("4", `writer.hold: "50" needs a unit: ns, us, ms, s, m or h`),
		at("5", "writer.durability: must be one of durable, relaxed"),
		at("6", `writer.group_jobs: "many" is not a whole number`),
		at("8", "readers: is a section: its settings belong on lines of their own below it"),
		at("12", `wal.cap: "10 parsecs": there is no unit "parsecs": use B, KiB, MiB, GiB, kB, MB or GB`),
		at("13", "analitics: there is no such setting; did you mean analytics?"),
		at("17", "server.hosts: must be a list, as in: [a, b]"),
		at("20", "server.limits.rows: is set on line 19 already"),
		at("21", `server.limits.body: "12" needs a unit: B, KiB, MiB, GiB, kB, MB or GB`),
		at("22", "server.drain: is written with a dot: put drain below its section"),
		at("23", "create: has no value: give it one, or take the line out to have the default"),
		"ENGINE_CREATE: create: must be true or false",
		"ENGINE_TOKEN: no setting has this variable; did you mean ENGINE_SERVER_TOKEN_FILE?",
		"ENGINE_URL: url: differs from ENGINE_DB, which sets the same: set one of them",
		"ENGINE_WRITER_GROUP_TIMES: no setting has this variable; did you mean ENGINE_WRITER_GROUP_TIME?",
		"--set: queue-timeout: there is no such setting; did you mean writer.queue_timeout?",
		at("7", "writer.queue: must be positive, got 0"),
		"--set: wal.snapshot_age: must be positive, got -1s",
		at("16", "server.listen: can be reached from other machines, where the token would travel in the clear: set server.tls.cert and server.tls.key, or listen on 127.0.0.1"),
	})
}

// A number that cannot work is refused under the key that set it, whichever it is.
func TestZeroIsRefused(t *testing.T) {
	t.Parallel()
	for _, v := range load(t, config.Sources{}).Values() {
		zero := map[bool]string{true: "0" + strings.TrimLeft(v.Text, "0123456789"), false: ""}[v.Text != "" && v.Text[0] >= '0' && v.Text[0] <= '9']
		switch {
		case zero == "", v.Key == "server.listen", v.Key == "server.drain.delay":
			continue
		case strings.HasSuffix(v.Key, ".queue_target"), strings.HasPrefix(v.Key, "tenants."), v.Key == "rules.keep", v.Key == "alerts.deliver.attempts", strings.HasPrefix(v.Key, "trace."), strings.HasPrefix(v.Key, "telemetry.slow."), strings.HasPrefix(v.Key, "health."): // zero is no bound, less is a mistake
			zero = "-1" + strings.TrimPrefix(zero, "0")
			if got := mistakes(t, config.Sources{Flags: []config.Flag{{Name: "--set", Key: v.Key, Value: zero}}}); len(got) == 0 || !strings.Contains(got[0], "must not be negative") {
				t.Errorf("%s=%s: %q", v.Key, zero, got)
			}
			continue
		}
		got := mistakes(t, config.Sources{Flags: []config.Flag{{Name: "--set", Key: v.Key, Value: zero}}})
		if len(got) == 0 || !strings.HasPrefix(got[0], "--set: ") || !strings.Contains(strings.Join(got, "\n"), v.Key+": must be positive") && !strings.HasPrefix(v.Key, "wal.") {
			t.Errorf("%s=%s: %q", v.Key, zero, got)
		}
	}
}

// TestQuotas: quotas are texts in every layer, and what is wrong with one is said.
func TestQuotas(t *testing.T) {
	t.Parallel()
	want := []engine.Quota{{Tenant: "desk-a", InFlight: 8, Queued: 100, Share: 2}, {Tenant: "desk-b", Queued: 5}}
	path := file(t, "tenants:\n  quotas:\n    - desk-a in_flight=8 queued=100 share=2\n    - desk-b queued=5\n")
	for _, src := range []config.Sources{{File: path}, {Env: []string{"ENGINE_TENANTS_QUOTAS=desk-a in_flight=8 queued=100 share=2, desk-b queued=5"}}} {
		if got := load(t, src).Engine.Tenants.Quotas; !slices.Equal(got, want) {
			t.Errorf("%+v", got)
		}
	}
	for text, says := range map[string]string{"desk-a": "write it as", "desk-a speed=3": "none of in_flight", "queued=3 share=1": "write it as",
		"desk-a queued=many": "none of in_flight", "a queued=1, a queued=2": "two quotas", "a share=-1": "negative"} {
		got := mistakes(t, config.Sources{Flags: []config.Flag{{Name: "--set", Key: "tenants.quotas", Value: text}}})
		if len(got) != 1 || !strings.Contains(got[0], says) {
			t.Errorf("%s: %q", text, got)
		}
	}
}

func TestContradictions(t *testing.T) {
	t.Parallel()
	path := file(t, "wal:\n  soft: 2GiB\n")
	const open = "can be reached from other machines, where the token would travel in the clear: set server.tls.cert and server.tls.key, or listen on 127.0.0.1"
	for name, c := range map[string]struct {
		src  config.Sources
		want []string
	}{
		"log": {config.Sources{File: path}, []string{path + ":2: wal: soft ≤ hard ≤ cap must hold, got 2147483648, 67108864, 268435456"}},
		"cache": {config.Sources{Env: []string{"ENGINE_READERS_MEMORY=4MiB"}},
			[]string{"readers.cache_kib: must be positive and at most half of the lane's memory"}},
		"every address": {config.Sources{Env: []string{"ENGINE_SERVER_LISTEN=:7420"}},
			[]string{"ENGINE_SERVER_LISTEN: server.listen: " + open, "server.hosts: must name the hosts that clients call when server.listen takes every address"}},
		"name": {config.Sources{Env: []string{"ENGINE_SERVER_LISTEN=db.example.com:7420"}}, []string{"ENGINE_SERVER_LISTEN: server.listen: " + open}},
		"half a certificate": {config.Sources{Env: []string{"ENGINE_SERVER_TLS_CERT=a.pem"}},
			[]string{"ENGINE_SERVER_TLS_CERT: server.tls: cert and key go together: set both or none"}},
		"socket with certificate": {config.Sources{Env: []string{"ENGINE_SERVER_LISTEN=unix:/run/s", "ENGINE_SERVER_TLS_CERT=a", "ENGINE_SERVER_TLS_KEY=b"}},
			[]string{"ENGINE_SERVER_TLS_CERT: server.tls: a unix socket is not reached over a network and takes no certificate"}},
		"host with scheme": {config.Sources{Env: []string{"ENGINE_SERVER_HOSTS=a, https://b"}},
			[]string{"ENGINE_SERVER_HOSTS: server.hosts: must be plain host names, without scheme, path or wildcard"}},
		"fine":           {config.Sources{Env: []string{"ENGINE_SERVER_LISTEN=0.0.0.0:1", "ENGINE_SERVER_TLS_CERT=a", "ENGINE_SERVER_TLS_KEY=b", "ENGINE_SERVER_HOSTS=db"}}, nil},
		"the same twice": {config.Sources{Env: []string{"ENGINE_DB=a.db", "ENGINE_URL=a.db"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expect(t, mistakes(t, c.src), c.want)
		})
	}
}

// What somebody may have put in the wrong place is never repeated.
func TestNoSecretInMessages(t *testing.T) {
	t.Parallel()
	for _, src := range []config.Sources{
		{Env: []string{"ENGINE_PASSWORD=hunter2", "ENGINE_DB=postgres://u:hunter2@h/d", "ENGINE_MIGRATIONS=hunter2", "ENGINE_CREATE=hunter2", "ENGINE_SERVER_LISTEN=hunter2"}},
		{File: file(t, "password: hunter2\nserver:\n  token: hunter2\n  token_file: {a: hunter2}\n  integers: hunter2\nurl: [hunter2]\n")},
		{File: file(t, "url: 'hunter2\n")},
		{Flags: []config.Flag{{Name: "--set", Key: "token", Value: "hunter2"}}},
	} {
		lines := mistakes(t, src)
		if len(lines) == 0 || strings.Contains(strings.Join(lines, "\n"), "hunter2") {
			t.Errorf("%q", lines)
		}
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	if got := mistakes(t, config.Sources{File: missing}); len(got) != 1 || !strings.HasPrefix(got[0], missing+": cannot be read: ") {
		t.Errorf("a file that is not there: %q", got)
	}
	for text, want := range map[string]string{
		"":                                           "",
		"# nothing\n":                                "",
		"---\nwriter:\n":                             "",
		"- a\n":                                      ":1: must be a mapping of settings, as in: url: sqlite:///data.db",
		"just words\n":                               ":1: must be a mapping of settings, as in: url: sqlite:///data.db",
		"url: a.db\n---\nx: y":                       ":2: there is a second document in the file: one is read",
		"url: 'a":                                    ": is not YAML: found unexpected end of stream",
		"url: a.db\n\tb: c\n":                        ":2: is not YAML: found a tab character that violates indentation",
		"? [a]\n: b\n":                               ":1: has a key that is no plain word",
		"a: &x {writer: *x}\n":                       ":1: a: there is no such setting",
		"writer: &w\n  queue: 5\nreaders: *w\n":      "",
		"server:\n  hosts: [a, [b]]\n":               ":2: server.hosts: must be a list of plain words",
		"writer:\n  writer: 1\n":                     ":2: writer.writer: there is no such setting; did you mean writer?",
		"# " + strings.Repeat("x", 1<<20):            ": is larger than 1 MiB: is this the configuration?",
		"server: &s\n  listen: :1\n  tls: *s\n":      ":2: server.tls.listen: there is no such setting; did you mean server.listen?",
		"url: a.db\nurl: b.db\n":                     ":2: url: is set on line 1 already",
		"writer:\n  <<: {queue: 5}\n  queue: 6\n":    ":2: writer: has a key that is no plain word",
		"server:\n  hosts: db.example.com, other\n":  "",
		"writer:\n  queue_timeout: 0\n":              `:2: writer.queue_timeout: needs a unit: 0s`,
		"wal:\n  cap: 99999999999GiB\n":              `:2: wal.cap: "99999999999GiB" is larger than any file`,
		"writer:\n  queue: 99999999999999999999\n":   `:2: writer.queue: "99999999999999999999" is not a whole number`,
		"readers: {slots: 3, queue: 9}\nadopt: true": "",
	} {
		path := file(t, text)
		lines := mistakes(t, config.Sources{File: path})
		if want == "" && len(lines) > 0 {
			t.Errorf("%.40q: %q", text, lines)
		}
		if want != "" && (len(lines) == 0 || lines[0] != path+want) {
			t.Errorf("%.40q\n got %q\nwant %s", text, lines, want)
		}
	}
}

// A file of another program does not make a list without end, nor much work: each unknown key is compared with every one there is.
func TestManyMistakes(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&b, "key_%d: 1\n", i)
	}
	if n := len(mistakes(t, config.Sources{File: file(t, b.String())})); n != 100 {
		t.Errorf("%d mistakes, want the first 100", n)
	}
}

// No file makes Load panic, hang, or fail with anything but a list of mistakes.
func FuzzLoad(f *testing.F) {
	f.Add(string(config.Template()))
	f.Add("writer: &w {queue: 5, hold: *w}\n<<: *w\n")
	f.Add("a: &a [*a]\nserver: {tls: {cert: !!binary x}}")
	f.Fuzz(func(t *testing.T, text string) { mistakes(t, config.Sources{File: file(t, text)}) })
}

// TestRowChecks: declared rules are a list of mappings in the file and JSON elsewhere, and what is wrong with one is said.
func TestRowChecks(t *testing.T) {
	t.Parallel()
	want := []engine.RowCheck{{Table: "trades", Expr: "qty > 0", Message: "too few"}, {Table: "orders", Expr: "side IN ('B', 'S')"}}
	path := file(t, "rules:\n  checks:\n    - table: trades\n      check: qty > 0\n      message: too few\n    - {table: orders, check: \"side IN ('B', 'S')\"}\n")
	text := `[{"table":"trades","check":"qty > 0","message":"too few"},{"table":"orders","check":"side IN ('B', 'S')"}]`
	for _, src := range []config.Sources{{File: path}, {Flags: []config.Flag{{Name: "--set", Key: "rules.checks", Value: text}}}} {
		if got := load(t, src).Engine.Rules.Checks; !slices.Equal(got, want) {
			t.Errorf("%+v", got)
		}
	}
	for text, want := range map[string]string{"qty > 0": "must be JSON", `[{"table":"t","chek":"1"}]`: "unknown field", `[] []`: "more than one", `[{"table":"t"}]`: "no expression", `[{"check":"1"}]`: "names no table"} {
		got := mistakes(t, config.Sources{Flags: []config.Flag{{Name: "--set", Key: "rules.checks", Value: text}}})
		if !strings.Contains(strings.Join(got, "; "), want) {
			t.Errorf("%s: %s", text, got)
		}
	}
	for text, want := range map[string]string{"rules:\n  checks: [a]\n": "list of rules", "rules:\n  checks: [{tabel: t}]\n": "knows table, check and message"} {
		if got := mistakes(t, config.Sources{File: file(t, text)}); !strings.Contains(strings.Join(got, "; "), want) {
			t.Errorf("%s: %s", text, got)
		}
	}
}

// TestAlertRules: rules of one's own are a list of mappings in the file and JSON elsewhere, and all that is wrong with rules is said at once, under the keys.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	want := []engine.AlertRule{{Name: "Big", When: "max(sqlite.file.size) > 1GB", Severity: engine.AlertCritical, Title: "big"}, {Name: "Gone", When: "absent(engine.disk.free[5m])", Severity: engine.AlertWarning}}
	path := file(t, "alerts:\n  rules:\n    - name: Big\n      when: max(sqlite.file.size) > 1GB\n      severity: critical\n      title: big\n    - {name: Gone, when: \"absent(engine.disk.free[5m])\"}\n")
	text := `[{"name":"Big","when":"max(sqlite.file.size) > 1GB","severity":"critical","title":"big"},{"name":"Gone","when":"absent(engine.disk.free[5m])"}]`
	for _, src := range []config.Sources{{File: path}, {Flags: []config.Flag{{Name: "--set", Key: "alerts.rules", Value: text}}}} {
		if got := load(t, src).Engine.Alerts.Rules; !slices.Equal(got, want) {
			t.Errorf("%+v", got)
		}
	}
	path = file(t, "alerts:\n  off: [WriterBussy]\n  limits: [\"ErrorRate < 1%\", \"Nothing > 1\", \"ReaderPinned > 1MiB\"]\n  rules:\n    - {name: A, when: max(sqlite.file.sise) > 1GB}\n    - {name: ErrorRate, when: max(sqlite.file.size) > 1GB}\n    - {name: B, when: max(sqlite.file.size) > 1s}\n")
	got := strings.Join(mistakes(t, config.Sources{File: path}), "\n")
	for _, want := range []string{`2: alerts.off: there is no default rule "WriterBussy"`, "3: alerts.limits: ErrorRate: the rule compares the other way round", `3: alerts.limits: there is no default rule "Nothing"`,
		"3: alerts.limits: ReaderPinned: the limit is a size", "4: alerts.rules: A: there is no metric sqlite.file.sise: is sqlite.file.size meant?", "4: alerts.rules: ErrorRate: a default rule has this name",
		"4: alerts.rules: B: the limit is a time"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not said in\n%s", want, got)
		}
	}
	for text, want := range map[string]string{"x": "must be JSON", `[{"nmae":"t"}]`: "unknown field", `[] []`: "more than one", `[{"name":"a","when":"absent(engine.disk.free[5m])","severity":"bad"}]`: "info, warning or critical"} {
		if got := mistakes(t, config.Sources{Flags: []config.Flag{{Name: "--set", Key: "alerts.rules", Value: text}}}); !strings.Contains(strings.Join(got, "; "), want) {
			t.Errorf("%s: %s", text, got)
		}
	}
	for text, want := range map[string]string{"alerts:\n  rules: [a]\n": "list of rules", "alerts:\n  rules: [{nmae: t}]\n": "knows name, when", "alerts:\n  rules: [{name: t, severity: bad}]\n": "info, warning or critical"} {
		if got := mistakes(t, config.Sources{File: file(t, text)}); !strings.Contains(strings.Join(got, "; "), want) {
			t.Errorf("%s: %s", text, got)
		}
	}
}
