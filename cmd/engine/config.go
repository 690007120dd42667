package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/tidegate/engine/config"
)

var configVerb = verb{name: "config", summary: "show, check or begin a configuration, and say where each value comes from", run: runConfig}

const configExamples = `  engine config init                               # a commented engine.yaml with every setting
  engine config check --file engine.yaml
  engine config print --file engine.yaml --changed
  ENGINE_WRITER_QUEUE_TIMEOUT=5s engine config print --json | jq '.[] | select(.source == "environment")'
  engine config schema > engine.schema.json        # JSON Schema, for editors

Weakest first: defaults, the file, environment variables (ENGINE_ and the key in upper case with _ for dots), --set. The file is --file, or
what ENGINE_CONFIG names. check exits with 1 and lists every mistake when there is one.
`

// defaultFile is what init writes.
const defaultFile = "engine.yaml"

// sources collects where the settings of a command line come from.
type sources struct {
	file  string
	flags []config.Flag
}

// sourceFlags adds the flags that every verb with a configuration has. The file's flag has its own name in each.
func sourceFlags(f *flag.FlagSet, fileFlag string) *sources {
	s := settingFlags(f, fileFlag)
	s.alias(f, "db", "url", "database `URL`: sqlite:///relative.db, sqlite:////absolute.db, file: URI or path (environment: ENGINE_DB; default "+config.DefaultURL+")")
	return s
}

// settingFlags are those of sourceFlags but --db.
func settingFlags(f *flag.FlagSet, fileFlag string) *sources {
	s := &sources{}
	f.StringVar(&s.file, fileFlag, os.Getenv(config.FileVariable), "the configuration `file` (environment: "+config.FileVariable+")")
	f.Func("set", "a setting as `key=value`; may be repeated", func(pair string) error {
		key, value, _ := strings.Cut(pair, "=") // without a value it is reported with all other mistakes
		s.flags = append(s.flags, config.Flag{Name: "--set", Key: key, Value: value})
		return nil
	})
	return s
}

// alias adds a flag of its own for a setting.
func (s *sources) alias(f *flag.FlagSet, name, key, usage string) {
	f.Func(name, usage, func(value string) error {
		s.flags = append(s.flags, config.Flag{Name: "--" + name, Key: key, Value: value})
		return nil
	})
}

func (s *sources) load() (*config.Settings, error) {
	return config.Load(config.Sources{File: s.file, Env: os.Environ(), Flags: s.flags})
}

func runConfig(_ context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("config", "print | check | init | schema [flags]", configExamples)
	s := sourceFlags(f, "file")
	f.StringVar(&s.file, "config", s.file, "the same as --file, as the other verbs call it: a `file`")
	asJSON := f.Bool("json", false, "print JSON")
	changed := f.Bool("changed", false, "print only what differs from its default")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	if len(positional) != 1 {
		return misuse(stderr, "engine config", errors.New("want one of print, check, init, schema"))
	}
	var err error
	switch positional[0] {
	case "print":
		err = printSettings(stdout, s, *changed, *asJSON)
	case "check":
		err = checkSettings(stdout, s, *asJSON)
	case "init":
		err = writeTemplate(stdout, stderr, s)
	case "schema":
		_, err = stdout.Write(config.Schema())
	default:
		return misuse(stderr, "engine config", errors.New("want one of print, check, init, schema"))
	}
	if errors.Is(err, errReported) {
		return exitError
	}
	if err != nil {
		return failure(stderr, "config", err)
	}
	return exitOK
}

// errReported says that the mistakes stand on standard output already.
var errReported = errors.New("reported")

// shownSetting is what --json prints about one setting.
type shownSetting struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	Default string `json:"default"`
	Source  string `json:"source"`
	Name    string `json:"name,omitempty"`
	Line    int    `json:"line,omitempty"`
}

func printSettings(w io.Writer, s *sources, changed, asJSON bool) error {
	settings, err := s.load()
	if err != nil {
		return err
	}
	values := settings.Values()
	if changed {
		values = slices.DeleteFunc(values, func(v config.Value) bool { return v.Text == v.Default })
	}
	if !asJSON {
		t := newTable(w, []string{"setting", "value", "from"})
		for _, v := range values {
			if err := t.row([]any{v.Key, v.Text, v.Origin.String()}); err != nil {
				return err
			}
		}
		return t.end()
	}
	out := []shownSetting{}
	for _, v := range values {
		out = append(out, shownSetting{Key: v.Key, Value: v.Text, Default: v.Default, Source: v.Origin.Layer.String(), Name: v.Origin.Name, Line: v.Origin.Line})
	}
	return printIndented(w, out)
}

func printIndented(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// shownMistake is what --json prints about one mistake.
type shownMistake struct {
	Key        string `json:"key,omitempty"`
	Source     string `json:"source"`
	Name       string `json:"name,omitempty"`
	Line       int    `json:"line,omitempty"`
	Problem    string `json:"problem"`
	Suggestion string `json:"suggestion,omitempty"`
}

func checkSettings(w io.Writer, s *sources, asJSON bool) error {
	settings, err := s.load()
	var wrong *config.Error
	switch {
	case err != nil && !errors.As(err, &wrong):
		return err
	case asJSON:
		report := struct {
			OK       bool           `json:"ok"`
			Mistakes []shownMistake `json:"mistakes"`
		}{OK: wrong == nil, Mistakes: []shownMistake{}}
		if wrong != nil {
			for _, m := range wrong.Mistakes {
				report.Mistakes = append(report.Mistakes, shownMistake{Key: m.Key, Source: m.Origin.Layer.String(), Name: m.Origin.Name, Line: m.Origin.Line, Problem: m.Problem, Suggestion: m.Suggestion})
			}
		}
		if err := printIndented(w, report); err != nil || wrong == nil {
			return err
		}
		return errReported
	case wrong != nil:
		return wrong
	}
	values := settings.Values()
	set := 0
	for _, v := range values {
		if v.Origin.Layer != config.FromDefault {
			set++
		}
	}
	_, err = fmt.Fprintf(w, "sound: %s, %d of them set\n", count(int64(len(values)), "setting"), set)
	return err
}

// writeTemplate never overwrites: the file that is there is somebody's work.
func writeTemplate(stdout, stderr io.Writer, s *sources) error {
	path := s.file
	switch path {
	case "-":
		_, err := stdout.Write(config.Template())
		return err
	case "":
		path = defaultFile
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already: name another with --file, or - for standard output", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(config.Template())
	if err = errors.Join(err, f.Close()); err == nil {
		fmt.Fprintf(stderr, "wrote %s\n", path)
	}
	return err
}
