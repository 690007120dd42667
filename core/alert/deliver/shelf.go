package deliver

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/tidegate/engine/core/alert"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/sidecar"
)

// keptDelivered is how many letters that have arrived are remembered, so that an alert that is noted again is not told again; keptDead is how
// many dead ones are kept, for all sinks together.
const (
	keptDelivered = 5000
	keptDead      = 1000
)

// shelf keeps letters in a file.
type shelf struct {
	file   *sidecar.File
	source string
}

// openShelf reads the name by which this file's letters are told from those of others, or makes one.
func openShelf(ctx context.Context, file *sidecar.File) (*shelf, error) {
	s := &shelf{file: file}
	return s, file.Write(ctx, func(c *sqlite.Conn) error {
		err := sidecar.Run(c, "INSERT OR IGNORE INTO alert_source (one, name) VALUES (1, ?)", newSource())
		if err == nil {
			s.source, err = c.QueryText("SELECT name FROM alert_source")
		}
		return err
	})
}

func newSource() string { return rand.Text()[:12] }

// add notes an alert for a sink. One that was noted before is left as it is. Where more than most wait, the oldest becomes a dead letter.
// over is how many.
func (s *shelf) add(c *sqlite.Conn, sink string, a *alert.Alert, now time.Time, most int) (over int64, err error) {
	text, err := json.Marshal(finite(*a))
	if err != nil {
		return 0, fmt.Errorf("alert %d cannot be written down: %w", a.ID, err)
	}
	err = sidecar.Run(c, "INSERT OR IGNORE INTO alert_letter (sink, alert_id, firing, payload, queued_ms, next_ms) VALUES (?, ?, ?, ?, ?, ?)",
		sink, a.ID, a.Firing, string(text), now.UnixMilli(), now.UnixMilli())
	if err == nil {
		err = sidecar.Run(c, `UPDATE alert_letter SET state = 2, ended_ms = ?3, reason = 'too many were waiting' WHERE id IN
  (SELECT id FROM alert_letter WHERE state = 0 AND sink = ?1 ORDER BY id LIMIT max(0, (SELECT count(*) FROM alert_letter WHERE state = 0 AND sink = ?1) - ?2))`,
			sink, most, now.UnixMilli())
	}
	if err != nil {
		return 0, err
	}
	return c.Changes(), nil
}

// finite makes an alert that JSON can hold.
func finite(a alert.Alert) alert.Alert {
	a.Value, a.Limit = number(a.Value), number(a.Limit)
	return a
}

func number(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return max(-math.MaxFloat64, min(v, math.MaxFloat64))
}

const columns = "id, sink, payload, queued_ms, ended_ms, attempts, next_ms, reason"

func (s *shelf) find(ctx context.Context, where string, args ...any) ([]Letter, error) {
	out := []Letter{}
	err := s.file.Read(ctx, func(c *sqlite.Conn) error {
		return sidecar.Each(c, "SELECT "+columns+" FROM alert_letter l WHERE "+where, args, func(v []sqlite.Value) error {
			l := Letter{ID: v[0].Int, Sink: string(v[1].Bytes), Queued: moment(v[3].Int), Ended: moment(v[4].Int), Attempts: int(v[5].Int), Next: moment(v[6].Int), Reason: string(v[7].Bytes)}
			if err := json.Unmarshal(v[2].Bytes, &l.Alert); err != nil {
				return fmt.Errorf("letter %d is not what was written: %w", l.ID, err)
			}
			out = append(out, l)
			return nil
		})
	})
	return out, err
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// waiting are the letters of a sink that no earlier one of the same alert holds up, those that are due first.
func (s *shelf) waiting(ctx context.Context, sink string) ([]Letter, error) {
	return s.find(ctx, `state = 0 AND sink = ? AND NOT EXISTS
  (SELECT 1 FROM alert_letter e WHERE e.state = 0 AND e.sink = l.sink AND e.alert_id = l.alert_id AND e.id < l.id) ORDER BY next_ms, id LIMIT 16`, sink)
}

// holds reports whether a letter of the place waits.
func (s *shelf) holds(ctx context.Context, p place) (bool, error) {
	found, err := s.find(ctx, "state = 0 AND sink = ? AND alert_id = ? LIMIT 1", p.sink, p.alert)
	return len(found) > 0, err
}

// settle writes down what became of an attempt.
func (s *shelf) settle(ctx context.Context, l *Letter, state int) error {
	return s.file.Write(ctx, func(c *sqlite.Conn) error {
		ended := int64(0)
		if state != pending {
			ended = l.Ended.UnixMilli()
		}
		err := sidecar.Run(c, "UPDATE alert_letter SET state = ?, ended_ms = ?, attempts = ?, next_ms = ?, reason = ? WHERE id = ? AND (state = 0 OR ?1 <> 0)",
			state, ended, l.Attempts, l.Next.UnixMilli(), l.Reason, l.ID) // one that had to make room stays a dead one, unless it has arrived after all
		if err == nil && state != pending {
			err = s.sweep(c, state)
		}
		return err
	})
}

// sweep forgets the oldest. What has begun and is not over is never forgotten: it is what is repeated.
func (s *shelf) sweep(c *sqlite.Conn, state int) error {
	if state == dead {
		return sidecar.Run(c, "DELETE FROM alert_letter WHERE state = 2 AND id IN (SELECT id FROM alert_letter WHERE state = 2 ORDER BY ended_ms DESC, id DESC LIMIT -1 OFFSET ?)", keptDead)
	}
	return sidecar.Run(c, `DELETE FROM alert_letter WHERE id IN (SELECT id FROM alert_letter l WHERE state = 1 AND
  (firing = 0 OR EXISTS (SELECT 1 FROM alert_letter e WHERE e.sink = l.sink AND e.alert_id = l.alert_id AND e.firing = 0)) ORDER BY id DESC LIMIT -1 OFFSET ?)`, keptDelivered)
}

// firing are the letters that have arrived at a sink and whose alerts are not over.
func (s *shelf) firing(ctx context.Context, sink string) ([]Letter, error) {
	return s.find(ctx, `state = 1 AND firing = 1 AND sink = ? AND NOT EXISTS
  (SELECT 1 FROM alert_letter e WHERE e.sink = l.sink AND e.alert_id = l.alert_id AND e.firing = 0) ORDER BY id`, sink)
}

// dead are the dead letters, newest first.
func (s *shelf) dead(ctx context.Context, limit int) ([]Letter, error) {
	return s.find(ctx, "state = 2 ORDER BY ended_ms DESC, id DESC LIMIT ?", limit)
}

// revive puts dead letters back into their lines; id 0 is all of them. Where the word that an alert is over has arrived before its beginning, it comes
// again after it, or the alert would go on for ever.
func (s *shelf) revive(ctx context.Context, id int64, sinks func(string) bool, now time.Time) (n int, err error) {
	err = s.file.Write(ctx, func(c *sqlite.Conn) error {
		var ids []int64
		err := sidecar.Each(c, "SELECT id, sink FROM alert_letter WHERE state = 2 AND (?1 = 0 OR id = ?1)", []any{id}, func(v []sqlite.Value) error {
			if sinks(string(v[1].Bytes)) {
				ids = append(ids, v[0].Int)
			}
			return nil
		})
		for _, id := range ids {
			if err == nil {
				err = sidecar.Run(c, "UPDATE alert_letter SET state = 0, ended_ms = 0, attempts = 0, queued_ms = ?, next_ms = ? WHERE id = ?", now.UnixMilli(), now.UnixMilli(), id)
			}
			if err == nil {
				err = sidecar.Run(c, `UPDATE alert_letter SET state = 0, ended_ms = 0, attempts = 0, queued_ms = ?1, next_ms = ?1 WHERE state = 1 AND firing = 0 AND
  EXISTS (SELECT 1 FROM alert_letter f WHERE f.id = ?2 AND f.firing = 1 AND f.sink = alert_letter.sink AND f.alert_id = alert_letter.alert_id)`, now.UnixMilli(), id)
			}
		}
		n = len(ids)
		return err
	})
	return n, err
}

// orphans turns what waits for sinks that are not configured any more into dead letters.
func (s *shelf) orphans(ctx context.Context, known func(string) bool, now time.Time) (n int, err error) {
	err = s.file.Write(ctx, func(c *sqlite.Conn) error {
		var gone []string
		err := sidecar.Each(c, "SELECT DISTINCT sink FROM alert_letter WHERE state = 0", nil, func(v []sqlite.Value) error {
			if sink := string(v[0].Bytes); !known(sink) {
				gone = append(gone, sink)
			}
			return nil
		})
		for _, sink := range gone {
			if err == nil {
				err = sidecar.Run(c, "UPDATE alert_letter SET state = 2, ended_ms = ?, reason = 'the sink is not configured any more' WHERE state = 0 AND sink = ?", now.UnixMilli(), sink)
				n += int(c.Changes())
			}
		}
		return err
	})
	return n, err
}

// count is how many letters of a sink are in a state.
func (s *shelf) count(ctx context.Context) (map[string][2]int, error) {
	out := map[string][2]int{}
	err := s.file.Read(ctx, func(c *sqlite.Conn) error {
		return sidecar.Each(c, "SELECT sink, state, count(*) FROM alert_letter WHERE state IN (0, 2) GROUP BY sink, state", nil, func(v []sqlite.Value) error {
			n := out[string(v[0].Bytes)]
			n[v[1].Int/2] = int(v[2].Int)
			out[string(v[0].Bytes)] = n
			return nil
		})
	})
	return out, err
}
