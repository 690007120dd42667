package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/tidegate/engine"
)

var versionVerb = verb{name: "version", summary: "print the versions of the program and of what it is made of", run: runVersion}

const versionExamples = `  engine version
  engine version --json
`

// versions is what the verb prints.
type versions struct {
	Engine   string `json:"engine"`
	Revision string `json:"revision,omitempty"`
	SQLite   string `json:"sqlite"`
	Driver   string `json:"driver"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func runVersion(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("version", "[--json]", versionExamples)
	asJSON := f.Bool("json", false, "print one JSON object")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	if len(positional) > 0 {
		return misuse(stderr, "engine version", fmt.Errorf("takes no arguments"))
	}
	v, err := collectVersions(ctx)
	if err != nil {
		return failure(stderr, "version", err)
	}
	if *asJSON {
		err = json.NewEncoder(stdout).Encode(v)
	} else {
		_, err = fmt.Fprintf(stdout, "engine %s\nsqlite %s (driver %s)\n%s %s\n", v.name(), v.SQLite, v.Driver, v.Go, v.Platform)
	}
	if err != nil {
		return failure(stderr, "version", err)
	}
	return exitOK
}

// name is the version with the revision it was built from.
func (v versions) name() string {
	if v.Revision == "" {
		return v.Engine
	}
	return v.Engine + " " + v.Revision
}

// collectVersions asks the build for its parts, and SQLite itself for its version.
func collectVersions(ctx context.Context) (versions, error) {
	v := versions{Engine: "(devel)", Driver: "(unknown)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if build, ok := debug.ReadBuildInfo(); ok {
		v.fill(build)
	}
	db, err := engine.Open(ctx, engine.DefaultConfig("sqlite://"))
	if err != nil {
		return v, err
	}
	defer db.Close()
	return v, db.QueryRow(ctx, "SELECT sqlite_version()").Scan(&v.SQLite)
}

func (v *versions) fill(build *debug.BuildInfo) {
	if build.Main.Version != "" {
		v.Engine = build.Main.Version
	}
	for _, s := range build.Settings {
		switch {
		case s.Key == "vcs.revision":
			v.Revision = s.Value[:min(12, len(s.Value))] + v.Revision
		case s.Key == "vcs.modified" && s.Value == "true":
			v.Revision += "+changes"
		}
	}
	for _, m := range build.Deps {
		if m.Path == "github.com/ncruces/go-sqlite3" {
			v.Driver = m.Version
		}
	}
}
