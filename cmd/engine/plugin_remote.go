package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/server"
)

const pluginListExamples = `  engine plugin list
  engine plugin list --db sqlite:////var/lib/desk/production_trading.db --json | jq '.plugins[] | select(.state == "quarantined")'

It asks a running engine serve, which it finds by the same settings.
`

// servedPlugins is the answer of a server, and what --json prints.
type servedPlugins server.PluginsReport

// servedPlugin is a version in service.
type servedPlugin = server.PluginReport

func runPluginList(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("plugin list", "[flags]", pluginListExamples)
	s := remoteFlags(f)
	asJSON := f.Bool("json", false, "print one JSON object")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	if len(positional) > 0 {
		return misuse(stderr, "engine plugin list", errors.New("takes no arguments"))
	}
	var list servedPlugins
	to, err := s.connect()
	if err == nil {
		err = to.call(ctx, "/v1/plugins", nil, &list)
	}
	if err == nil && *asJSON {
		err = printObject(stdout, list)
	} else if err == nil {
		err = list.print(stdout)
	}
	if err != nil {
		return failure(stderr, "plugin list", err)
	}
	return exitOK
}

func (l *servedPlugins) print(w io.Writer) error {
	t := newTable(w, []string{"plug-in", "version", "state", "tables", "rows asked", "rejected", "would reject", "faults", "last fault", "module"})
	for _, p := range l.Plugins {
		tables := "-"
		for i, name := range p.Tables {
			if i == 0 {
				tables = name
			} else {
				tables += ", " + name
			}
		}
		if err := t.row([]any{p.Name, p.Version, p.State, tables, int64(p.Asked.Rows), int64(p.Asked.Rejected), int64(p.Asked.Shadowed), int64(p.Faults), orDash(p.LastFault), p.Module[:min(12, len(p.Module))]}); err != nil {
			return err
		}
	}
	if err := t.end(); err != nil {
		return err
	}
	r := l.Rules
	_, err := fmt.Fprintf(w, "since the start: %s of rules about %s in %v, %d rejected, %d warned, %d failed, %d allowed, %d in shadow mode\n", count(int64(r.Calls), "call"), count(int64(r.Rows), "row"),
		time.Duration(r.Micros)*time.Microsecond, r.Rejected, r.Warned, r.Failed, r.Allowed, r.Shadowed)
	return err
}

// loadTime is how long a server may take to load a plug-in: it is compiled and tested.
const loadTime = 2 * time.Minute

// act tells a server to do something to a plug-in.
func (s *sources) act(ctx context.Context, action, name, reason string) error {
	to, err := s.connect()
	if err != nil {
		return err
	}
	to.client.Timeout = loadTime
	var ok struct {
		Done bool `json:"done"`
	}
	return to.call(ctx, "/v1/plugins/"+name+"/"+action, map[string]string{"reason": reason}, &ok)
}

// pluginAction is a verb that tells a server to do something to a plug-in.
func pluginAction(action, told string) func(context.Context, []string, io.Writer, io.Writer) int {
	return func(ctx context.Context, args []string, stdout, stderr io.Writer) int {
		f := flags("plugin "+action, "[flags] NAME", fmt.Sprintf("  engine plugin %[1]s lot-size\n  engine plugin %[1]s --config /etc/tidegate/engine.yaml lot-size\n\nIt tells a running engine serve, which it finds by the same settings. Modules come from the server's plugins.dir.\n", action))
		s := remoteFlags(f)
		asJSON := f.Bool("json", false, "print one JSON object")
		positional, code, done := parse(f, args, stdout, stderr)
		if done {
			return code
		}
		name, err := pluginNamed(positional)
		if err != nil {
			return misuse(stderr, "engine plugin "+action, err)
		}
		if err = s.act(ctx, action, name, ""); err == nil {
			err = printDone(stdout, name, action, told, *asJSON)
		}
		if err != nil {
			return failure(stderr, "plugin "+action, err)
		}
		return exitOK
	}
}

// pluginNamed wants the name of a plug-in as the only argument. A path is a mistake that is easily made: the server has the files.
func pluginNamed(positional []string) (string, error) {
	name, err := one(positional, "the name of a plug-in")
	if err == nil && !pluginName.MatchString(name) {
		return "", fmt.Errorf("%q is no name of a plug-in: a server takes the name alone, and looks into its own plugins.dir (names have small letters, digits and single - _ . between them)", name)
	}
	return name, err
}

// printDone says what has become of a plug-in.
func printDone(w io.Writer, name, action, told string, asJSON bool) error {
	if asJSON {
		return printObject(w, map[string]any{"plugin": name, "action": action, "done": true})
	}
	_, err := fmt.Fprintf(w, "%s is %s\n", name, told)
	return err
}

const pluginQuarantineExamples = `  engine plugin quarantine --reason "rejects what it should not" lot-size
  engine plugin quarantine --lift lot-size
  engine plugin quarantine --lift --offline --db production_trading.db lot-size    # no server runs

The tables that the plug-in watches refuse writes until the quarantine is lifted or another version is loaded, across restarts. Faults do the same
by themselves: five within a minute.
`

func runPluginQuarantine(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("plugin quarantine", "[flags] NAME", pluginQuarantineExamples)
	s := remoteFlags(f)
	lift := f.Bool("lift", false, "put it back into service")
	offline := f.Bool("offline", false, "with --lift: change the database alone, where no server runs")
	reason := f.String("reason", "", "`why`, for those who find it")
	asJSON := f.Bool("json", false, "print one JSON object")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	name, err := pluginNamed(positional)
	if err == nil && *offline && !*lift {
		err = errors.New("--offline belongs to --lift")
	}
	if err != nil {
		return misuse(stderr, "engine plugin quarantine", err)
	}
	action, told := "quarantine", "in quarantine"
	if *lift {
		action, told = "lift", "out of quarantine"
	}
	if *offline {
		err = s.liftOffline(ctx, name)
	} else {
		err = s.act(ctx, action, name, *reason)
	}
	if err == nil {
		err = printDone(stdout, name, action, told, *asJSON)
	}
	if err != nil {
		return failure(stderr, "plugin quarantine", err)
	}
	return exitOK
}

// liftOffline forgets a stored quarantine.
func (s *sources) liftOffline(ctx context.Context, name string) (err error) {
	db, err := s.bare(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	stored, err := db.Rules().Quarantines(ctx)
	if err != nil {
		return err
	}
	for _, q := range stored {
		if q.Plugin == name {
			return db.Rules().Lift(ctx, name)
		}
	}
	return fmt.Errorf("no quarantine of %s is stored", name)
}

// bare opens the database of the settings without their rules: for what changes no row of the user's.
func (s *sources) bare(ctx context.Context) (*engine.DB, error) {
	settings, err := s.load()
	if err != nil {
		return nil, err
	}
	return openExisting(ctx, configure(ctx, settings.Engine.URL))
}
