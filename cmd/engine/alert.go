package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/alert"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/sidecar"
)

var alertVerb = verb{name: "alert", summary: "what is wrong and what was: list, silence, test, dead, backtest", run: runAlert}

const alertHelp = `Usage: engine alert <what> [flags] [arguments]

What:
%s
` + "`engine alert <what> --help`" + ` shows its flags. list and silence ask a running ` + "`engine serve`" + `, which they find by the same settings; with --stored they work
on the telemetry database that it has left, or that a program with the engine in it has open. backtest reads that database alone.

Examples:
  engine alert list
  engine alert silence WriterBusy --for 2h --why "bulk load"
  engine alert backtest --rule SignalLatencyHigh --from 7d
`

// alertVerbs lists what can stand behind engine alert, in the order of its help.
func alertVerbs() []verb {
	return []verb{
		{"list", "the alerts that go on; with --all those that have ended, too", runAlertList},
		{"silence", "keep alerts from being told for a time, or end that", runAlertSilence},
		{"test", "send a test alert the way of real ones, and see what each sink answers", runAlertTest},
		{"dead", "alerts that could not be delivered; with --resend have them delivered after all", runAlertDead},
		{"backtest", "how often rules would have fired over what is stored, and how near they came", runAlertBacktest},
	}
}

func runAlert(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return family{"alert", alertHelp, alertVerbs(), exitUsage}.run(ctx, args, stdout, stderr)
}

// alertAnswer is what a server says about its alerts, and what --json prints.
type alertAnswer struct {
	Alerts   []engine.AlertEntry   `json:"alerts"`
	Silences []engine.AlertSilence `json:"silences"`
	Rules    []engine.AlertState   `json:"rules,omitempty"`
	// Teller is which process tells of them; nil where only the file was asked.
	Teller *engine.AlertTeller `json:"teller,omitempty"`
}

const alertListExamples = `  engine alert list
  engine alert list --all --json | jq '.alerts[] | {rule, since, ended, diagnosis}'
  engine alert list --rules                        # where each rule stands, and how near its limit
  engine alert list --stored --db sqlite:////var/lib/desk/production_trading.db
`

func runAlertList(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("alert list", "[flags]", alertListExamples)
	s := remoteFlags(f)
	all := f.Bool("all", false, "those that have ended as well, newest first")
	rules := f.Bool("rules", false, "where each rule stands instead; of a running server alone")
	limit := f.Int("limit", 100, "how many at most with --all")
	asJSON := f.Bool("json", false, "print one JSON object")
	stored := f.Bool("stored", false, "read the telemetry database and ask no server")
	positional, code, done := parse(f, args, stdout, stderr)
	switch {
	case done:
		return code
	case len(positional) > 0:
		return misuse(stderr, "engine alert list", errors.New("takes no arguments"))
	case *limit < 1 || *limit > 10_000:
		return misuse(stderr, "engine alert list", errors.New("--limit is from 1 to 10000"))
	case *rules && *stored:
		return misuse(stderr, "engine alert list", errors.New("--rules is of a running server, and --stored asks none"))
	}
	var got alertAnswer
	var err error
	if *stored {
		got, err = storedAlerts(ctx, s, *limit, !*all)
	} else {
		got, err = askAlerts(ctx, s, *limit, *all)
	}
	switch {
	case err != nil:
		return failure(stderr, "alert list", err)
	case *asJSON:
		return ended(stderr, "alert list", writeJSON(stdout, got))
	case *rules:
		return ended(stderr, "alert list", printStandings(stdout, got.Rules))
	}
	return ended(stderr, "alert list", printAlerts(stdout, got))
}

func askAlerts(ctx context.Context, s *sources, limit int, all bool) (got alertAnswer, err error) {
	server, err := s.connect()
	if err != nil {
		return got, fmt.Errorf("%w; --stored reads what a server has left", err)
	}
	path := "/v1/alerts?limit=" + strconv.Itoa(limit)
	if all {
		path += "&all=1"
	}
	err = server.call(ctx, path, nil, &got)
	return got, err
}

// telemetryFile opens the telemetry database of the settings.
func telemetryFile(ctx context.Context, s *sources, open func(ctx context.Context, path string) (*sidecar.File, error)) (*sidecar.File, error) {
	settings, err := s.load()
	if err != nil {
		return nil, err
	}
	path := settings.Engine.Telemetry.Path
	if path == "" {
		loc, err := sqlite.ParseURL(settings.Engine.URL)
		if err != nil {
			return nil, err
		}
		path = loc.Path + ".telemetry.db"
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not there: no server has stored telemetry of this database (telemetry.store), or it is elsewhere (telemetry.path)", path)
	}
	return open(ctx, path)
}

func storedAlerts(ctx context.Context, s *sources, limit int, ongoing bool) (got alertAnswer, err error) {
	file, err := telemetryFile(ctx, s, sidecar.OpenReadOnly)
	if err != nil {
		return got, err
	}
	defer file.Close()
	shelf := alert.NewShelf(file)
	found, err := shelf.Latest(ctx, limit, ongoing)
	if err != nil {
		return got, unknownTables(err)
	}
	for _, e := range found {
		got.Alerts = append(got.Alerts, *e)
	}
	got.Silences, err = shelf.Silences(ctx, time.Now())
	return got, err
}

// unknownTables says what it means that a file has no tables of alerts.
func unknownTables(err error) error {
	if strings.Contains(err.Error(), "no such table") {
		return errors.New("this telemetry database was written by a version without alerts")
	}
	return err
}

const alertSilenceExamples = `  engine alert silence WriterBusy --for 2h --why "bulk load"
  engine alert silence BreakerOpen --label engine.breaker=statements --for 30m --why "known, TRD-214"
  engine alert silence all --for 15m --why "restart of the host"
  engine alert silence --end 3                     # the numbers are in engine alert list

Silenced alerts are evaluated and stored all the same. One that still goes on when the silence ends is told then; what was told as begun before is told as
ended.
`

func runAlertSilence(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("alert silence", "RULE --for TIME --why TEXT [flags], or --end NUMBER", alertSilenceExamples)
	s := remoteFlags(f)
	length := f.Duration("for", 0, "how long, such as 2h")
	why := f.String("why", "", "what for: whoever finds it wants to know")
	by := f.String("by", os.Getenv("USER"), "who silences")
	end := f.Int64("end", 0, "end the silence of this `number`")
	stored := f.Bool("stored", false, "write into the telemetry database and ask no server")
	labels := labelFlag(f)
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	if given(f, "end") && *end < 1 {
		return misuse(stderr, "engine alert silence", errors.New("--end wants the number of a silence: `engine alert list` shows them"))
	}
	if *end > 0 && (len(positional) > 0 || *length != 0 || *why != "") {
		return misuse(stderr, "engine alert silence", errors.New("--end goes alone"))
	}
	if *end == 0 && (len(positional) != 1 || *length <= 0 || *why == "") {
		return misuse(stderr, "engine alert silence", errors.New("name a rule, or all, with --for and --why; or a silence with --end"))
	}
	if *end > 0 {
		return ended(stderr, "alert silence", endSilence(ctx, s, *end, *stored, stdout))
	}
	want := engine.AlertSilence{Rule: positional[0], Labels: *labels, By: *by, Why: *why}
	if want.Rule == "all" {
		want.Rule = ""
	}
	made, err := makeSilence(ctx, s, want, *length, *stored)
	if err == nil {
		_, err = fmt.Fprintf(stdout, "silence %d: %s until %s\n", made.ID, made.String(), made.Until.Local().Format(time.DateTime))
	}
	return ended(stderr, "alert silence", err)
}

// labelFlag collects --label key=value.
func labelFlag(f *flag.FlagSet) *[]engine.AlertLabel {
	var out []engine.AlertLabel
	f.Func("label", "only alerts with this label, as `key=value`; may be given several times", func(text string) error {
		k, v, ok := strings.Cut(text, "=")
		if !ok || k == "" {
			return errors.New("write key=value")
		}
		out = append(out, engine.AlertLabel{Key: k, Value: v})
		return nil
	})
	return &out
}

func makeSilence(ctx context.Context, s *sources, want engine.AlertSilence, length time.Duration, stored bool) (made engine.AlertSilence, err error) {
	if !stored {
		server, err := s.connect()
		if err != nil {
			return made, fmt.Errorf("%w; --stored writes into the telemetry database", err)
		}
		labels := map[string]string{}
		for _, l := range want.Labels {
			labels[l.Key] = l.Value
		}
		err = server.call(ctx, "/v1/alerts/silence", map[string]any{"rule": want.Rule, "labels": labels, "for": length.String(), "by": want.By, "why": want.Why}, &made)
		return made, err
	}
	settings, err := s.load()
	if err != nil {
		return made, err
	}
	if err := known(settings.Engine, want.Rule); err != nil {
		return made, err
	}
	file, err := writableTelemetry(ctx, s)
	if err != nil {
		return made, err
	}
	defer file.Close()
	now := time.Now()
	want.Until = now.Add(length)
	return alert.NewShelf(file).Silence(ctx, want, now)
}

// known reports a rule that the settings do not have.
func known(c engine.Config, rule string) error {
	if rule == "" {
		return nil
	}
	for _, r := range append(c.DefaultAlertRules(), c.Alerts.Rules...) {
		if r.Name == rule {
			return nil
		}
	}
	return fmt.Errorf("there is no rule %s: `engine alert list --rules` shows them", rule)
}

func writableTelemetry(ctx context.Context, s *sources) (*sidecar.File, error) {
	settings, err := s.load()
	if err != nil {
		return nil, err
	}
	return telemetryFile(ctx, s, func(ctx context.Context, path string) (*sidecar.File, error) {
		return sidecar.Open(ctx, path, settings.Engine.Telemetry.Limit, alert.Schema()...)
	})
}

func endSilence(ctx context.Context, s *sources, id int64, stored bool, stdout io.Writer) error {
	if stored {
		file, err := writableTelemetry(ctx, s)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := alert.NewShelf(file).EndSilence(ctx, id, time.Now()); err != nil {
			return err
		}
	} else {
		server, err := s.connect()
		if err != nil {
			return fmt.Errorf("%w; --stored writes into the telemetry database", err)
		}
		var got struct{ ID int64 }
		if err := server.call(ctx, "/v1/alerts/silence/end", map[string]int64{"id": id}, &got); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(stdout, "silence %d has ended\n", id)
	return err
}
