package main

import (
	"encoding/json"
	"regexp"
	"runtime"
	"runtime/debug"
	"testing"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	o := must(t, "version")
	if !regexp.MustCompile(`^engine \S.*\nsqlite 3\.\d+\.\d+ \(driver \S+\)\ngo\S+ \w+/\w+\n$`).MatchString(o.stdout) {
		t.Errorf("got %q", o.stdout)
	}
	var v versions
	if err := json.Unmarshal([]byte(must(t, "version", "--json").stdout), &v); err != nil || v.Go != runtime.Version() || v.SQLite == "" {
		t.Errorf("JSON: %v, %+v", err, v)
	}
}

func TestVersionFromBuild(t *testing.T) {
	t.Parallel()
	var v versions
	v.fill(&debug.BuildInfo{
		Main:     debug.Module{Version: "v1.2.3"},
		Deps:     []*debug.Module{{Path: "github.com/ncruces/go-sqlite3", Version: "v0.36.0"}},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: "true"}},
	})
	if v.name() != "v1.2.3 0123456789ab+changes" || v.Driver != "v0.36.0" {
		t.Errorf("got %q, driver %q", v.name(), v.Driver)
	}
}
