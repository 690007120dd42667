package metric

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/histogram"
	"github.com/tidegate/engine/internal/sidecar"
)

// level is a resolution that is kept.
type level struct {
	name string
	step time.Duration
	keep time.Duration
}

// levels are what is kept, finest first; the step of the first is the interval of the store.
var levels = [...]level{{"raw", 0, 48 * time.Hour}, {"minute", time.Minute, 30 * 24 * time.Hour}, {"hour", time.Hour, 2 * 365 * 24 * time.Hour}}

// step is the distance of two points of a level.
func (l level) stepOf(interval time.Duration) time.Duration { return max(l.step, interval) }

// Schema is what a Store needs in its file. Times are seconds since 1970 and the begin of their interval. The value of a counter is what
// came in the interval, which is not there where nothing came; that of a gauge is its last one. Of minutes and hours, total and samples
// are the sum and the number of what they hold; low and high are those of gauges. The view metric is for people.
//
// Rows are ordered by time: each tick is appended to full pages, and what is old goes in one piece. A series is read by looking it up at
// each of its times.
func Schema() []string {
	out := []string{
		`CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, name TEXT NOT NULL, labels TEXT NOT NULL, kind TEXT NOT NULL, unit TEXT NOT NULL, UNIQUE (name, labels)) STRICT`,
		`CREATE TABLE IF NOT EXISTS rolled (level TEXT PRIMARY KEY, upto INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
		`CREATE TABLE IF NOT EXISTS raw (series INTEGER NOT NULL, at INTEGER NOT NULL, value REAL NOT NULL, PRIMARY KEY (at, series)) STRICT, WITHOUT ROWID`,
	}
	for _, l := range levels {
		if l.name != "raw" {
			out = append(out, `CREATE TABLE IF NOT EXISTS `+l.name+` (series INTEGER NOT NULL, at INTEGER NOT NULL, total REAL NOT NULL, samples INTEGER NOT NULL, low REAL, high REAL, PRIMARY KEY (at, series)) STRICT, WITHOUT ROWID`)
		}
		out = append(out, `CREATE TABLE IF NOT EXISTS `+l.name+`_histogram (series INTEGER NOT NULL, at INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (at, series)) STRICT, WITHOUT ROWID`)
	}
	return append(out, `CREATE VIEW IF NOT EXISTS metric AS
SELECT 'raw' AS level, at, name, labels, kind, unit, value FROM raw JOIN series ON series = id
UNION ALL SELECT 'minute', at, name, labels, kind, unit, iif(kind = 'counter', total, total / samples) FROM minute JOIN series ON series = id
UNION ALL SELECT 'hour', at, name, labels, kind, unit, iif(kind = 'counter', total, total / samples) FROM hour JOIN series ON series = id`)
}

// Store keeps readings in a file. It is safe for concurrent use.
type Store struct {
	file     *sidecar.File
	interval time.Duration
	limit    int64

	mu     sync.Mutex
	ids    map[string]int64 // of series
	values map[string]float64
	counts map[string]histogram.Snapshot
	rolled int64 // the minute up to which minutes are made, in seconds
	fresh  bool  // nothing was appended yet by this Store
	last   int64 // the interval that was written last
}

// NewStore returns a store in a file that has the Schema. interval is how often Append is called; limit is the size, in bytes, above which
// the oldest is given up whatever its age.
func NewStore(file *sidecar.File, interval time.Duration, limit int64) *Store {
	return &Store{file: file, interval: interval, limit: limit, ids: map[string]int64{}, values: map[string]float64{}, counts: map[string]histogram.Snapshot{}, fresh: true}
}

// Append stores what happened up to now since the last time, and makes the minutes and hours that have become complete.
func (s *Store) Append(ctx context.Context, now time.Time, readings []Reading) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.slot(now)
	err := s.write(ctx, at, readings)
	if sqlite.ClassOf(err) == sqlite.Full { // a limit that was lowered, or much else in the file: what is oldest makes room
		if err = s.shrink(ctx, now); err == nil {
			err = s.write(ctx, at, readings)
		}
	}
	if err != nil {
		return err
	}
	s.fresh, s.last = false, at
	// What was stored is the base of the next difference; after a failure the old one stays, and nothing is lost.
	for i := range readings {
		r := &readings[i]
		switch r.ID.Definition().Kind {
		case Counter:
			s.values[r.key()] = r.Value
		case Distribution:
			s.counts[r.key()] = r.Histogram
		}
	}
	if minute := now.Unix() / 60 * 60; minute != s.rolled {
		if err := s.roll(ctx, now); err != nil {
			return err
		}
		s.rolled = minute
	}
	return nil
}

// slot is the begin of the interval to which belongs what is appended now: the latest that is over. Where that has got its values already, because a tick
// came early or late or a process ends in the middle, it is the one that runs.
func (s *Store) slot(now time.Time) int64 {
	step := int64(s.interval / time.Second)
	at := now.Unix()/step*step - step
	if !s.fresh && (at == s.last || at == s.last-step) {
		return at + step
	}
	return at
}

func (s *Store) write(ctx context.Context, at int64, readings []Reading) error {
	err := s.file.Write(ctx, func(c *sqlite.Conn) error {
		for i := range readings {
			if err := s.append(c, at, &readings[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		clear(s.ids) // some may not have been committed
	}
	return err
}

func (s *Store) append(c *sqlite.Conn, at int64, r *Reading) error {
	key, d := r.key(), r.ID.Definition()
	switch d.Kind {
	case Distribution:
		since := r.Histogram.Since(s.counts[key])
		if since.Count == 0 {
			return nil
		}
		id, err := s.id(c, key, r)
		if err != nil {
			return err
		}
		// Nothing of such a fine step is kept of what has a series for each fingerprint.
		return s.appendHistogram(c, d.Stored, id, at, since)
	case Counter:
		came := r.Value - s.values[key]
		if came == 0 {
			return nil
		}
		id, err := s.id(c, key, r)
		if err != nil {
			return err
		}
		return sidecar.Run(c, "INSERT INTO raw (series, at, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value", id, at, came)
	}
	id, err := s.id(c, key, r)
	if err != nil {
		return err
	}
	return sidecar.Run(c, "INSERT OR REPLACE INTO raw (series, at, value) VALUES (?, ?, ?)", id, at, r.Value)
}

func (s *Store) appendHistogram(c *sqlite.Conn, minutes bool, id, at int64, h histogram.Snapshot) error {
	table := "raw_histogram"
	if minutes {
		table, at = "minute_histogram", at/60*60
	}
	// There may be one: of this minute, of before a restart, of before the clock was set back, of another process.
	err := sidecar.Each(c, "SELECT data FROM "+table+" WHERE series = ? AND at = ?", []any{id, at}, func(v []sqlite.Value) error {
		earlier, err := histogram.Decode(v[0].Bytes)
		h = h.Merge(earlier)
		return err
	})
	if err != nil {
		return err
	}
	return sidecar.Run(c, "INSERT OR REPLACE INTO "+table+" (series, at, data) VALUES (?, ?, ?)", id, at, h.AppendTo(nil))
}

// id finds the number of a series, which is made by its first reading.
func (s *Store) id(c *sqlite.Conn, key string, r *Reading) (int64, error) {
	if id, ok := s.ids[key]; ok {
		return id, nil
	}
	d, labels, id := r.ID.Definition(), labelText(r.Labels), int64(0)
	if err := sidecar.Run(c, "INSERT OR IGNORE INTO series (name, labels, kind, unit) VALUES (?, ?, ?, ?)", d.Name, labels, d.Kind.String(), d.Unit); err != nil {
		return 0, err
	}
	err := sidecar.Each(c, "SELECT id FROM series WHERE name = ? AND labels = ?", []any{d.Name, labels}, func(v []sqlite.Value) error {
		id = v[0].Int
		return nil
	})
	if err == nil && id == 0 {
		err = fmt.Errorf("the series %s %s is not there after it was made", d.Name, labels)
	}
	if err == nil {
		s.ids[key] = id
	}
	return id, err
}
