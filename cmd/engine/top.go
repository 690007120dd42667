package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/shell"
)

var topVerb = verb{name: "top", summary: "watch a running server: load, latency by class, queues, breakers, log, alerts, statements", run: runTop}

const topExamples = `  engine top
  engine top --once
  engine top --interval 5s --server unix:/run/tidegate/engine.sock

It asks a running ` + "`engine serve`" + ` and shows what it says, again and again until Ctrl-C. Rates are those since the last look, percentiles those of the
latest one to two intervals of the server (telemetry.interval).
`

func runTop(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("top", "[flags]", topExamples)
	s := remoteFlags(f)
	once := f.Bool("once", false, "look once, and end")
	interval := f.Duration("interval", 2*time.Second, "how often to look")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	switch {
	case len(positional) > 0:
		return misuse(stderr, "engine top", errors.New("takes no arguments"))
	case *interval <= 0:
		return misuse(stderr, "engine top", errors.New("--interval must be more than nothing"))
	}
	server, err := s.connect()
	if err != nil {
		return failure(stderr, "top", err)
	}
	out, ok := stdout.(*os.File)
	clear := !*once && ok && term.IsTerminal(int(out.Fd()))
	ticker := time.NewTicker(*interval)
	defer ticker.Stop()
	var before *view
	for {
		now, err := lookAt(ctx, server)
		if err != nil {
			if !*once && ctx.Err() != nil {
				return exitOK // Ctrl-C is how it is meant to end
			}
			return failure(stderr, "top", err)
		}
		text := shell.Plain(now.text(server.where, before)) // statements are text of others
		if clear {
			text = "\x1b[H\x1b[2J" + text
		}
		if _, err := io.WriteString(stdout, text); err != nil {
			return failure(stderr, "top", err)
		}
		if *once {
			return exitOK
		}
		before = now
		select {
		case <-ticker.C:
			if !clear {
				fmt.Fprintln(stdout)
			}
		case <-ctx.Done():
			return exitOK
		}
	}
}

// view is one look at a server.
type view struct {
	at       time.Time
	figures  figures
	sessions sessionList
	slow     []engine.SlowEntry
}

func lookAt(ctx context.Context, server *remote) (*view, error) {
	v := &view{at: time.Now()}
	if err := server.call(ctx, "/v1/stats", nil, &v.figures); err != nil {
		return nil, err
	}
	if err := server.call(ctx, "/v1/sessions", nil, &v.sessions); err != nil {
		return nil, err
	}
	var log struct{ Slow []engine.SlowEntry }
	err := server.call(ctx, "/v1/slow?limit=5", nil, &log)
	var refused *refusedError
	if err != nil && (!errors.As(err, &refused) || refused.kind != "not_stored") { // where the slow log is off there is a top all the same
		return nil, err
	}
	v.slow = log.Slow
	return v, nil
}

// sum adds the values of a metric's series that have the labels, given as key and value in turn.
func (v *view) sum(name string, labels ...string) float64 {
	total := 0.0
	for i := range v.figures.Metrics {
		m := &v.figures.Metrics[i]
		match := m.Name == name && len(m.Points) > 0
		for k := 0; match && k+1 < len(labels); k += 2 {
			match = m.Labels[labels[k]] == labels[k+1]
		}
		if match {
			total += m.Points[0].Value
		}
	}
	return total
}

// rate is what came of a counter in a second since the look before; "-" at the first look.
func (v *view) rate(before *view, name string, labels ...string) string {
	if before == nil || !v.at.After(before.at) {
		return "-"
	}
	return fmt.Sprintf("%.1f/s", max(0, v.sum(name, labels...)-before.sum(name, labels...))/v.at.Sub(before.at).Seconds())
}

// text is the page.
func (v *view) text(where string, before *view) string {
	var b strings.Builder
	waiting := int(v.sum("engine.queue.waiting"))
	fmt.Fprintf(&b, "engine top  %s  %s\n\n", where, v.at.Format("15:04:05"))
	fmt.Fprintf(&b, "writer  %.0f %% busy, %s committed, %s failed, p95 of waits %s\n", 100*v.sum("engine.writer.busy_ratio"), v.rate(before, "engine.writer.transactions", "engine.writer.outcome", "committed"),
		v.rate(before, "engine.writer.transactions", "engine.writer.outcome", "failed"), v.percentile("engine.writer.wait"))
	fmt.Fprintf(&b, "queues  %d waiting, %s refused, %d sessions under way\n", waiting, v.rate(before, "engine.queue.refused"), len(v.sessions.Sessions))
	fmt.Fprintf(&b, "conns   %.0f used, %.0f idle, %.0f left behind\n", v.sum("db.client.connection.count", "db.client.connection.state", "used"),
		v.sum("db.client.connection.count", "db.client.connection.state", "idle"), v.sum("engine.connection.leaked"))
	fmt.Fprintf(&b, "log     %s used, %s on disk, file %s, %s free in it\n", bytesText(v.sum("sqlite.wal.used")), bytesText(v.sum("sqlite.wal.size")), bytesText(v.sum("sqlite.file.size")),
		bytesText(v.sum("sqlite.file.freelist")))
	fmt.Fprintf(&b, "disk    %s free; oldest snapshot %s\n", v.diskFree(), v.oldest())
	fmt.Fprintf(&b, "errors  %s; breakers %s; alerts %s\n\n", v.rate(before, "engine.errors"), v.breakers(), v.alerts())
	v.latencies(&b)
	v.statements(&b)
	v.slowest(&b)
	return b.String()
}

func (v *view) percentile(name string) string {
	for i := range v.figures.Metrics {
		if m := &v.figures.Metrics[i]; m.Name == name && len(m.Points) > 0 && m.Points[0].Count > 0 && len(m.Points[0].Quantiles) > 1 {
			return quantity(m.Points[0].Quantiles[1], m.Unit)
		}
	}
	return "-"
}

func (v *view) breakers() string {
	var open []string
	for i := range v.figures.Metrics {
		m := &v.figures.Metrics[i]
		if m.Name == "engine.breaker.state" && len(m.Points) > 0 && m.Points[0].Value > 0 {
			open = append(open, m.Labels["engine.breaker"]+map[bool]string{true: " open", false: " half open"}[m.Points[0].Value > 1])
		}
	}
	if open == nil {
		return "all closed"
	}
	return strings.Join(open, ", ")
}

// find is the first series of a metric; nil where there is none.
func (v *view) find(name string) *engine.MetricSeries {
	for i := range v.figures.Metrics {
		if m := &v.figures.Metrics[i]; m.Name == name && len(m.Points) > 0 {
			return m
		}
	}
	return nil
}

func (v *view) diskFree() string {
	if m := v.find("engine.disk.free"); m != nil {
		return bytesText(m.Points[0].Value)
	}
	return "-" // in memory, or nobody knows
}

// oldest is how old the oldest snapshot or transaction is.
func (v *view) oldest() string {
	if m := v.find("engine.snapshot.age"); m != nil && m.Points[0].Value > 0 {
		return quantity(m.Points[0].Value, m.Unit)
	}
	return "-"
}

// alerts counts those that go on, by severity.
func (v *view) alerts() string {
	if v.find("engine.alerts.firing") == nil {
		return "off"
	}
	var parts []string
	for _, severity := range []string{"critical", "warning", "info"} {
		if n := v.sum("engine.alerts.firing", "engine.alert.severity", severity); n > 0 {
			parts = append(parts, fmt.Sprintf("%.0f %s", n, severity))
		}
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func (v *view) latencies(b *strings.Builder) {
	fmt.Fprintf(b, "%-12s %-8s %10s %10s %10s %10s\n", "CLASS", "KIND", "LATELY", "P50", "P95", "P99")
	for i := range v.figures.Metrics {
		m := &v.figures.Metrics[i]
		if m.Name != "db.client.operation.duration" || len(m.Points) == 0 || m.Points[0].Count == 0 || len(m.Points[0].Quantiles) < 3 {
			continue
		}
		q := m.Points[0].Quantiles
		fmt.Fprintf(b, "%-12s %-8s %10d %10s %10s %10s\n", m.Labels["engine.class"], m.Labels["db.operation.name"], m.Points[0].Count, quantity(q[0], "s"), quantity(q[1], "s"), quantity(q[2], "s"))
	}
	b.WriteByte('\n')
}

func (v *view) statements(b *strings.Builder) {
	fmt.Fprintf(b, "%-16s %10s %10s %10s %10s  %s\n", "STATEMENT", "CALLS", "TOTAL", "P50", "P99", "TEXT")
	for i := range min(8, len(v.figures.Statements)) {
		s := &v.figures.Statements[i]
		fmt.Fprintf(b, "%-16s %10d %10s %10s %10s  %s\n", s.Fingerprint, s.Calls, rounded(s.Total), rounded(s.P50), rounded(s.P99), shortened(s.Text, 70))
	}
	b.WriteByte('\n')
}

func (v *view) slowest(b *strings.Builder) {
	fmt.Fprintf(b, "%-8s %-10s %-22s %s\n", "SLOW", "TOOK", "WHY", "TEXT")
	for i := range v.slow {
		e := &v.slow[i]
		fmt.Fprintf(b, "%-8d %-10s %-22s %s\n", e.ID, rounded(e.Duration), strings.Join(e.Reasons, " "), shortened(e.Text, 70))
	}
}

// shortened keeps a line a line.
func shortened(text string, limit int) string {
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) <= limit {
		return string(runes)
	}
	return string(runes[:limit-1]) + "…"
}
