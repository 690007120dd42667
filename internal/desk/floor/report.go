package floor

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk"
)

// Report is what a run did and how the engine took it.
type Report struct {
	Market     string      `json:"market"`
	Seed       uint64      `json:"seed"`
	Sessions   int         `json:"sessions"`
	Seconds    float64     `json:"seconds"`
	Counts     Counts      `json:"counts"`
	Writer     Writer      `json:"writer"`
	Latency    []Latency   `json:"latency"`
	Invariants []Invariant `json:"invariants"`
	Sound      bool        `json:"sound"` // every invariant holds
	Bytes      int64       `json:"database_bytes"`
}

// Writer is what the writer lane did.
type Writer struct {
	Transactions    uint64    `json:"transactions"`
	PerSecond       float64   `json:"transactions_per_second"`
	Durable         uint64    `json:"durable_transactions"`
	Groups          uint64    `json:"groups"`
	Fsyncs          int64     `json:"fsyncs"`
	DurablePerFsync float64   `json:"durable_transactions_per_fsync"`
	GroupSizes      [8]uint64 `json:"groups_of_1_2_4_8_16_32_64_128"`
	Expired         uint64    `json:"leases_expired"`
}

// Latency is how long a class of work took, in milliseconds.
type Latency struct {
	Class string  `json:"class"`
	Count uint64  `json:"count"`
	P50   float64 `json:"p50_ms"`
	P95   float64 `json:"p95_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

// Invariant is a rule and whether it holds.
type Invariant struct {
	Name    string `json:"name"`
	Rule    string `json:"rule"`
	Broken  int    `json:"broken_rows"`
	Example string `json:"example,omitempty"`
}

// describe says where market data come from.
func (cfg Config) describe() string {
	if len(cfg.Recordings) == 0 {
		return "simulated"
	}
	var parts []string
	for _, r := range cfg.Recordings {
		parts = append(parts, fmt.Sprintf("%s (%d events)", r.Listing.Symbol, r.Len()))
	}
	return "recorded " + strings.Join(parts, ", ") + "; the other instruments simulated"
}

func (f *Floor) report(ctx context.Context, before engine.Stats, elapsed time.Duration) (*Report, error) {
	after := f.db.Stats()
	r := &Report{Market: f.cfg.describe(), Seed: f.cfg.Seed, Sessions: f.cfg.Sessions, Seconds: elapsed.Seconds(), Counts: f.counts}
	w := &r.Writer
	w.Transactions, w.Groups = after.Writer.Jobs-before.Writer.Jobs, after.Writer.Commits-before.Writer.Commits
	w.PerSecond = float64(w.Transactions) / r.Seconds
	w.Fsyncs, w.Expired = after.Syncs-before.Syncs, after.Writer.Limits.Expired-before.Writer.Limits.Expired
	for i := range w.GroupSizes {
		w.GroupSizes[i] = after.Writer.GroupSize[i] - before.Writer.GroupSize[i]
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	for c := range classes {
		h := &f.times.of[c]
		name, durable := className(c)
		if durable {
			w.Durable += uint64(h.Count())
		}
		if h.Count() > 0 {
			r.Latency = append(r.Latency, Latency{Class: name, Count: uint64(h.Count()), P50: ms(h.Quantile(0.5)), P95: ms(h.Quantile(0.95)), P99: ms(h.Quantile(0.99)), Max: ms(h.Max())})
		}
	}
	w.DurablePerFsync = float64(w.Durable) / float64(max(w.Fsyncs, 1))
	verdicts, err := desk.Verify(ctx, f.db)
	if err != nil {
		return nil, err
	}
	r.Sound = desk.AllHold(verdicts)
	for _, v := range verdicts {
		r.Invariants = append(r.Invariants, Invariant{Name: v.Name, Rule: v.Rule, Broken: v.Broken, Example: v.Example})
	}
	err = f.db.QueryRow(ctx, `SELECT (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)`).Scan(&r.Bytes)
	return r, err
}

// Print writes the report for people.
func (r *Report) Print(w io.Writer) error {
	p := &printer{w: w}
	c := r.Counts
	p.line("market        %s", r.Market)
	p.line("sessions      %d for %.1f s, seed %d", r.Sessions, r.Seconds, r.Seed)
	p.line("trading       %d orders, %d fills, %d cancelled, %d vetoed by risk, %d rejected by venues", c.Orders, c.Fills, c.Cancels, c.Vetoes, c.Rejects)
	p.line("faults        %d duplicates ignored, %d busts booked, %d breaks kept for a person", c.Duplicates, c.Busts, c.Breaks)
	p.line("transactions  %d (%.0f/s), %d of them durable", r.Writer.Transactions, r.Writer.PerSecond, r.Writer.Durable)
	p.line("group commit  %d groups, %d fsyncs, %.1f durable transactions per fsync", r.Writer.Groups, r.Writer.Fsyncs, r.Writer.DurablePerFsync)
	p.line("group sizes   %s", sizes(r.Writer.GroupSizes))
	p.line("database      %.1f MB", float64(r.Bytes)/1e6)
	p.line("")
	p.line("%-12s %10s %9s %9s %9s %9s", "class", "count", "p50 ms", "p95 ms", "p99 ms", "max ms")
	for _, l := range r.Latency {
		p.line("%-12s %10d %9.2f %9.2f %9.2f %9.2f", l.Class, l.Count, l.P50, l.P95, l.P99, l.Max)
	}
	p.line("")
	for _, i := range r.Invariants {
		if i.Broken == 0 {
			p.line("ok      %s  %s", i.Name, i.Rule)
			continue
		}
		p.line("BROKEN  %s  %s: %d rows, the first: %s", i.Name, i.Rule, i.Broken, i.Example)
	}
	return p.err
}

func sizes(counts [8]uint64) string {
	names := []string{"1", "2-3", "4-7", "8-15", "16-31", "32-63", "64-127", "128"}
	var parts []string
	for i, n := range counts {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d", names[i], n))
		}
	}
	return strings.Join(parts, ", ")
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}
