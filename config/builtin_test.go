package config_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/config"
	"github.com/tidegate/engine/policies"
)

const limitsFile = `plugins:
  builtin:
    - policy: dailylimits
      name: quota
      hooks: [{on: validate, table: trades, ops: [insert], columns: [account_id, qty]}]
      config: {max_rows: 2}
      tests:
        - {rows: [[1, 1], [1, 1], [1, 1]], expect: [{row: 2, code: 1}]}
`

// opened opens a database under a configuration.
func opened(t *testing.T, text, url string) *config.Opened {
	t.Helper()
	s := load(t, config.Sources{File: file(t, text), Flags: []config.Flag{{Name: "--db", Key: "url", Value: url}}})
	s.Engine.Logger = slog.New(slog.DiscardHandler)
	db, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func exec(t *testing.T, db *config.Opened, sql string) error {
	t.Helper()
	_, err := db.Exec(t.Context(), sql)
	return err
}

// TestBuiltin: a policy of the engine's own is a few lines of the configuration, in the file or elsewhere, and judges like a module.
func TestBuiltin(t *testing.T) {
	t.Parallel()
	db := opened(t, limitsFile, filepath.Join(t.TempDir(), "desk.db"))
	for _, c := range []struct {
		sql  string
		want error
	}{
		{"CREATE TABLE trades (id INTEGER PRIMARY KEY, account_id INTEGER, qty INTEGER) STRICT", nil},
		{"INSERT INTO trades (account_id, qty) VALUES (1, 1), (1, 1)", nil},
		{"INSERT INTO trades (account_id, qty) VALUES (1, 1)", engine.ErrRejected},
	} {
		if err := exec(t, db, c.sql); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.sql, err)
		}
	}
	if l := db.Plugins.List(); len(l) != 1 || l[0].Identity.Name != "quota" || l[0].State.String() != "active" {
		t.Errorf("%+v", l)
	}
	for action, says := range map[string]string{"reload": "plugins.builtin", "load": "plugins.builtin", "promote": "no version in shadow mode", "lift": "not quarantined"} {
		if err := db.Plugins.Act(t.Context(), action, "quota", ""); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", action, err)
		}
	}
	if err := db.Plugins.Act(t.Context(), "reload", "other", ""); err == nil || !strings.Contains(err.Error(), "plugins.dir is not set") {
		t.Error(err)
	}
	set := config.Sources{Flags: []config.Flag{{Name: "--set", Key: "plugins.builtin", Value: `[{"policy":"dailylimits","config":{"max_qty":9007199254740993}}]`}}}
	m, err := load(t, set).Plugins.Builtin[0].Manifest()
	if err != nil || m.Name != "daily-limits" || m.Config["max_qty"] != 9007199254740993 || len(m.Tests) != 0 {
		t.Errorf("%+v, %v", m, err)
	}
	if got := value(t, load(t, set), "plugins.builtin").Text; !strings.Contains(got, "9007199254740993") {
		t.Errorf("it is shown as %s", got)
	}
}

// TestBuiltinMistakes: what is wrong with an entry is told with all other mistakes, ahead of any start.
func TestBuiltinMistakes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"[{policy: nobody, config: {}}]":                                                                 "alertmanager, dailylimits",
		"[{config: {}}]":                                                                                 `policy: "" is none of`,
		"[{policy: dailylimits}]":                                                                        "config is missing",
		"[{policy: dailylimits, config: {max_rows: many}}]":                                              "config.max_rows: not of type integer",
		"[{policy: dailylimits, config: {max_raws: 1}}]":                                                 "config.max_raws: unknown",
		"[{policy: dailylimits, config: {max_rows: 1}, limits: {fuel: 1}}]":                              `unknown key "limits"`,
		"[{policy: dailylimits, config: {max_rows: 1}, mode: perhaps}]":                                  "none of enforce, shadow",
		"[{policy: dailylimits, config: {max_rows: 1}}, {policy: dailylimits, config: {max_rows: 2}}]":   "there are two plug-ins daily-limits",
		"[{policy: dailylimits, config: {max_rows: 1}, hooks: [{on: validate, table: t, colums: [a]}]}]": "unknown field colums",
		"[a]": "must be a list of policies",
		"a":   "must be JSON",
		"{}":  "single value",
	} {
		got := strings.Join(mistakes(t, config.Sources{File: file(t, "plugins:\n  builtin: "+text+"\n")}), "; ")
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s; want %q", text, got, want)
		}
	}
	s := load(t, config.Sources{File: file(t, "plugins:\n  builtin: [{policy: dailylimits, config: {}}]\n"), Flags: []config.Flag{{Name: "--db", Key: "url", Value: "sqlite://"}}})
	if _, err := s.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "there is no limit") { // the policy itself says so
		t.Errorf("%v", err)
	}
}

// TestEveryPolicyIsBuiltIn: each folder of policies can be named, and its example loads.
func TestEveryPolicyIsBuiltIn(t *testing.T) {
	t.Parallel()
	if len(policies.Names()) < 10 {
		t.Fatalf("%v", policies.Names())
	}
	for _, name := range policies.Names() {
		s := load(t, config.Sources{Flags: []config.Flag{{Name: "--db", Key: "url", Value: "sqlite://"}, {Name: "--set", Key: "plugins.builtin", Value: `[{"policy":"` + name + `","config":` + exampleConfig(t, name) + `}]`}}})
		s.Engine.Logger = slog.New(slog.DiscardHandler)
		db, err := s.Open(t.Context())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestQuarantineReachesOtherProcesses: what one process finds broken, or an operator lifts there, holds in another one on the same file within a second or so.
func TestQuarantineReachesOtherProcesses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "desk.db")
	one, two := opened(t, limitsFile, path), opened(t, limitsFile, path)
	if err := exec(t, one, "CREATE TABLE trades (id INTEGER PRIMARY KEY, account_id INTEGER, qty INTEGER) STRICT"); err != nil {
		t.Fatal(err)
	}
	account := 0
	until := func(db *config.Opened, what string, want error) {
		t.Helper()
		began := time.Now()
		for deadline := began.Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			account++
			_, err := db.Exec(t.Context(), "INSERT INTO trades (account_id, qty) VALUES (?, 1)", account)
			if errors.Is(err, want) {
				t.Logf("%s: after %v", what, time.Since(began).Round(time.Millisecond))
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
	until(two, "before", nil)
	for range 3 {
		if err := one.Plugins.Act(t.Context(), "quarantine", "quota", "it rejects too much"); err != nil {
			t.Fatal(err)
		}
		until(two, "quarantined by the other process", engine.ErrPluginQuarantined)
		if l := two.Plugins.List(); !strings.Contains(l[0].LastFault, "it rejects too much") {
			t.Errorf("%+v", l)
		}
		if err := exec(t, two, "CREATE TABLE IF NOT EXISTS other (x)"); err != nil {
			t.Errorf("another table: %v", err)
		}
		if err := two.Plugins.Act(t.Context(), "lift", "quota", ""); err != nil {
			t.Fatal(err)
		}
		until(two, "lifted here", nil)
		until(one, "lifted by the other process", nil)
	}
	if stored, err := one.Rules().Quarantines(t.Context()); err != nil || len(stored) != 0 {
		t.Errorf("%+v, %v", stored, err)
	}
}

// exampleConfig is the configuration that a policy's plugin.yaml comes with, as JSON.
func exampleConfig(t *testing.T, name string) string {
	t.Helper()
	text, ok := policies.Manifest(name)
	if !ok {
		t.Fatal(name)
	}
	var m struct {
		Config map[string]any `yaml:"config"`
	}
	if err := yaml.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(m.Config)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
