package shell

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

func (s *Shell) stats(context.Context, string) error {
	st := s.db.Stats()
	w, wal := st.Writer, st.WAL
	rows := [][]any{
		{"transactions committed", w.Jobs}, {"commits to the disk", w.Commits}, {"syncs of the log", st.Syncs},
		{"transactions rolled back", w.Failed}, {"transactions turned away", w.Refused}, {"transactions waiting", w.Waiting},
		{"leases that ran out", w.Limits.Expired}, {"statements interrupted", w.Limits.Interrupted},
		{"waits for another program", w.File.Busy}, {"commits of other programs", w.File.Foreign},
		{"log in use, bytes", wal.Used}, {"log on disk, bytes", wal.Bytes}, {"checkpoints", wal.Checkpoints}, {"snapshots ended for the log", wal.Ended},
		{"readers open", st.Readers.Open}, {"readers in use", st.Readers.InUse}, {"callers waiting for a reader", st.Readers.Waiting},
		{"analytics connections open", st.Analytics.Open}, {"maintenance connections open", st.Maintenance.Open},
		{"connections left behind", st.Leaked},
	}
	for _, r := range rows {
		n, err := strconv.ParseInt(fmt.Sprint(r[1]), 10, 64)
		if err != nil {
			return err
		}
		r[1] = n
	}
	return s.list([]string{"figure", "value"}, rows)
}

func (s *Shell) health(ctx context.Context, _ string) error {
	if s.tx != nil && !s.tx.readOnly {
		return errors.New("the check waits for the writer, which the open transaction has: COMMIT or ROLLBACK first")
	}
	h := s.db.Health(ctx)
	var rows [][]any
	for _, c := range h.Checks {
		rows = append(rows, CheckRow(c.Name, c.OK, c.Ready, c.Detail, c.Remedy))
	}
	if err := s.list([]string{"check", "state", "detail", "remedy"}, rows); err != nil {
		return err
	}
	if !h.OK {
		return errors.New("a check failed")
	}
	return nil
}

// CheckRow is a line of a table of checks: name, state, detail and remedy. A check that is not ok, but ready, is a warning.
func CheckRow(name string, ok, ready bool, detail, remedy string) []any {
	state := "ok"
	switch {
	case ok:
	case ready:
		state = "WARNING"
	default:
		state = "FAILED"
	}
	return []any{name, state, detail, cmp.Or(remedy, "-")}
}

func (s *Shell) ps(context.Context, string) error {
	var rows [][]any
	for _, u := range s.db.Sessions() {
		id := any(int64(u.ID))
		if u.ID == 0 {
			id = "-" // it waits
		}
		rows = append(rows, []any{id, u.Lane, u.Class.String(), cmp.Or(u.Name, "-"), u.State, u.Age.Round(time.Millisecond).String(), cmp.Or(u.Query, "-")})
	}
	return s.list([]string{"id", "lane", "class", "name", "state", "age", "query"}, rows)
}

func (s *Shell) kill(_ context.Context, args string) error {
	id, err := strconv.ParseUint(args, 10, 64)
	if err != nil || id == 0 {
		return errors.New(".kill wants the number of a session: .ps lists them")
	}
	if !s.db.Kill(id) {
		return fmt.Errorf("there is no session %d: it has ended, or never was (.ps lists them)", id)
	}
	fmt.Fprintln(s.cfg.Err, "killed; nothing of it is applied")
	return nil
}
