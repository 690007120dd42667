package upset

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/torture"
	"github.com/tidegate/engine/internal/torture/pulse"
)

// Move takes the files away from under a database.
func Move() torture.Scenario {
	return torture.Scenario{Name: "moved-under-load", Promise: "P7", Run: moves,
		About: "database, -wal and -shm renamed, replaced and unlinked beside writers and readers; nothing is acknowledged into them for more than a second, no log or index costs a row, no file is damaged"}
}

// move is what happens to which file. ends is "" for the database itself. Overlaid is replaced by somebody who forgets the log.
type move struct{ ends, how string }

func (m move) String() string {
	name := map[string]string{"": "database", "-wal": "wal", "-shm": "shm"}[m.ends]
	return name + "_" + m.how
}

func moves(ctx context.Context, e *torture.Env) (result torture.Result, err error) {
	machine := pulse.New()
	defer machine.Close()
	for i, ends := range []string{"", "-wal", "-shm"} {
		for k, how := range []string{"renamed", "replaced", "unlinked", "overlaid"} {
			if how == "overlaid" && ends != "" {
				continue
			}
			if e.Scale == torture.Short && k != (i+1)%3 && k != 3 {
				continue // one of each, for seconds are what the limit is about
			}
			m := move{ends, how}
			f := found{machine: machine}
			for run := range torture.Pick(e.Scale, 1, 20) {
				dir := filepath.Join(e.Dir, fmt.Sprintf("%s%d", m, run))
				if err := os.Mkdir(dir, 0o700); err != nil {
					return result, err
				}
				if err := f.try(ctx, dir, m); err != nil {
					return result, fmt.Errorf("%s: %w", m, err)
				}
				result.Cases++
			}
			result.Add(m.String()+"_noticed", f.noticed.Seconds()*1000, "ms")
			result.Add(m.String()+"_latest_lost", f.latest.Seconds()*1000, "ms")
			result.Count(m.String()+"_lost", f.lost)
			if m.ends != "" {
				result.Count(m.String()+"_earlier_lost", f.earlier)
			}
			result.Count(m.String()+"_refused", f.refused)
			result.Count(m.String()+"_damaged", f.damaged)
			if err := f.verdict(m); err != nil {
				return result, err
			}
			e.Log("%s: noticed after %v at most; %d rows acknowledged meanwhile are not in the file at the path, the last one after %v", m,
				f.noticed.Round(time.Millisecond), f.lost, f.latest.Round(time.Millisecond))
		}
	}
	return result, nil
}

// found is the worst of the runs of one move.
type found struct {
	machine         *pulse.Pulse
	noticed, latest time.Duration // less what the machine stopped us for
	lost            int           // rows acknowledged after the move
	earlier         int           // and before it
	refused         int           // runs after which writes were refused
	damaged         int           // runs after which the file at the path was damaged
}

func (f *found) try(ctx context.Context, dir string, m move) (err error) {
	path := filepath.Join(dir, "row.db")
	other := filepath.Join(dir, "other.db")
	db, err := fresh(ctx, path)
	if err != nil {
		return err
	}
	closed := false
	defer func() {
		if !closed {
			_ = db.Close() // an earlier error says more
		}
	}()
	twin, err := fresh(ctx, other)
	if err == nil {
		err = twin.Close()
	}
	if err != nil {
		return err
	}
	c := gather(ctx, db, 4, 2)
	defer c.leave()
	if err := until(ctx, "rows", func() bool { return c.acked() >= 50 }); err != nil {
		return err
	}
	at := time.Now()
	if err := m.do(path, other); err != nil {
		return err
	}
	if err := until(ctx, "the engine to notice", func() bool { return db.Stats().Writer.File.Moved > 0 }); err != nil {
		return err
	}
	noticed := time.Now()
	f.noticed = max(f.noticed, noticed.Sub(at)-f.machine.Noise(at, noticed))
	if err := until(ctx, "what comes after the limit", func() bool { return time.Since(at) > limit+300*time.Millisecond }); err != nil {
		return err
	}
	gone := m.ends == "" && m.how != "replaced" && m.how != "overlaid"
	if m.ends == "" && !gone {
		enough := c.acked() + 10
		if err := until(ctx, "writes to go on in the other database", func() bool { return c.acked() >= enough }); err != nil {
			return err
		}
	}
	c.leave()
	if _, err := db.Exec(ctx, "UPDATE row SET pad = pad WHERE n = 0"); err != nil {
		f.refused++ // without its log a database may be damaged: then it is in quarantine
	}
	closed = true
	if err := db.Close(); err != nil && !gone {
		return err
	}
	if gone {
		return f.compare(c.notes, at, nil)
	}
	there, err := left(ctx, path)
	if err != nil {
		f.damaged++
	}
	return f.compare(c.notes, at, there)
}

// verdict is what no run may find. Rows that went to a database which was then moved away are where that is; a log or an index that is
// taken away may cost nothing.
func (f *found) verdict(m move) error {
	switch {
	case f.damaged > 0:
		return fmt.Errorf("%s: the file at the path was damaged in %d runs", m, f.damaged)
	case m.ends == "":
		return nil
	case f.earlier > 0 || f.lost > 0:
		return fmt.Errorf("%s: %d rows acknowledged before it and %d after it are lost", m, f.earlier, f.lost)
	case f.refused > 0:
		return fmt.Errorf("%s: writes were refused for good in %d runs", m, f.refused)
	}
	return nil
}

// left returns the rows of the database at the path.
func left(ctx context.Context, path string) (there map[int64]bool, err error) {
	cfg := engine.DefaultConfig(path)
	cfg.Create, cfg.Logger = false, quiet()
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if there, err = present(ctx, db); err != nil {
		return nil, err
	}
	return there, torture.Intact(ctx, db)
}

// compare looks which acknowledged rows are in the database at the path.
func (f *found) compare(notes []note, at time.Time, there map[int64]bool) error {
	for _, k := range notes {
		switch {
		case there[k.n]:
		case k.at.Before(at):
			f.earlier++
		default:
			f.lost++
			f.latest = max(f.latest, k.at.Sub(at)-f.machine.Noise(at, k.at))
		}
	}
	if f.latest > limit {
		return fmt.Errorf("row acknowledged %v after the move is not in the file at the path", f.latest)
	}
	return nil
}

// fresh opens a new database whose table is in the file and not in the log, which may be taken away.
func fresh(ctx context.Context, path string) (*engine.DB, error) {
	cfg := engine.DefaultConfig(path)
	cfg.Logger = quiet()
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	_, err = db.Exec(ctx, createRows)
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	return engine.Open(ctx, cfg)
}

// do moves the file. Who replaces a database should take its log away with it, or a start would play the log into the other.
func (m move) do(path, other string) error {
	from := path + m.ends
	switch m.how {
	case "renamed":
		return os.Rename(from, from+".away")
	case "unlinked":
		return os.Remove(from)
	}
	if m.ends == "" {
		if err := os.Rename(other, path); err != nil || m.how == "overlaid" {
			return err
		}
		for _, ends := range []string{"-wal", "-shm"} {
			if err := os.Remove(path + ends); err != nil && !os.IsNotExist(err) {
				return err
			}
		}
		return nil
	}
	empty := strings.TrimSuffix(other, ".db") + m.ends
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		return err
	}
	return os.Rename(empty, from)
}
