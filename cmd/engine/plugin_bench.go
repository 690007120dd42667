package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/sdk/abi"
)

const pluginBenchExamples = `  engine plugin bench lot-size
  engine plugin bench --test 1 --time 5s --json lot-size

The rows are those of a test of plugin.yaml, over and over. Time is the median of a call, encoding included; fuel is the same on every machine.
`

// benchedBatch is what --json prints about one size of batch.
type benchedBatch struct {
	Rows       int     `json:"rows"`
	Calls      int     `json:"calls"`
	NsPerRow   float64 `json:"ns_per_row"`
	FuelPerRow float64 `json:"fuel_per_row"`
	Verdicts   int     `json:"verdicts"`
	Pages      uint32  `json:"memory_pages"`
}

func runPluginBench(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("plugin bench", "[flags] FOLDER|FILE", pluginBenchExamples)
	asJSON := f.Bool("json", false, "print one JSON object a line")
	test := f.Int("test", 0, "the `number` of the test whose rows are taken")
	length := f.Duration("time", time.Second, "how long each size is called")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	dir, err := one(positional, "the folder of the plug-in, or its packed file")
	if err == nil && *length <= 0 {
		err = errors.New("--time must be more than nothing")
	}
	if err != nil {
		return misuse(stderr, "engine plugin bench", err)
	}
	m, u, err := hostedUnit(ctx, dir, func(m *plugins.Manifest) { m.Limits.Deadline = plugins.Duration(plugins.MaxDeadline) }) // what is slow is to be measured
	if err != nil {
		return failure(stderr, "plugin bench", err)
	}
	var results []benchedBatch
	for _, rows := range []int{1, 1000} {
		r, err := benchBatch(ctx, m, u, *test, rows, *length)
		if errors.Is(err, plugins.ErrFault) && len(m.Capabilities.Lookup) > 0 {
			err = fmt.Errorf("%w: there is no database here, so nobody answers its queries: name a test (--test) whose rows, repeated %s, ask none", err, count(int64(rows), "time"))
		}
		if err != nil {
			return failure(stderr, "plugin bench", errors.Join(err, u.Close()))
		}
		results = append(results, r)
	}
	if err = errors.Join(printBench(stdout, results, *asJSON), u.Close()); err != nil {
		return failure(stderr, "plugin bench", err)
	}
	return exitOK
}

// benchBatch calls a unit with batches of one size for some time.
func benchBatch(ctx context.Context, m *plugins.Manifest, u plugins.Unit, test, rows int, length time.Duration) (r benchedBatch, err error) {
	var b abi.Batch
	hook, at, err := m.Sample(test, rows, &b)
	if err != nil {
		return r, err
	}
	r.Rows = rows
	var took []time.Duration
	const most = 1 << 20 // of measurements that are kept
	for began := time.Now(); len(took) < 3 || time.Since(began) < length && len(took) < most; {
		from := time.Now()
		out, err := u.Call(ctx, hook, &b, at)
		if err != nil {
			return r, err
		}
		took = append(took, time.Since(from))
		r.FuelPerRow, r.Verdicts, r.Pages = float64(out.Fuel)/float64(rows), len(out.Verdicts), out.Pages
	}
	slices.Sort(took)
	r.Calls, r.NsPerRow = len(took), float64(took[len(took)/2].Nanoseconds())/float64(rows)
	return r, nil
}

func printBench(w io.Writer, results []benchedBatch, asJSON bool) error {
	if asJSON {
		lines := json.NewEncoder(w)
		for _, r := range results {
			if err := lines.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	t := newTable(w, []string{"rows", "calls", "ns/row", "fuel/row", "verdicts", "pages"})
	for _, r := range results {
		if err := t.row([]any{int64(r.Rows), int64(r.Calls), fmt.Sprintf("%.0f", r.NsPerRow), fmt.Sprintf("%.0f", r.FuelPerRow), int64(r.Verdicts), int64(r.Pages)}); err != nil {
			return err
		}
	}
	return t.end()
}
