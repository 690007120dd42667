package bench

import (
	"context"
	"database/sql"
	"slices"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/sqlite/peer"
)

// contest runs two ways to do the same in turns of a few milliseconds and returns what each costs a call: the lower quartile
// of its turns. Whatever else the machine does meets both alike, and most of it meets neither at its best, so the ratio stands
// where the figures of two benchmarks one after the other do not.
func contest(t *testing.T, calls int, ours, theirs func(i int) error) (our, their time.Duration) {
	t.Helper()
	var times [2][]time.Duration
	i := 0
	for began := time.Now(); time.Since(began) < 4*time.Second; {
		for side, do := range []func(int) error{ours, theirs} {
			start := time.Now()
			for n := range calls {
				if err := do(i + n); err != nil {
					t.Fatal(err)
				}
			}
			times[side] = append(times[side], time.Since(start)/time.Duration(calls))
		}
		i += calls
	}
	for side := range times {
		slices.Sort(times[side])
	}
	return times[0][len(times[0])/4], times[1][len(times[1])/4]
}

// afterCommits is contest with a commit ahead of every call, so that no snapshot can be kept from the read before. The commits are
// not timed, the clock's own cost is in both figures.
func afterCommits(t *testing.T, db *engine.DB, ours, theirs func(i int) error) (our, their time.Duration) {
	t.Helper()
	var times [2][]time.Duration
	for i := range 3000 {
		for side, do := range []func(int) error{ours, theirs} {
			if _, err := db.Exec(t.Context(), "UPDATE fills SET px = px + 1 WHERE id = 1", engine.WithDurability(engine.Relaxed)); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if err := do(i); err != nil {
				t.Fatal(err)
			}
			times[side] = append(times[side], time.Since(start))
		}
	}
	for side := range times {
		slices.Sort(times[side])
	}
	return times[0][len(times[0])/2], times[1][len(times[1])/2]
}

// TestRatios is what reads cost through the engine beside the bare driver, and under database/sql beside the driver there.
func TestRatios(t *testing.T) {
	db, conn := fixture(t)
	path := conn.Filename("main").String()
	ctx := t.Context()
	var qty, px int64
	for _, c := range []struct {
		name         string
		bar          float64 // 0: none
		calls        int
		ours, theirs func(i int) error
	}{
		{"point read alone, bare driver", 1.25, 500, func(i int) error { return db.QueryRow(ctx, pointSQL, i%rowCount+1).Scan(&qty, &px) }, barePoint(t, conn)},
		{"scan of 10,000 rows, bare driver", 1.15, 1, func(int) error { return engineScan(ctx, db) }, bareScan(t, conn)},
		{"prepared point read by DB.SQL, driver under database/sql", 1, 500, sqlPoint(t, db.SQL()), sqlPoint(t, pool100(t, path))},
		{"scan by DB.SQL, driver under database/sql", 0, 1, sqlScan(t, db.SQL()), sqlScan(t, pool100(t, path))},
	} {
		our, their := contest(t, c.calls, c.ours, c.theirs)
		ratio := float64(our) / float64(their)
		t.Logf("%-60s %9v / %9v = %.2f", c.name, our, their, ratio)
		if c.bar > 0 && ratio > c.bar {
			t.Errorf("%s: %.2f times the cost, the bar is %.2f", c.name, ratio, c.bar)
		}
	}
	our, their := afterCommits(t, db, func(i int) error { return db.QueryRow(ctx, pointSQL, i%rowCount+1).Scan(&qty, &px) }, barePoint(t, conn))
	t.Logf("%-60s %9v / %9v = %.2f", "point read alone, after a commit, bare driver", our, their, float64(our)/float64(their))
	err := db.View(ctx, func(ctx context.Context, tx *engine.Tx) error {
		if err := conn.Exec("BEGIN"); err != nil {
			return err
		}
		defer conn.Exec("ROLLBACK")
		our, their := contest(t, 500, func(i int) error { return tx.QueryRow(ctx, pointSQL, i%rowCount+1).Scan(&qty, &px) }, barePoint(t, conn))
		t.Logf("%-60s %9v / %9v = %.2f", "point read in a transaction, bare driver", our, their, float64(our)/float64(their))
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func barePoint(t *testing.T, conn *sqlite3.Conn) func(int) error {
	t.Helper()
	s, _, err := conn.Prepare(pointSQL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	var sum int64
	return func(i int) error {
		if err := s.BindInt64(1, int64(i%rowCount+1)); err != nil {
			return err
		}
		if !s.Step() {
			return s.Err()
		}
		sum += s.ColumnInt64(0) + s.ColumnInt64(1)
		return s.Reset()
	}
}

func bareScan(t *testing.T, conn *sqlite3.Conn) func(int) error {
	t.Helper()
	s, _, err := conn.Prepare(scanSQL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	var sum int64
	return func(int) error {
		for s.Step() {
			note = s.ColumnText(3)
			sum += s.ColumnInt64(0) + s.ColumnInt64(1) + s.ColumnInt64(2) + int64(len(note))
		}
		return s.Reset()
	}
}

func engineScan(ctx context.Context, db *engine.DB) error {
	_, err := native{db}.Scan(ctx)
	return err
}

// pool100 is the driver under database/sql as a program has it that reads from many goroutines.
func pool100(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := peer.Open(path, peer.Options{Connections: 100, Full: true})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func sqlPoint(t *testing.T, db *sql.DB) func(int) error {
	t.Helper()
	t.Cleanup(func() { db.Close() })
	s, err := db.PrepareContext(t.Context(), pointSQL)
	if err != nil {
		t.Fatal(err)
	}
	var qty, px int64
	return func(i int) error { return s.QueryRowContext(t.Context(), int64(i%rowCount+1)).Scan(&qty, &px) }
}

func sqlScan(t *testing.T, db *sql.DB) func(int) error {
	t.Helper()
	t.Cleanup(func() { db.Close() })
	s, err := db.PrepareContext(t.Context(), scanSQL)
	if err != nil {
		t.Fatal(err)
	}
	return func(int) error {
		rows, err := s.QueryContext(t.Context())
		if err != nil {
			return err
		}
		defer rows.Close()
		var id, qty, px int64
		for rows.Next() {
			if err := rows.Scan(&id, &qty, &px, &note); err != nil {
				return err
			}
		}
		return rows.Err()
	}
}
