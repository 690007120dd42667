package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/trace"
)

var traceVerb = verb{name: "trace", summary: "see the last operations of a running server, or keep a copy of them", run: runTrace}

const traceExamples = `  engine trace dump --last 60s                     # of the server that runs on the database
  engine trace dump --json | jq 'select(.took_ns > 1000000)'
  engine demo --duration 5s --flight ops.jsonl     # a demo in this process; then:
  engine trace dump --file ops.jsonl
  engine trace freeze --reason "slow since noon"   # keep what the recorder holds now; an alert does so too
  engine trace list                                # what is kept: copies made by hand, and those of alerts
  engine trace dump --frozen                       # the one made by hand, or the oldest
  engine trace dump --frozen WriterBusy-12         # the one of an alert
  engine trace thaw                                # let go of all; with a name, of that one

The flight recorder keeps the last trace.records operations, whether they are traced or not: statements, transactions and the COMMITs that they
share, with waits and counts and without any value. Statements stand below their transaction.
`

// flightAnswer is what a server says about its flight recorder.
type flightAnswer struct {
	At         time.Time         `json:"at"`
	Reason     string            `json:"reason"`
	Captures   []flightCapture   `json:"captures"`
	Stats      trace.Stats       `json:"stats"`
	Operations []trace.Operation `json:"operations"`
}

// flightCapture is a copy that a server keeps.
type flightCapture struct {
	Name       string    `json:"name"`
	Reason     string    `json:"reason"`
	At         time.Time `json:"at"`
	Operations int       `json:"operations"`
}

func runTrace(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("trace", "dump|list|freeze|thaw [flags] [name]", traceExamples)
	s := remoteFlags(f)
	last := f.Duration("last", time.Minute, "how far back")
	limit := f.Int("limit", 10_000, "how many operations at most; the newest are shown")
	asJSON := f.Bool("json", false, "print one JSON object a line")
	frozen := f.Bool("frozen", false, "show a copy that was frozen, all of it; its name may stand behind")
	file := f.String("file", "", "show a `file` that engine demo --flight has written")
	reason := f.String("reason", "by hand", "why it is frozen")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	switch {
	case len(positional) == 0:
		return misuse(stderr, "engine trace", errors.New("say what: dump, list, freeze or thaw"))
	case len(positional) > 2 || len(positional) == 2 && positional[0] != "thaw" && !(positional[0] == "dump" && *frozen):
		return misuse(stderr, "engine trace", errors.New("the name of a copy goes with dump --frozen, or with thaw"))
	case *file != "" && (*frozen || given(f, "last")):
		return misuse(stderr, "engine trace", errors.New("--file shows what is in the file: --last and --frozen ask a server"))
	case *last <= 0 || *limit < 1:
		return misuse(stderr, "engine trace", errors.New("--last and --limit must be more than nothing"))
	}
	var err error
	name := strings.Join(positional[1:], "")
	switch what := positional[0]; what {
	case "dump":
		var ops []trace.Operation
		if *file != "" {
			ops, err = readOperations(*file)
			ops = ops[max(0, len(ops)-*limit):]
		} else {
			ops, err = s.operations(ctx, *last, *limit, *frozen, name)
		}
		if err == nil {
			err = printOperations(stdout, ops, *asJSON)
		}
	case "list":
		err = s.captures(ctx, stdout, *asJSON)
	case "freeze", "thaw":
		err = s.freeze(ctx, map[string]any{"reason": *reason, "thaw": what == "thaw", "name": name}, stdout)
	default:
		return misuse(stderr, "engine trace", fmt.Errorf("no %q: dump, list, freeze or thaw", what))
	}
	if err != nil {
		return failure(stderr, "trace", err)
	}
	return exitOK
}

// operations asks a server for what its recorder holds.
func (s *sources) operations(ctx context.Context, last time.Duration, limit int, frozen bool, name string) ([]trace.Operation, error) {
	server, err := s.connect()
	if err != nil {
		return nil, err
	}
	q := url.Values{"last": {last.String()}, "limit": {strconv.Itoa(limit)}, "frozen": {strconv.FormatBool(frozen)}}
	if name != "" {
		q.Set("name", name)
	}
	var answer flightAnswer
	err = server.call(ctx, "/v1/trace?"+q.Encode(), nil, &answer)
	return answer.Operations, err
}

// captures lists the copies that a server keeps.
func (s *sources) captures(ctx context.Context, stdout io.Writer, asJSON bool) error {
	server, err := s.connect()
	if err != nil {
		return err
	}
	var answer flightAnswer
	if err := server.call(ctx, "/v1/trace?limit=1", nil, &answer); err != nil {
		return err
	}
	if asJSON {
		encoder := json.NewEncoder(stdout)
		for _, c := range answer.Captures {
			if err := encoder.Encode(c); err != nil {
				return err
			}
		}
		return nil
	}
	t := newTable(stdout, []string{"name", "made", "operations", "reason"})
	for _, c := range answer.Captures {
		if err := t.row([]any{c.Name, c.At.Local().Format(time.DateTime), int64(c.Operations), c.Reason}); err != nil {
			return err
		}
	}
	return t.end()
}

// freeze has a server keep a copy of its recorder, or let go of it.
func (s *sources) freeze(ctx context.Context, body map[string]any, stdout io.Writer) error {
	server, err := s.connect()
	if err != nil {
		return err
	}
	var answer struct {
		Done bool `json:"done"`
	}
	if err := server.call(ctx, "/v1/trace/freeze", body, &answer); err != nil {
		return err
	}
	switch thaw := body["thaw"] == true; {
	case answer.Done && thaw:
		fmt.Fprintln(stdout, "let go")
	case answer.Done:
		fmt.Fprintln(stdout, "frozen: engine trace dump --frozen shows it")
	case thaw:
		return errors.New("nothing of that name was frozen: engine trace list shows what is")
	default:
		return errors.New("a copy was made by hand already, there is no room for another, or tracing is off: engine trace list shows what is kept, engine trace thaw lets go of it")
	}
	return nil
}

// readOperations reads a file of one JSON object a line.
func readOperations(path string) (ops []trace.Operation, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for d := json.NewDecoder(bufio.NewReader(f)); ; {
		var o trace.Operation
		if err := d.Decode(&o); errors.Is(err, io.EOF) {
			return ops, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: operation %d: %w", path, len(ops)+1, err)
		}
		ops = append(ops, o)
	}
}

// writeOperations writes what the recorder of a database holds to a file, one JSON object a line.
func writeOperations(db *engine.DB, path string) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriter(f)
	encoder := json.NewEncoder(w)
	for o := range db.Trace().Last(0) {
		if err := encoder.Encode(o); err != nil {
			return err
		}
	}
	return w.Flush()
}

// printOperations prints a line an operation.
func printOperations(w io.Writer, ops []trace.Operation, asJSON bool) error {
	if asJSON {
		out := bufio.NewWriter(w)
		encoder := json.NewEncoder(out)
		for _, o := range ops {
			if err := encoder.Encode(o); err != nil {
				return err
			}
		}
		return out.Flush()
	}
	t := newTable(w, []string{"start", "took", "operation", "where", "waits", "rows", "steps", "outcome", "trace"})
	for _, o := range trace.Tree(ops) {
		name := o.Name
		if o.Tx != 0 && o.Kind == "statement" {
			name = "  " + name
		}
		where := strings.Trim(o.Lane+"/"+o.Class, "/")
		if o.Group != 0 {
			where = strings.TrimSpace(where + " group " + strconv.FormatUint(o.Group, 10))
		}
		outcome := o.Outcome
		if o.Error != "" {
			outcome = strings.TrimSpace(o.Error + " " + o.Status)
		}
		if err := t.row([]any{o.Start.Local().Format("15:04:05.000000"), o.Took.Round(time.Microsecond).String(), name, orDash(where), orDash(waits(&o)),
			o.Returned + o.Changed, o.Steps, orDash(outcome), orDash(o.TraceID)}); err != nil {
			return err
		}
	}
	return t.end()
}

// waits lists where the time went that was not work.
func waits(o *trace.Operation) string {
	var parts []string
	for _, p := range []struct {
		name string
		d    time.Duration
	}{{"queue", o.Queue}, {"slot", o.Slot}, {"commit", o.Commit}, {"hold", o.Hold}, {"sync", o.Sync}} {
		if p.d >= time.Microsecond {
			parts = append(parts, p.name+" "+p.d.Round(time.Microsecond).String())
		}
	}
	return strings.Join(parts, ", ")
}
