package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/migrate"
)

const migratePlanExamples = `  engine migrate plan --dir migrations
  engine migrate plan --rehearse --dir migrations     # on a copy beside the database, which is only read
  engine migrate plan --rehearse --json | jq .rehearsal.locked_ms
`

type schemaPlan struct {
	schemaStatus
	Migrations    []plannedMigration `json:"migrations"`
	DatabaseBytes int64              `json:"database_bytes"`
	DiskNeeded    int64              `json:"disk_needed_bytes"`
	DiskFree      int64              `json:"disk_free_bytes"`
	Unverified    string             `json:"unverified,omitempty"`
	Rehearsal     *rehearsed         `json:"rehearsal,omitempty"`
}

type plannedMigration struct {
	Version     int      `json:"version"`
	Name        string   `json:"name"`
	Statements  []string `json:"statements"`
	Writes      []string `json:"writes"`
	Rebuilds    []string `json:"alters"`
	Destructive bool     `json:"destructive"`
}

type rehearsed struct {
	LockedMS int64    `json:"locked_ms"`
	TookMS   int64    `json:"took_ms"`
	DownMS   int64    `json:"down_ms"`
	DownErr  string   `json:"down_error,omitempty"`
	Lost     []string `json:"lost_by_down"`
	WALBytes int64    `json:"wal_bytes"`
	Rows     []string `json:"rows"`
	Checked  []string `json:"checked"`
}

func runMigratePlan(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	t := schemaFlags("plan", "[flags]", migratePlanExamples, stdout, stderr).withDatabase()
	rehearse := t.set.Bool("rehearse", false, "run it on a copy: up, down and up again")
	if code, done := t.parse(args, 0); done {
		return code
	}
	cfg := t.reading(ctx)
	cfg.ReadOnly = !*rehearse // which writes a copy beside the database
	return t.run(ctx, cfg, func(m *engine.Migrator) error {
		p, err := m.Plan(ctx)
		if err != nil {
			return err
		}
		out := schemaPlan{schemaStatus: t.status(p.Status), Migrations: []plannedMigration{}, DatabaseBytes: p.DatabaseBytes, DiskNeeded: p.DiskNeeded, DiskFree: p.DiskFree, Unverified: p.Unverified}
		for _, s := range p.Migrations {
			out.Migrations = append(out.Migrations, plannedMigration{s.Version, s.Name, s.Statements, s.Touches, s.Alters, s.Destructive})
		}
		if *rehearse && len(p.Status.Conflicts) == 0 && len(p.Status.Pending) > 0 {
			r, err := m.Rehearse(ctx)
			if err != nil {
				return err
			}
			out.Rehearsal = rehearsal(r)
		}
		if err := t.print(out, func(w io.Writer) { t.showPlan(w, p.Status, out) }); err != nil {
			return err
		}
		return statusCode(p.Status)
	})
}

func rehearsal(r *migrate.Rehearsal) *rehearsed {
	out := &rehearsed{LockedMS: r.Up.Locked.Milliseconds(), TookMS: r.Took.Milliseconds(), DownMS: r.Down.Milliseconds(), DownErr: r.DownErr, Lost: []string{}, WALBytes: r.WALBytes, Rows: []string{}, Checked: []string{}}
	for _, l := range r.Lost {
		out.Lost = append(out.Lost, l.String())
	}
	for _, a := range r.Up.Applied {
		for table, e := range a.Events {
			out.Rows = append(out.Rows, fmt.Sprintf("%04d %s: %d inserted, %d updated, %d deleted", a.Version, table, e.Inserted, e.Updated, e.Deleted))
		}
	}
	for _, c := range r.Up.Checks {
		out.Checked = append(out.Checked, fmt.Sprintf("%s: %d rows unchanged (%s)", c.Table, c.Rows, c.Method))
	}
	return out
}

func (t *schemaTarget) showPlan(w io.Writer, st migrate.Status, p schemaPlan) {
	t.showStatus(w, st)
	for _, m := range p.Migrations {
		fmt.Fprintf(w, "\n%04d %s\n", m.Version, m.Name)
		line := func(what string, list []string) {
			if len(list) > 0 {
				fmt.Fprintf(w, "  %-8s %s\n", what, strings.Join(list, ", "))
			}
		}
		line("writes", m.Writes)
		line("alters", m.Rebuilds)
		if m.Destructive {
			fmt.Fprintln(w, "  changes data that is there already: it is rehearsed on a copy first")
		}
		for _, s := range m.Statements {
			fmt.Fprintf(w, "    %s\n", firstLine(s))
		}
	}
	if len(p.Migrations) > 0 {
		fmt.Fprintf(w, "\ndatabase %s, needs %s of disk for the copy and the log, %s free\n", mebibytes(p.DatabaseBytes), mebibytes(p.DiskNeeded), mebibytes(p.DiskFree))
	}
	if p.Unverified != "" {
		fmt.Fprintf(w, "not compared with its history: %s\n", p.Unverified)
	}
	r := p.Rehearsal
	if r == nil {
		return
	}
	fmt.Fprintf(w, "\nrehearsed on a copy in %v: the writer was locked for %v, the log grew to %s, down took %v\n",
		time.Duration(r.TookMS)*time.Millisecond, time.Duration(r.LockedMS)*time.Millisecond, mebibytes(r.WALBytes), time.Duration(r.DownMS)*time.Millisecond)
	for _, s := range append(append([]string{}, r.Rows...), r.Checked...) {
		fmt.Fprintf(w, "  %s\n", s)
	}
	if r.DownErr != "" {
		fmt.Fprintf(w, "  it cannot be taken back: %s\n", r.DownErr)
	}
	for _, s := range r.Lost {
		fmt.Fprintf(w, "  taking it back drops %s\n", s)
	}
}

func firstLine(s string) string {
	line, rest, more := strings.Cut(strings.TrimSpace(s), "\n")
	if more && strings.TrimSpace(rest) != "" {
		return line + " …"
	}
	return line
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
