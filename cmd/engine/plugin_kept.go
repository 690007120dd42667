package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/config"
)

const pluginKeptExamples = `  engine plugin kept                                          # how much each plug-in keeps in the database
  engine plugin kept lot-size                                 # its values
  engine plugin kept --json | jq '.kept[] | select(.bytes > 1e6)'
  engine plugin kept --remove lot-size                        # for good

What a rule keeps (capabilities.kv) stays in the database when the plug-in is unloaded, so that it goes on where it was once it is back. --remove refuses while a running
engine serve has it in service, and where no server runs while the settings would load it at the next start: a rule that counts would begin anew. --force removes it all the same.
`

// keptPlugin is what one plug-in keeps.
type keptPlugin struct {
	Plugin string `json:"plugin"`
	Shadow bool   `json:"shadow"` // by its version in shadow mode
	Values int64  `json:"values"`
	Bytes  int64  `json:"bytes"`
}

// keptValue is a value; JSON has it in base64, since it may be anything.
type keptValue struct {
	Key    string `json:"key"`
	Shadow bool   `json:"shadow"`
	Bytes  int    `json:"bytes"`
	Value  []byte `json:"value"`
}

func runPluginKept(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("plugin kept", "[flags] [NAME]", pluginKeptExamples)
	s := remoteFlags(f)
	remove := f.Bool("remove", false, "remove what NAME keeps")
	force := f.Bool("force", false, "with --remove: though it is in service")
	limit := f.Int("limit", 1000, "how many values of NAME are listed")
	asJSON := f.Bool("json", false, "print one JSON object")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	var err error
	switch {
	case len(positional) > 1:
		err = fmt.Errorf("want the name of one plug-in, or none, got %d arguments", len(positional))
	case *remove && len(positional) == 0:
		err = errors.New("--remove wants the name of a plug-in")
	case *force && !*remove:
		err = errors.New("--force belongs to --remove")
	case *limit < 1:
		err = errors.New("--limit must be at least 1")
	}
	if err != nil {
		return misuse(stderr, "engine plugin kept", err)
	}
	name := ""
	if len(positional) == 1 {
		name = positional[0]
	}
	if *remove && !*force {
		err = s.unused(ctx, name)
	}
	var db *engine.DB
	if err == nil {
		db, err = s.bare(ctx)
	}
	if err == nil {
		switch {
		case *remove:
			err = removeKept(ctx, db, name, stdout, *asJSON)
		case name != "":
			err = listKeptBy(ctx, db, name, *limit, stdout, *asJSON)
		default:
			err = listKept(ctx, db, stdout, *asJSON)
		}
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		return failure(stderr, "plugin kept", err)
	}
	return exitOK
}

// unused refuses a plug-in that is in service: in a running server, or else by the settings.
func (s *sources) unused(ctx context.Context, name string) error {
	settings, err := s.load()
	if err != nil {
		return err
	}
	list, running, err := inService(ctx, settings)
	if err != nil {
		return fmt.Errorf("whether %s is in service cannot be told, --force does without: %w", name, err)
	}
	if running {
		if slices.ContainsFunc(list.Plugins, func(p servedPlugin) bool { return p.Name == name }) {
			return fmt.Errorf("%s is in service and would begin anew: unload it first (engine plugin unload %[1]s), or --force", name)
		}
		return nil
	}
	names, err := settings.Plugins.Names()
	if err == nil && slices.Contains(names, name) {
		err = fmt.Errorf("the settings bring %s into service at the next start, and it would begin anew: take it out of them first, or --force", name)
	}
	return err
}

// inService asks the server of the settings what it has in service; running is false where there is none.
func inService(ctx context.Context, settings *config.Settings) (list servedPlugins, running bool, err error) {
	server, err := connectTo(settings)
	if err == nil {
		err = server.call(ctx, "/v1/plugins", nil, &list)
	}
	var absent *absentError
	if errors.Is(err, fs.ErrNotExist) || errors.As(err, &absent) { // no token, or nobody there
		return list, false, nil
	}
	return list, err == nil, err
}

func removeKept(ctx context.Context, db *engine.DB, name string, w io.Writer, asJSON bool) error {
	n, err := db.Rules().Forget(ctx, name, true)
	if err != nil {
		return err
	}
	if asJSON {
		return printObject(w, map[string]any{"plugin": name, "removed": n})
	}
	if n == 0 {
		_, err = fmt.Fprintf(w, "%s keeps nothing\n", name)
		return err
	}
	_, err = fmt.Fprintf(w, "removed %s of %s\n", count(n, "value"), name)
	return err
}

func listKept(ctx context.Context, db *engine.DB, w io.Writer, asJSON bool) error {
	all, err := db.Rules().Kept(ctx)
	if err != nil {
		return err
	}
	list := make([]keptPlugin, 0, len(all))
	for _, k := range all {
		list = append(list, keptPlugin{k.Plugin, k.Shadow, k.Values, k.Bytes})
	}
	if asJSON {
		return printObject(w, map[string]any{"kept": list})
	}
	t := newTable(w, []string{"plug-in", "values", "bytes"})
	for _, k := range list {
		if err := t.row([]any{k.Plugin + beside(k.Shadow), k.Values, k.Bytes}); err != nil {
			return err
		}
	}
	return t.end()
}

// beside marks what belongs to a version in shadow mode.
func beside(shadow bool) string {
	if shadow {
		return " (shadow)"
	}
	return ""
}

func listKeptBy(ctx context.Context, db *engine.DB, name string, limit int, w io.Writer, asJSON bool) error {
	all, err := db.Rules().KeptValues(ctx, name, limit)
	if err != nil {
		return err
	}
	list := make([]keptValue, 0, len(all))
	for _, v := range all {
		list = append(list, keptValue{v.Key, v.Shadow, len(v.Value), v.Value})
	}
	if asJSON {
		return printObject(w, map[string]any{"plugin": name, "values": list})
	}
	t := newTable(w, []string{"key", "bytes", "value"})
	for _, v := range list {
		if err := t.row([]any{v.Key + beside(v.Shadow), int64(v.Bytes), strconv.Quote(string(v.Value[:min(len(v.Value), 64)]))}); err != nil {
			return err
		}
	}
	return t.end()
}
