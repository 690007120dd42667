package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/slowlog"
	"github.com/tidegate/engine/internal/shell"
	"github.com/tidegate/engine/internal/sidecar"
)

var slowVerb = verb{name: "slow", summary: "statements that were slow or inefficient: list, show, replay", run: runSlow}

const slowExamples = `  engine slow list
  engine slow list --since 24h --fingerprint 9f86d081884c7d65
  engine slow show 42                              # with its plan and where the time went
  engine slow replay 42                            # run it again in the server, with the bindings that it has in memory
  engine slow replay 42 --arg 7 --arg "'EURUSD'"   # or with these, here
  engine slow list --stored --db sqlite:////var/lib/desk/production_trading.db

It asks a running ` + "`engine serve`" + `, or with --stored the telemetry database that a server has left. Texts hold no literals; of bindings there is what
telemetry.slow.bindings lets be kept.
`

// slowCall is what the flags of engine slow say.
type slowCall struct {
	sources     *sources
	stored      *bool
	asJSON      *bool
	since       *time.Duration
	fingerprint *string
	limit       *int
	args        arguments
}

func runSlow(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("slow", "list|show ID|replay ID [flags]", slowExamples)
	c := &slowCall{sources: remoteFlags(f)}
	c.flags(f)
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	switch {
	case c.args.err != nil:
		return misuse(stderr, "engine slow", c.args.err)
	case *c.limit < 1 || *c.limit > 5000:
		return misuse(stderr, "engine slow", errors.New("--limit is from 1 to 5000"))
	case *c.since < 0:
		return misuse(stderr, "engine slow", errors.New("--since says how long ago, such as 24h"))
	}
	if len(positional) == 0 || len(positional) == 1 && positional[0] == "list" {
		return ended(stderr, "slow", c.list(ctx, stdout))
	}
	id := int64(0)
	if len(positional) == 2 {
		id, _ = strconv.ParseInt(positional[1], 10, 64)
	}
	switch {
	case id <= 0:
		return misuse(stderr, "engine slow", errors.New("say list, show ID or replay ID; `engine slow list` shows the numbers"))
	case positional[0] == "show":
		return ended(stderr, "slow", c.show(ctx, id, stdout))
	case positional[0] == "replay":
		return ended(stderr, "slow", c.replay(ctx, id, stdout))
	}
	return misuse(stderr, "engine slow", errors.New("say list, show ID or replay ID"))
}

func (c *slowCall) flags(f *flag.FlagSet) {
	c.stored = f.Bool("stored", false, "read the telemetry database and ask no server")
	c.asJSON = f.Bool("json", false, "print one JSON object")
	c.since = f.Duration("since", 0, "only those of the latest `time`, such as 24h")
	c.fingerprint = f.String("fingerprint", "", "only statements of this `kind`")
	c.limit = f.Int("limit", 50, "how many at most")
	f.Var(&c.args, "arg", argumentHelp)
}

func ended(stderr io.Writer, who string, err error) int {
	if err != nil {
		return failure(stderr, who, err)
	}
	return exitOK
}

// entries asks the server or the file.
func (c *slowCall) entries(ctx context.Context, filter engine.SlowFilter) ([]engine.SlowEntry, error) {
	if *c.since > 0 {
		filter.Since = time.Now().Add(-*c.since)
	}
	if *c.stored {
		return c.fromFile(ctx, filter)
	}
	server, err := c.sources.connect()
	if err != nil {
		return nil, fmt.Errorf("%w; --stored reads what a server has left", err)
	}
	v := url.Values{"limit": {strconv.Itoa(filter.Limit)}}
	if filter.Fingerprint != "" {
		v.Set("fingerprint", filter.Fingerprint)
	}
	if filter.ID > 0 {
		v.Set("id", strconv.FormatInt(filter.ID, 10))
	}
	if !filter.Since.IsZero() {
		v.Set("since", strconv.FormatInt(filter.Since.Unix(), 10))
	}
	var got struct{ Slow []engine.SlowEntry }
	err = server.call(ctx, "/v1/slow?"+v.Encode(), nil, &got)
	return got.Slow, err
}

func (c *slowCall) fromFile(ctx context.Context, filter engine.SlowFilter) ([]engine.SlowEntry, error) {
	file, err := telemetryFile(ctx, c.sources, sidecar.OpenReadOnly)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return slowlog.NewShelf(file).List(ctx, filter)
}

func (c *slowCall) list(ctx context.Context, stdout io.Writer) error {
	list, err := c.entries(ctx, engine.SlowFilter{Fingerprint: *c.fingerprint, Limit: *c.limit})
	if err != nil {
		return err
	}
	if *c.asJSON {
		return json.NewEncoder(stdout).Encode(map[string][]engine.SlowEntry{"slow": list})
	}
	t := newTable(stdout, []string{"id", "at", "took", "waited", "class", "why", "fingerprint", "query"})
	for i := range list {
		e := &list[i]
		if err := t.row([]any{e.ID, e.At.Format(time.RFC3339), rounded(e.Duration).String(), rounded(e.Queue + e.Slot).String(), e.Class, strings.Join(e.Reasons, " "), e.Fingerprint,
			shortened(e.Text, 100)}); err != nil {
			return err
		}
	}
	return t.end()
}

func (c *slowCall) one(ctx context.Context, id int64) (*engine.SlowEntry, error) {
	list, err := c.entries(ctx, engine.SlowFilter{ID: id, Limit: 1})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("there is no entry %d", id)
	}
	if err != nil {
		return nil, err
	}
	return &list[0], nil
}

func (c *slowCall) show(ctx context.Context, id int64, stdout io.Writer) error {
	e, err := c.one(ctx, id)
	if err != nil {
		return err
	}
	if *c.asJSON {
		return json.NewEncoder(stdout).Encode(e)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%d  %s  %s  (fingerprint %s)\n%s\n\n", e.ID, e.At.Format(time.RFC3339), strings.Join(e.Reasons, ", "), e.Fingerprint, e.Text)
	fmt.Fprintf(&out, "took      %s: %s in the queue, %s for a connection\n", rounded(e.Duration), rounded(e.Queue), rounded(e.Slot))
	for _, l := range []struct{ name, value string }{{"held by", e.Holder}, {"caller", e.Caller}, {"class", e.Class + " on " + e.Lane}, {"bindings", strings.Join(e.Bindings, ", ")}, {"trace", e.Trace}, {"error", e.Error}} {
		if l.value != "" {
			fmt.Fprintf(&out, "%-9s %s\n", l.name, l.value)
		}
	}
	w := &e.Work
	fmt.Fprintf(&out, "work      %d rows read, %d changed, %d steps, %d rows without an index, %d sorts, %d rows of indexes for one run\n", w.RowsReturned, w.RowsChanged, w.VMSteps, w.FullScanSteps, w.Sorts, w.AutoIndexes)
	if e.Skipped > 0 {
		fmt.Fprintf(&out, "besides   %d more of its kind were left out since the entry before\n", e.Skipped)
	}
	fmt.Fprintln(&out, "\nplan")
	printPlan(&out, e.Plan, 0, 1)
	if e.PlanError != "" {
		fmt.Fprintf(&out, "  %s\n", e.PlanError)
	}
	_, err = io.WriteString(stdout, shell.Plain(out.String())) // texts and plans are what others have named
	return err
}

// printPlan prints the steps below a step as a tree. depth is bounded because what is stored may be damaged.
func printPlan(w io.Writer, plan []engine.PlanStep, parent int64, depth int) {
	for _, s := range plan {
		if s.Parent == parent && depth < 50 {
			fmt.Fprintf(w, "%s%s\n", strings.Repeat("  ", depth), s.Detail)
			if s.ID != parent {
				printPlan(w, plan, s.ID, depth+1)
			}
		}
	}
}

// replay runs the statement again: in the server with what that has in memory, or here with the arguments that were given.
func (c *slowCall) replay(ctx context.Context, id int64, stdout io.Writer) error {
	e, err := c.one(ctx, id)
	if err != nil {
		return err
	}
	var got struct{ Runs []engine.Replayed }
	if *c.stored || len(c.args.values) > 0 {
		run, err := c.here(ctx, e)
		if err != nil {
			return err
		}
		got.Runs = []engine.Replayed{run}
	} else {
		server, err := c.sources.connect()
		if err != nil {
			return err
		}
		if err := server.call(ctx, "/v1/slow/replay", map[string]string{"fingerprint": e.Fingerprint}, &got); err != nil {
			return err
		}
	}
	if *c.asJSON {
		return json.NewEncoder(stdout).Encode(map[string]any{"then": e, "runs": got.Runs})
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n\nthen  %s, %d steps, %d rows\n", e.Text, rounded(e.Duration), e.Work.VMSteps, e.Work.RowsReturned)
	for _, r := range got.Runs {
		fmt.Fprintf(&out, "now   %s, %d steps, %d rows\n", rounded(r.Duration), r.VMSteps, r.Rows)
		printPlan(&out, r.Plan, 0, 3)
	}
	_, err = io.WriteString(stdout, shell.Plain(out.String()))
	return err
}

// here runs it on the database, which is opened for reading alone. A ? of the text takes an argument, whether it was a literal or a parameter.
func (c *slowCall) here(ctx context.Context, e *engine.SlowEntry) (engine.Replayed, error) {
	settings, err := c.sources.load()
	if err != nil {
		return engine.Replayed{}, err
	}
	cfg := configure(ctx, settings.Engine.URL)
	cfg.ReadOnly = true
	db, err := openExisting(ctx, cfg)
	if err != nil {
		return engine.Replayed{}, err
	}
	defer db.Close()
	return db.Telemetry().Run(ctx, e.Text, c.args.values...)
}
