package main

import (
	"context"
	"fmt"
	"io"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/migrate"
)

const migrateStatusExamples = `  engine migrate status --dir migrations
  engine migrate status --json | jq .pending
  engine migrate status --dir migrations && systemctl start trading   # 0: nothing pending, no conflict
`

// schemaStatus is what engine migrate status prints.
type schemaStatus struct {
	Database  string             `json:"database"`
	Current   int                `json:"current"`
	Latest    int                `json:"latest"`
	Epoch     int64              `json:"epoch"`
	Pending   []pendingMigration `json:"pending"`
	Conflicts []schemaConflict   `json:"conflicts"`
	Unsettled string             `json:"unsettled_run,omitempty"`
}

type pendingMigration struct {
	Component string `json:"component"`
	Version   int    `json:"version"`
	Name      string `json:"name"`
}

type schemaConflict struct {
	Code      string `json:"code"`
	Component string `json:"component,omitempty"`
	Version   int    `json:"version,omitempty"`
	Detail    string `json:"detail"`
	Remedy    string `json:"remedy"`
	Typed     string `json:"typed,omitempty"`
}

func (t *schemaTarget) status(st migrate.Status) schemaStatus {
	s := schemaStatus{Database: t.url, Current: st.Current, Latest: st.Latest, Epoch: st.Epoch, Pending: []pendingMigration{}, Conflicts: []schemaConflict{}}
	for _, m := range st.Pending {
		s.Pending = append(s.Pending, pendingMigration{m.Component, m.Version, m.Name})
	}
	for _, c := range st.Conflicts {
		s.Conflicts = append(s.Conflicts, schemaConflict{string(c.Code), c.Component, c.Version, c.Detail, c.Remedy, t.typed(c)})
	}
	if st.Unsettled != nil {
		s.Unsettled = st.Unsettled.ID
	}
	return s
}

// statusCode is the exit code of a database that stands like this.
func statusCode(st migrate.Status) error {
	switch {
	case len(st.Conflicts) > 0:
		return exitWith(exitConflict)
	case len(st.Pending) > 0:
		return exitWith(exitPending)
	}
	return nil
}

func runMigrateStatus(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	t := schemaFlags("status", "[flags]", migrateStatusExamples, stdout, stderr).withDatabase()
	if code, done := t.parse(args, 0); done {
		return code
	}
	return t.run(ctx, t.reading(ctx), func(m *engine.Migrator) error {
		st, err := m.Status(ctx)
		if err != nil {
			return err
		}
		if err := t.print(t.status(st), func(w io.Writer) { t.showStatus(w, st) }); err != nil {
			return err
		}
		return statusCode(st)
	})
}

func (t *schemaTarget) showStatus(w io.Writer, st migrate.Status) {
	fmt.Fprintf(w, "version %04d of %04d, epoch %d\n", st.Current, st.Latest, st.Epoch)
	for _, m := range st.Pending {
		fmt.Fprintf(w, "pending  %s%04d %s\n", component(m.Component), m.Version, m.Name)
	}
	if st.Unsettled != nil {
		fmt.Fprintf(w, "run %s ended before its probes; the next start goes on there\n", st.Unsettled.ID)
	}
	t.printConflicts(w, st.Conflicts)
}

// component is a prefix for what does not belong to the main schema.
func component(name string) string {
	if name == "" || name == migrate.Component {
		return ""
	}
	return name + " "
}
