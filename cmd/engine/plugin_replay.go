package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/sdk/abi"
)

const pluginReplayExamples = `  engine plugin replay --db production_trading.db lot-size
  engine plugin replay --db production_trading.db --limit 100000 --json lot-size

The rows that the watched tables have now are shown to the rule as if they were inserted, on one snapshot; nothing is written. It tells what a new rule
would have refused. Rules that look other rows up cannot be replayed. The exit code is 1 when a row would be rejected.
`

// replayed is what --json prints about one hook.
type replayed struct {
	Table    string   `json:"table"`
	Rows     int      `json:"rows"`
	Rejected int      `json:"rejected"`
	Warned   int      `json:"warned"`
	Fuel     int64    `json:"fuel"`
	First    []string `json:"first"` // messages of the first verdicts
}

// Sizes of a replay.
const (
	replayBatch = 1000
	replayFirst = 10
)

func runPluginReplay(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("plugin replay", "[flags] FOLDER|FILE", pluginReplayExamples)
	s := sourceFlags(f, "config")
	limit := f.Int("limit", 0, "at most so many rows of a table; 0 is all")
	asJSON := f.Bool("json", false, "print one JSON list, an object for each hook")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	dir, err := one(positional, "the folder of the plug-in, or its packed file")
	if err == nil && *limit < 0 {
		err = errors.New("--limit must not be negative; 0 is all")
	}
	if err != nil {
		return misuse(stderr, "engine plugin replay", err)
	}
	results, err := replayPlugin(ctx, s, dir, *limit)
	if err == nil && *asJSON {
		err = printObject(stdout, results)
	} else if err == nil {
		err = printReplay(stdout, results)
	}
	if err != nil {
		return failure(stderr, "plugin replay", err)
	}
	for _, r := range results {
		if r.Rejected > 0 {
			return exitError
		}
	}
	return exitOK
}

func replayPlugin(ctx context.Context, s *sources, dir string, limit int) (_ []replayed, err error) {
	m, u, err := hostedUnit(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, u.Close()) }()
	if !slices.ContainsFunc(m.Hooks, func(h plugins.HookSpec) bool { return h.On == plugins.HookValidate.String() }) {
		return nil, fmt.Errorf("plug-in %s is no rule: it has no hook validate, to which rows could be shown", m.Name)
	}
	if len(m.Capabilities.Lookup) > 0 || m.Capabilities.KV != nil {
		return nil, errors.New("the rule looks other rows up or keeps values, which it can do only in a transaction that is judged: load it in shadow mode instead")
	}
	db, err := s.bare(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	out := []replayed{}
	err = db.View(ctx, func(ctx context.Context, tx *engine.Tx) error {
		for i, h := range m.Hooks {
			if h.On != plugins.HookValidate.String() {
				continue
			}
			r := replayed{Table: h.Table, First: []string{}}
			if err := r.run(ctx, tx, u, uint32(i), h.Columns, limit); err != nil {
				return fmt.Errorf("hooks[%d] of plugin.yaml, table %s: %w", i, h.Table, err)
			}
			out = append(out, r)
		}
		return nil
	}, engine.WithClass(engine.ClassAnalytics), engine.WithName("plugin replay"))
	return out, err
}

// run shows the rows of a table to the rule.
func (r *replayed) run(ctx context.Context, tx *engine.Tx, u plugins.Unit, schema uint32, columns []string, limit int) error {
	if limit == 0 {
		limit = -1
	}
	rows, err := tx.Query(ctx, "SELECT "+quotedNames(columns)+" FROM "+quotedNames([]string{r.Table})+" LIMIT ?", limit)
	if err != nil {
		return err
	}
	defer rows.Close()
	var b abi.Batch
	b.Reset(abi.OpInsert, schema, len(columns))
	for row, err := range rows.All() {
		if err != nil {
			return err
		}
		values, err := row.Values()
		if err != nil {
			return err
		}
		for _, v := range values {
			addValue(&b, v)
		}
		if b.Rows() == replayBatch {
			if err := r.ask(ctx, u, &b); err != nil {
				return err
			}
			b.Reset(abi.OpInsert, schema, len(columns))
		}
	}
	if b.Rows() == 0 {
		return nil
	}
	return r.ask(ctx, u, &b)
}

func (r *replayed) ask(ctx context.Context, u plugins.Unit, b *abi.Batch) error {
	out, err := u.Call(ctx, plugins.HookValidate, b, time.Now())
	if err != nil {
		return err
	}
	for _, v := range out.Verdicts {
		if v.Action == abi.Reject {
			r.Rejected++
		} else {
			r.Warned++
		}
		if len(r.First) < replayFirst {
			r.First = append(r.First, fmt.Sprintf("row %d, rule %d: %s", r.Rows+int(v.Row)+1, v.Code, v.Message))
		}
	}
	r.Rows, r.Fuel = r.Rows+b.Rows(), r.Fuel+out.Fuel
	return nil
}

func addValue(b *abi.Batch, v any) {
	switch v := v.(type) {
	case int64:
		b.Int(v)
	case float64:
		b.Float(v)
	case string:
		b.Text(v)
	case []byte:
		b.Blob(v)
	default:
		b.Null()
	}
}

// quotedNames is a list of names as SQL has it.
func quotedNames(names []string) string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	}
	return strings.Join(out, ", ")
}

func printReplay(w io.Writer, results []replayed) error {
	t := newTable(w, []string{"table", "rows", "rejected", "warned", "fuel"})
	for _, r := range results {
		if err := t.row([]any{r.Table, int64(r.Rows), int64(r.Rejected), int64(r.Warned), r.Fuel}); err != nil {
			return err
		}
	}
	if err := t.end(); err != nil {
		return err
	}
	for _, r := range results {
		for _, line := range r.First {
			if _, err := fmt.Fprintf(w, "%s: %s\n", r.Table, line); err != nil {
				return err
			}
		}
	}
	return nil
}
