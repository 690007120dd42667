package metric

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/sidecar"
)

// mostCrowd is how many series there may be of what is only stored, which has one for each kind of statement: a program that writes its values into its SQL
// makes new ones all day. keptCrowd is how many of them stay then, those with the latest values.
const mostCrowd, keptCrowd = 5000, 2500

// Forget says that a series of a counter or a histogram begins at 0 when it comes again, and may not come: nothing of it stays in memory.
func (s *Store) Forget(id ID, labels []Label) {
	r := Reading{ID: id, Labels: labels}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := r.key()
	delete(s.ids, key)
	delete(s.values, key)
	delete(s.counts, key)
}

// disperse deletes the series of what is only stored that have had no values for longest, where there are too many.
func (s *Store) disperse(ctx context.Context, now time.Time) error {
	return s.file.Write(ctx, func(c *sqlite.Conn) error {
		for _, id := range All() {
			if d := id.Definition(); d.Stored && d.Kind == Distribution {
				if err := s.disperseOne(c, d.Name, now); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (s *Store) disperseOne(c *sqlite.Conn, name string, now time.Time) error {
	last := map[int64]int64{} // when each series had values the last time
	note := func(v []sqlite.Value) error {
		last[v[0].Int] = max(last[v[0].Int], v[1].Int)
		return nil
	}
	if err := sidecar.Each(c, "SELECT id, 0 FROM series WHERE name = ?", []any{name}, note); err != nil || len(last) <= mostCrowd {
		return err
	}
	for table, from := range map[string]int64{"hour_histogram": 0, "minute_histogram": now.Add(-2 * time.Hour).Unix()} {
		err := sidecar.Each(c, "SELECT series, max(at) FROM "+table+" WHERE at >= ? AND series IN (SELECT id FROM series WHERE name = ?) GROUP BY series", []any{from, name}, note)
		if err != nil {
			return err
		}
	}
	ids := slices.SortedFunc(maps.Keys(last), func(a, b int64) int { return cmp.Or(cmp.Compare(last[b], last[a]), cmp.Compare(b, a)) })
	gone, err := json.Marshal(ids[keptCrowd:])
	if err != nil {
		return err
	}
	for _, sql := range []string{"DELETE FROM minute_histogram WHERE series IN (SELECT value FROM json_each(?))", "DELETE FROM hour_histogram WHERE series IN (SELECT value FROM json_each(?))",
		"DELETE FROM series WHERE id IN (SELECT value FROM json_each(?))"} {
		if err := sidecar.Run(c, sql, string(gone)); err != nil {
			return err
		}
	}
	clear(s.ids) // some of them are not there any more
	return nil
}
