package engine_test

import (
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

func TestScanTime(t *testing.T) {
	t.Parallel()
	db := openAt(t, "sqlite://")
	at := func(y int, m time.Month, d, h, min, s, ns int) time.Time {
		return time.Date(y, m, d, h, min, s, ns, time.UTC)
	}
	for _, c := range []struct {
		expr string
		want time.Time
	}{
		{"'2024-05-01 12:34:56.123456'", at(2024, 5, 1, 12, 34, 56, 123456000)},       // SQLAlchemy DateTime
		{"'2024-05-01 12:34:56.000000'", at(2024, 5, 1, 12, 34, 56, 0)},               // the same, whole seconds
		{"'2024-05-01'", at(2024, 5, 1, 0, 0, 0, 0)},                                  // SQLAlchemy Date
		{"'2024-05-01 12:34:56.123456+02:00'", at(2024, 5, 1, 10, 34, 56, 123456000)}, // Django with a zone
		{"'2024-05-01T12:34:56.123456789Z'", at(2024, 5, 1, 12, 34, 56, 123456789)},   // this engine
		{"'2024-05-01T12:34:56Z'", at(2024, 5, 1, 12, 34, 56, 0)},
		{"'2024-05-01T12:34:56-05:30'", at(2024, 5, 1, 18, 4, 56, 0)},
		{"'2024-05-01T12:34:56'", at(2024, 5, 1, 12, 34, 56, 0)}, // isoformat()
		{"'2024-05-01 12:34'", at(2024, 5, 1, 12, 34, 0, 0)},
		{"'2024-05-01T12:34'", at(2024, 5, 1, 12, 34, 0, 0)},
		{"'2024-05-01 12:34:56 +0200'", at(2024, 5, 1, 10, 34, 56, 0)}, // git and Ruby
		{"'2024-05-01 12:34:56.5 +0000 UTC'", at(2024, 5, 1, 12, 34, 56, 500000000)},
		{"' 2024-05-01 12:34:56 '", at(2024, 5, 1, 12, 34, 56, 0)},
		{"datetime('2024-05-01 12:34:56')", at(2024, 5, 1, 12, 34, 56, 0)},
		{"strftime('%Y-%m-%d %H:%M:%f', '2024-05-01 12:34:56.789')", at(2024, 5, 1, 12, 34, 56, 789000000)},
		{"1714566896", at(2024, 5, 1, 12, 34, 56, 0)},
		{"1714566896123", at(2024, 5, 1, 12, 34, 56, 123000000)},
		{"1714566896123456", at(2024, 5, 1, 12, 34, 56, 123456000)},
		{"1714566896123456789", at(2024, 5, 1, 12, 34, 56, 123456789)},
		{"0", at(1970, 1, 1, 0, 0, 0, 0)}, {"-1", at(1969, 12, 31, 23, 59, 59, 0)},
		{"julianday('2024-05-01 12:34:56.789')", at(2024, 5, 1, 12, 34, 56, 789000000)},
		{"2440587.5", at(1970, 1, 1, 0, 0, 0, 0)},
		{"'0001-01-01 00:00:00'", time.Time{}},
	} {
		var got time.Time
		var null sql.NullTime
		var generic sql.Null[time.Time]
		var pointer *time.Time
		for _, dest := range []any{&got, &null, &generic, &pointer} {
			if err := db.QueryRow(t.Context(), "SELECT "+c.expr).Scan(dest); err != nil {
				t.Errorf("%s into %T: %v", c.expr, dest, err)
			}
		}
		if !got.Equal(c.want) || !null.Valid || !null.Time.Equal(c.want) || !generic.V.Equal(c.want) || pointer == nil || !pointer.Equal(c.want) {
			t.Errorf("%s: %v, %v, %v, %v; want %v", c.expr, got, null.Time, generic.V, pointer, c.want)
		}
		zone := 0 // what does not tell of another is of UTC
		switch {
		case strings.HasSuffix(c.expr, "+02:00'"), strings.HasSuffix(c.expr, "+0200'"):
			zone = 2 * 60 * 60
		case strings.HasSuffix(c.expr, "-05:30'"):
			zone = -(5*60 + 30) * 60
		}
		if _, off := got.Zone(); off != zone {
			t.Errorf("%s: zone offset %d, want %d", c.expr, off, zone)
		}
	}
	for _, expr := range []string{"'yesterday'", "''", "'12:34:56'", "'2024-13-01'", "'2024-02-30'", "'20240501'", "x'01'", "-1.0", "1714566896.5", "'2024-05-01 25:00:00'"} {
		err := db.QueryRow(t.Context(), "SELECT "+expr+" AS v").Scan(new(time.Time))
		wantOnly(t, err, engine.ErrArgs)
		wantNoSecret(t, err, "yesterday")
	}
	wantOnly(t, db.QueryRow(t.Context(), "SELECT NULL").Scan(new(time.Time)), engine.ErrArgs)
	null := sql.NullTime{Valid: true}
	if err := db.QueryRow(t.Context(), "SELECT NULL").Scan(&null); err != nil || null.Valid {
		t.Errorf("NULL into a NullTime: %+v, %v", null, err)
	}
}

// TestTimeRoundTrip writes times with zones and reads them back.
func TestTimeRoundTrip(t *testing.T) {
	t.Parallel()
	db := openAt(t, "sqlite://")
	exec(t, db, "CREATE TABLE t (at TEXT)")
	for _, want := range []time.Time{
		time.Date(2024, 5, 1, 12, 34, 56, 123456789, time.FixedZone("x", 5*3600+1800)),
		time.Date(2024, 5, 1, 12, 34, 56, 0, time.UTC), time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC), time.Now(),
	} {
		var got time.Time
		if err := db.QueryRow(t.Context(), "INSERT INTO t VALUES (?) RETURNING at", want).Scan(&got); err != nil || !got.Equal(want) {
			t.Errorf("wrote %v, read %v, %v", want, got, err)
		}
		var n int
		if err := db.QueryRow(t.Context(), "SELECT count(*) FROM t WHERE at = ? AND julianday(at) IS NOT NULL", want).Scan(&n); err != nil || n == 0 {
			t.Errorf("%v is not found again, or SQLite does not read it: %d, %v", want, n, err)
		}
	}
}

// FuzzScanTime: whatever is stored, scanning it as a time gives an error of the catalogue, or a time that means the same
// when it is written and read again.
func FuzzScanTime(f *testing.F) {
	for _, s := range []string{"2024-05-01 12:34:56.123456", "2024-05-01T12:34:56Z", "2024-05-01", "x", "", "2024-05-01 12:34:56 +0000 UTC", "0000-01-01", "9999-12-31 23:59:59.999999999-23:59"} {
		f.Add(s, int64(len(s)), float64(len(s)))
	}
	db := openAt(f, "sqlite://")
	f.Fuzz(func(t *testing.T, s string, n int64, x float64) {
		for _, arg := range []any{s, []byte(s), n, x} {
			var got, again time.Time
			err := db.QueryRow(t.Context(), "SELECT ?", arg).Scan(&got)
			if err != nil {
				if !errors.Is(err, engine.ErrArgs) {
					t.Errorf("%T: %v is not ErrArgs", arg, err)
				}
				continue
			}
			if y := got.UTC().Year(); y < 0 || y > 9999 {
				continue // RFC 3339 has no such year
			}
			if err := db.QueryRow(t.Context(), "SELECT ?", got).Scan(&again); err != nil || !again.Equal(got) {
				t.Errorf("%v was read from a %T; written and read again it is %v, %v", got, arg, again, err)
			}
		}
	})
}
