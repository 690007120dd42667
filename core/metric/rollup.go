package metric

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/histogram"
	"github.com/tidegate/engine/internal/sidecar"
)

// roll makes the minutes and hours that are complete, from the level below each, and lets go of what is too old or too much. A process that
// was down makes up for what it had not made.
func (s *Store) roll(ctx context.Context, now time.Time) error {
	for i := 1; i < len(levels); i++ {
		to := now.Truncate(levels[i].step).Unix()
		rolled := false
		err := s.file.Write(ctx, func(c *sqlite.Conn) error {
			from := now.Add(-levels[i-1].keep).Unix()
			err := sidecar.Each(c, "SELECT upto FROM rolled WHERE level = ?", []any{levels[i].name}, func(v []sqlite.Value) error {
				from = max(from, v[0].Int)
				return nil
			})
			if err != nil || from >= to {
				return err
			}
			rolled = true
			if err := rollValues(c, i, from, to); err != nil {
				return err
			}
			if err := rollHistograms(c, i, from, to); err != nil {
				return err
			}
			return sidecar.Run(c, "INSERT OR REPLACE INTO rolled VALUES (?, ?)", levels[i].name, to)
		})
		if err != nil {
			return err
		}
		if rolled && levels[i].step == time.Hour {
			if err := s.expire(ctx, now); err != nil {
				return err
			}
		}
	}
	return s.shrink(ctx, now)
}

func rollValues(c *sqlite.Conn, i int, from, to int64) error {
	step := int64(levels[i].step / time.Second)
	sums := "sum(v.value), count(*), iif(s.kind = 'gauge', min(v.value), NULL), iif(s.kind = 'gauge', max(v.value), NULL)"
	if i > 1 {
		sums = "sum(v.total), sum(v.samples), min(v.low), max(v.high)"
	}
	return sidecar.Run(c, fmt.Sprintf(`INSERT OR REPLACE INTO %s (at, series, total, samples, low, high)
SELECT v.at / %d * %d AS start, v.series, %s FROM %s v JOIN series s ON s.id = v.series WHERE v.at >= ? AND v.at < ? GROUP BY start, v.series`,
		levels[i].name, step, step, sums, levels[i-1].name), from, to)
}

func rollHistograms(c *sqlite.Conn, i int, from, to int64) error {
	type place struct{ series, at int64 }
	step := int64(levels[i].step / time.Second)
	merged := map[place]histogram.Snapshot{}
	sql := "SELECT series, at, data FROM " + levels[i-1].name + "_histogram WHERE at >= ? AND at < ?"
	err := sidecar.Each(c, sql, []any{from, to}, func(v []sqlite.Value) error {
		h, err := histogram.Decode(v[2].Bytes)
		if err != nil {
			return err
		}
		p := place{v[0].Int, v[1].Int / step * step}
		merged[p] = merged[p].Merge(h)
		return nil
	})
	places := slices.SortedFunc(maps.Keys(merged), func(a, b place) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.series, b.series)) })
	for _, p := range places {
		if err == nil {
			err = sidecar.Run(c, "INSERT OR REPLACE INTO "+levels[i].name+"_histogram (series, at, data) VALUES (?, ?, ?)", p.series, p.at, merged[p].AppendTo(nil))
		}
	}
	return err
}

// expire deletes what is older than its level keeps.
func (s *Store) expire(ctx context.Context, now time.Time) error {
	for _, l := range levels {
		if err := s.deleteBefore(ctx, l, now.Add(-l.keep).Unix()); err != nil {
			return err
		}
	}
	return s.disperse(ctx, now)
}

func (s *Store) deleteBefore(ctx context.Context, l level, at int64) error {
	return s.file.Write(ctx, func(c *sqlite.Conn) error {
		return errors.Join(sidecar.Run(c, "DELETE FROM "+l.name+" WHERE at < ?", at), sidecar.Run(c, "DELETE FROM "+l.name+"_histogram WHERE at < ?", at))
	})
}

// full is how much of the limit may be in use: what remains is for a tick and for what else lies in the file.
const full = 0.85

// shrink gives up the oldest quarter of the finest level that has more than an hour, until there is room.
func (s *Store) shrink(ctx context.Context, now time.Time) error {
	for range 64 {
		used, err := s.file.Used()
		if err != nil || float64(used) < full*float64(s.limit) {
			return err
		}
		done := false
		for _, l := range levels {
			oldest, err := s.oldest(ctx, l)
			if err != nil {
				return err
			}
			span := now.Unix() - oldest
			if oldest == 0 || span <= 3600 && l.step < time.Hour {
				continue
			}
			if err := s.deleteBefore(ctx, l, oldest+max(span/4, 3600)); err != nil {
				return err
			}
			done = true
			break
		}
		if !done {
			return nil
		}
	}
	return nil
}

// oldest is the time of the oldest value of a level; 0 where there is none.
func (s *Store) oldest(ctx context.Context, l level) (at int64, err error) {
	return oldestOf(ctx, s.file, l)
}

func oldestOf(ctx context.Context, file *sidecar.File, l level) (at int64, err error) {
	err = file.Read(ctx, func(c *sqlite.Conn) error {
		for _, table := range []string{l.name, l.name + "_histogram"} {
			err := sidecar.Each(c, "SELECT min(at) FROM "+table, nil, func(v []sqlite.Value) error {
				if v[0].Type == sqlite.Integer && (at == 0 || v[0].Int < at) {
					at = v[0].Int
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return at, err
}
