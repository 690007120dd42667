package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/sidecar"
)

// What is kept of the past.
const (
	keptEvents = 10_000
	keptEnded  = 1_000
)

// Schema is what a Shelf needs in its file. Times are milliseconds since 1970.
func Schema() []string {
	return []string{
		`CREATE TABLE IF NOT EXISTS alert (id INTEGER PRIMARY KEY, rule TEXT NOT NULL, labels TEXT NOT NULL, severity INTEGER NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL,
value REAL NOT NULL, most REAL NOT NULL, unit TEXT NOT NULL, since INTEGER NOT NULL, at INTEGER NOT NULL, ended INTEGER, told INTEGER NOT NULL, told_end INTEGER NOT NULL,
silence INTEGER NOT NULL, flapping INTEGER NOT NULL, note TEXT NOT NULL, diagnosis TEXT) STRICT`,
		`CREATE INDEX IF NOT EXISTS alert_open ON alert (id) WHERE ended IS NULL OR told_end < told`,
		`CREATE TABLE IF NOT EXISTS alert_event (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, alert INTEGER NOT NULL, rule TEXT NOT NULL, labels TEXT NOT NULL, what TEXT NOT NULL,
value REAL NOT NULL, unit TEXT NOT NULL) STRICT`,
		`CREATE TABLE IF NOT EXISTS alert_silence (id INTEGER PRIMARY KEY AUTOINCREMENT, rule TEXT NOT NULL, labels TEXT NOT NULL, until INTEGER NOT NULL, by TEXT NOT NULL, why TEXT NOT NULL,
made INTEGER NOT NULL) STRICT`,
		`CREATE TABLE IF NOT EXISTS alert_number (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
		`CREATE TABLE IF NOT EXISTS alert_teller (one INTEGER PRIMARY KEY CHECK (one = 1), owner TEXT NOT NULL, host TEXT NOT NULL, process INTEGER NOT NULL, heard_ms INTEGER NOT NULL) STRICT`,
	}
}

// Shelf keeps alerts in a file that has the Schema. It is safe for concurrent use.
type Shelf struct{ file *sidecar.File }

// NewShelf returns the shelf of a file.
func NewShelf(file *sidecar.File) *Shelf { return &Shelf{file} }

const columns = "id, rule, labels, severity, title, body, value, most, unit, since, at, ended, told, told_end, silence, flapping, note, diagnosis"

// save writes entries and what has happened in one transaction, and runs also in it.
func (s *Shelf) save(ctx context.Context, entries []*Entry, events []Happening, last int64, also func(*sqlite.Conn) error) error {
	return s.file.Write(ctx, func(c *sqlite.Conn) error {
		for _, e := range entries {
			if err := put(c, e); err != nil {
				return err
			}
		}
		for i := range events {
			h := &events[i]
			err := sidecar.Run(c, "INSERT INTO alert_event (at, alert, rule, labels, what, value, unit) VALUES (?, ?, ?, ?, ?, ?, ?)",
				h.At.UnixMilli(), h.Alert, h.Rule, encode(h.Labels), h.What, h.Value, h.Unit)
			if err != nil {
				return err
			}
		}
		if err := sidecar.Run(c, "INSERT INTO alert_number VALUES ('last', ?) ON CONFLICT DO UPDATE SET value = max(value, excluded.value)", last); err != nil {
			return err
		}
		if err := trim(c); err != nil {
			return err
		}
		return also(c)
	})
}

func put(c *sqlite.Conn, e *Entry) error {
	var ended, diagnosis any
	if e.Ended != nil {
		ended = e.Ended.UnixMilli()
	}
	if e.Diagnosis != nil {
		diagnosis = encode(e.Diagnosis)
	}
	return sidecar.Run(c, "INSERT OR REPLACE INTO alert ("+columns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", e.ID, e.Rule, encode(e.Labels), int64(e.Severity),
		e.Title, e.Body, e.Value, e.Limit, e.Unit, e.Since.UnixMilli(), e.At.UnixMilli(), ended, flag(e.Told), flag(e.toldEnd), e.Silence, flag(e.Flapping), e.Note, diagnosis)
}

// trim lets go of the oldest.
func trim(c *sqlite.Conn) error {
	if err := sidecar.Run(c, "DELETE FROM alert_event WHERE id <= (SELECT max(id) FROM alert_event) - ?", int64(keptEvents)); err != nil {
		return err
	}
	return sidecar.Run(c, "DELETE FROM alert WHERE ended IS NOT NULL AND told_end >= told AND id < (SELECT id FROM alert ORDER BY id DESC LIMIT 1 OFFSET ?)", int64(keptEnded))
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// encode writes what is stored as JSON, which does not fail for what is given to it.
func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "null"
	}
	return string(text)
}

// Open lists the alerts that go on, oldest first, and those whose end was not passed on yet.
func (s *Shelf) open(ctx context.Context) ([]*Entry, error) {
	return s.list(ctx, "WHERE ended IS NULL OR told_end < told ORDER BY id", nil)
}

// Latest lists the n newest alerts, newest first; with ongoing set those alone that go on.
//
// # Errors
//
// Those of reading the file.
func (s *Shelf) Latest(ctx context.Context, n int, ongoing bool) ([]*Entry, error) {
	where := ""
	if ongoing {
		where = "WHERE ended IS NULL "
	}
	return s.list(ctx, where+"ORDER BY id DESC LIMIT ?", []any{int64(n)})
}

func (s *Shelf) list(ctx context.Context, where string, args []any) (out []*Entry, err error) {
	err = s.file.Read(ctx, func(c *sqlite.Conn) error {
		return sidecar.Each(c, "SELECT "+columns+" FROM alert "+where, args, func(v []sqlite.Value) error {
			e, err := entryOf(v)
			if err == nil {
				out = append(out, e)
			}
			return err
		})
	})
	return out, err
}

// entryOf reads a row of the columns.
func entryOf(v []sqlite.Value) (*Entry, error) {
	e := &Entry{Alert: Alert{ID: v[0].Int, Rule: string(v[1].Bytes), Severity: Severity(v[3].Int), Title: string(v[4].Bytes), Body: string(v[5].Bytes), Value: v[6].Float, Limit: v[7].Float,
		Unit: string(v[8].Bytes), Since: time.UnixMilli(v[9].Int).UTC(), At: time.UnixMilli(v[10].Int).UTC(), Firing: v[11].Type == sqlite.Null, Flapping: v[15].Int == 1},
		Told: v[12].Int == 1, toldEnd: v[13].Int == 1, Silence: v[14].Int, Note: string(v[16].Bytes), saved: true}
	if !e.Firing {
		ended := time.UnixMilli(v[11].Int).UTC()
		e.Ended = &ended
	}
	if err := json.Unmarshal(v[2].Bytes, &e.Labels); err != nil {
		return nil, fmt.Errorf("the labels of alert %d: %w", e.ID, err)
	}
	e.group = identity(e.Labels)
	if v[17].Type == sqlite.Text {
		if err := json.Unmarshal(v[17].Bytes, &e.Diagnosis); err != nil {
			return nil, fmt.Errorf("the diagnosis of alert %d: %w", e.ID, err)
		}
	}
	return e, nil
}

// last is the highest number that an alert has ever got.
func (s *Shelf) last(ctx context.Context) (last int64, err error) {
	err = s.file.Read(ctx, func(c *sqlite.Conn) error {
		return sidecar.Each(c, "SELECT max(coalesce((SELECT max(id) FROM alert), 0), coalesce((SELECT value FROM alert_number WHERE name = 'last'), 0))", nil, func(v []sqlite.Value) error {
			last = v[0].Int
			return nil
		})
	})
	return last, err
}

// History lists the n latest things that have happened, newest first.
//
// # Errors
//
// Those of reading the file.
func (s *Shelf) History(ctx context.Context, n int) (out []Happening, err error) {
	err = s.file.Read(ctx, func(c *sqlite.Conn) error {
		return sidecar.Each(c, "SELECT at, alert, rule, labels, what, value, unit FROM alert_event ORDER BY id DESC LIMIT ?", []any{int64(n)}, func(v []sqlite.Value) error {
			h := Happening{At: time.UnixMilli(v[0].Int).UTC(), Alert: v[1].Int, Rule: string(v[2].Bytes), What: string(v[4].Bytes), Value: v[5].Float, Unit: string(v[6].Bytes)}
			out = append(out, h)
			return json.Unmarshal(v[3].Bytes, &out[len(out)-1].Labels)
		})
	})
	return out, err
}

// Silences lists the silences that have not ended at now, and 0 for all that are kept.
//
// # Errors
//
// Those of reading the file.
func (s *Shelf) Silences(ctx context.Context, now time.Time) (out []Silence, err error) {
	err = s.file.Read(ctx, func(c *sqlite.Conn) error {
		return sidecar.Each(c, "SELECT id, rule, labels, until, by, why, made FROM alert_silence WHERE until > ? ORDER BY id", []any{now.UnixMilli()}, func(v []sqlite.Value) error {
			out = append(out, Silence{ID: v[0].Int, Rule: string(v[1].Bytes), Until: time.UnixMilli(v[3].Int).UTC(), By: string(v[4].Bytes), Why: string(v[5].Bytes), Made: time.UnixMilli(v[6].Int).UTC()})
			return json.Unmarshal(v[2].Bytes, &out[len(out)-1].Labels)
		})
	})
	return out, err
}

// Silence keeps a silence, which begins now, and gives it its number. Those that ended a month ago are dropped.
//
// # Errors
//
// *SilenceError for one that makes no sense; those of writing the file.
func (s *Shelf) Silence(ctx context.Context, of Silence, now time.Time) (Silence, error) {
	if err := of.wrong(now); err != nil {
		return of, err
	}
	of.Made = now
	err := s.file.Write(ctx, func(c *sqlite.Conn) error {
		if err := sidecar.Run(c, "DELETE FROM alert_silence WHERE until < ?", now.Add(-30*24*time.Hour).UnixMilli()); err != nil {
			return err
		}
		err := sidecar.Run(c, "INSERT INTO alert_silence (rule, labels, until, by, why, made) VALUES (?, ?, ?, ?, ?, ?)", of.Rule, encode(of.Labels), of.Until.UnixMilli(), of.By, of.Why, now.UnixMilli())
		if err != nil {
			return err
		}
		of.ID, err = c.QueryInt("SELECT last_insert_rowid()")
		return err
	})
	return of, err
}

// EndSilence ends a silence before its time.
//
// # Errors
//
// *SilenceError where there is none of the number that goes on; those of writing the file.
func (s *Shelf) EndSilence(ctx context.Context, id int64, now time.Time) error {
	return s.file.Write(ctx, func(c *sqlite.Conn) error {
		n := int64(0)
		err := sidecar.Each(c, "UPDATE alert_silence SET until = ?1 WHERE id = ?2 AND until > ?1 RETURNING id", []any{now.UnixMilli(), id}, func([]sqlite.Value) error {
			n++
			return nil
		})
		if err == nil && n == 0 {
			err = &SilenceError{fmt.Sprintf("none of the number %d goes on", id)}
		}
		return err
	})
}
