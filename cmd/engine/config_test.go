package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine/config"
)

// engineFile writes a configuration and returns its path.
func engineFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "engine.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConfigPrint(t *testing.T) {
	t.Parallel()
	path := engineFile(t, "writer:\n  hold: 70ms\nwal:\n  soft: 8MiB\n")
	o := must(t, "config", "print", "--file", path, "--set", "wal.soft=9MiB", "--db", "sqlite:///x.db", "--changed", "--json")
	var got []shownSetting
	if err := json.Unmarshal([]byte(o.stdout), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]shownSetting{
		"url":         {"url", "sqlite:///x.db", config.DefaultURL, "flag", "--db", 0},
		"writer.hold": {"writer.hold", "70ms", "50ms", "file", path, 2},
		"wal.soft":    {"wal.soft", "9MiB", "16MiB", "flag", "--set", 0},
	}
	for _, s := range got {
		if want[s.Key] != s {
			t.Errorf("got %+v, want %+v", s, want[s.Key])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d settings, want %d", len(got), len(want))
	}
	all := must(t, "config", "print", "--file", path).stdout
	for _, part := range []string{"writer.hold", "70ms", path + ":2", "server.limits.streams", "default"} {
		if !strings.Contains(all, part) {
			t.Errorf("%q is missing in\n%s", part, all)
		}
	}
}

func TestConfigCheck(t *testing.T) {
	t.Parallel()
	if o := must(t, "config", "check", "--file", engineFile(t, "url: a.db\n")); !strings.Contains(o.stdout, "1 of them set") {
		t.Errorf("%q", o.stdout)
	}
	path := engineFile(t, "writer:\n  hld: 70ms\nwal:\n  soft: 8\n")
	o := program(t, "config", "check", "--file", path)
	if o.code != exitError || !strings.Contains(o.stderr, path+":2: writer.hld: there is no such setting; did you mean writer.hold?") || !strings.Contains(o.stderr, path+":4: wal.soft: ") {
		t.Errorf("code %d, stderr %s", o.code, o.stderr)
	}
	o = program(t, "config", "check", "--json", "--file", path)
	var report struct {
		OK       bool
		Mistakes []shownMistake
	}
	if err := json.Unmarshal([]byte(o.stdout), &report); err != nil || o.code != exitError || report.OK || len(report.Mistakes) != 2 || report.Mistakes[0].Line != 2 || report.Mistakes[0].Suggestion != "writer.hold" {
		t.Errorf("%v, code %d, %+v", err, o.code, report)
	}
	if o := must(t, "config", "check", "--json"); !strings.Contains(o.stdout, `"ok": true`) || !strings.Contains(o.stdout, `"mistakes": []`) {
		t.Errorf("%s", o.stdout)
	}
}

func TestConfigInit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new.yaml")
	must(t, "config", "init", "--file", path)
	text, err := os.ReadFile(path)
	if err != nil || string(text) != string(config.Template()) {
		t.Fatalf("%v, %d bytes", err, len(text))
	}
	must(t, "config", "check", "--file", path)
	if o := program(t, "config", "init", "--file", path); o.code != exitError || !strings.Contains(o.stderr, "there already") {
		t.Errorf("a second time: code %d, %s", o.code, o.stderr)
	}
	if o := must(t, "config", "init", "--file", "-"); o.stdout != string(text) {
		t.Error("standard output gets something else")
	}
}

func TestConfigSchema(t *testing.T) {
	t.Parallel()
	if o := must(t, "config", "schema"); o.stdout != string(config.Schema()) {
		t.Errorf("%.100s", o.stdout)
	}
}

// The program has one default database, whichever verb is used.
func TestConfigDefaultDatabase(t *testing.T) {
	t.Parallel()
	if config.DefaultURL != defaultDatabase {
		t.Errorf("serve opens %s, the others %s", config.DefaultURL, defaultDatabase)
	}
}

func TestConfigMisuse(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"config"}, {"config", "prnt"}, {"config", "print", "check"}} {
		if o := program(t, args...); o.code != exitUsage || !strings.Contains(o.stderr, "print, check, init, schema") {
			t.Errorf("%v: code %d, %s", args, o.code, o.stderr)
		}
	}
}
