package day_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk"
	"github.com/tidegate/engine/internal/desk/day"
	"github.com/tidegate/engine/internal/desk/id"
	"github.com/tidegate/engine/internal/desk/sim"
	"github.com/tidegate/engine/internal/shared"
	"github.com/tidegate/engine/migrations"
)

func open(t *testing.T) *engine.DB {
	t.Helper()
	cfg := engine.DefaultConfig("sqlite:///" + filepath.Join(t.TempDir(), "production_trading.db"))
	cfg.Migrations = migrations.FS
	cfg.Writer.Durability = engine.Relaxed // one session: every commit would wait for an fsync of its own
	cfg.Writer.Hold = 10 * time.Second     // what is tested here is the desk, on a machine as slow as it may be
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func firstDay() time.Time { return time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC) }

// config is a day with more faults than venues have, so that each kind occurs.
func config(seed uint64) day.Config {
	return day.Config{Seed: seed, From: firstDay(), Days: 1, Rate: 0.3, Act: 0.05, Accounts: 6,
		Faults: sim.Faults{Reject: 0.02, Duplicate: 0.02, LateFill: 0.05, Bust: 0.02, Overfill: 0.01}}
}

func run(t *testing.T, db *engine.DB, cfg day.Config) day.Result {
	t.Helper()
	start := time.Now()
	res, err := day.Run(context.Background(), db, cfg)
	if err != nil {
		t.Fatalf("%+v: %v", res, err)
	}
	t.Logf("%v: %+v", time.Since(start).Round(time.Millisecond), res)
	return res
}

// content is a hash of every row of the tables that the desk writes.
func content(t *testing.T, db *engine.DB) uint64 {
	t.Helper()
	h := fnv.New64a()
	for _, table := range []string{"orders", "order_events", "executions", "execution_breaks", "positions", "position_days", "position_adjustments",
		"ledger_accounts", "ledger_txns", "ledger_transfers", "signals", "quotes", "prints", "bars", "portfolio_snapshots"} {
		rows, err := db.Query(t.Context(), "SELECT * FROM "+table)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for r, err := range rows.All() {
			if err != nil {
				t.Fatal(err)
			}
			values, err := r.Values()
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(h, values...)
			n++
		}
		if n == 0 && table != "position_adjustments" {
			t.Errorf("%s is empty", table)
		}
	}
	return h.Sum64()
}

func TestADayIsReproducible(t *testing.T) {
	t.Parallel()
	cfg := config(1)
	cfg.Rate = 0.15
	a, b := open(t), open(t)
	first, second := run(t, a, cfg), run(t, b, cfg)
	if first != second {
		t.Errorf("one seed, two results:\n%+v\n%+v", first, second)
	}
	if content(t, a) != content(t, b) {
		t.Error("one seed, two databases")
	}
	cfg.Seed = 2
	if other := run(t, open(t), cfg); other.Digest == first.Digest {
		t.Error("two seeds, one day")
	}
}

func TestInvariantsHoldAfterDaysOfFaults(t *testing.T) {
	t.Parallel()
	db := open(t)
	cfg := config(3)
	cfg.Days, cfg.Split = 2, true
	res := run(t, db, cfg)
	for what, n := range map[string]int{"fills": res.Fills, "duplicates": res.Duplicates, "busts": res.Busts, "breaks": res.Breaks, "rejects": res.Rejects,
		"cancels": res.Cancels, "vetoes": res.Vetoes, "splits": res.Splits} {
		if n == 0 {
			t.Errorf("two days without %s prove nothing about them", what)
		}
	}
	verdicts, err := desk.Verify(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if len(verdicts) != 15 {
		t.Errorf("%d invariants were checked, want 15", len(verdicts))
	}
	for _, v := range verdicts {
		if v.Broken > 0 {
			t.Errorf("%s %s: broken by %d rows, first %s", v.Name, v.Rule, v.Broken, v.Example)
		}
	}
	var adjusted, open int64
	if err := db.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM position_adjustments), (SELECT count(*) FROM orders WHERE leaves_qty > 0)").Scan(&adjusted, &open); err != nil {
		t.Fatal(err)
	}
	if adjusted == 0 || open != 0 {
		t.Errorf("%d positions were split, %d orders are open after the close", adjusted, open)
	}
}

// acceptance is the text of a file of the acceptance data.
func acceptance(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(shared.Path(t, "design", "trading", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestSharedInvariantsAreOurs(t *testing.T) {
	t.Parallel()
	var want []string
	for _, part := range strings.Split(stripComments(acceptance(t, "invariants.sql")), ";") {
		if q := strings.Join(strings.Fields(part), " "); q != "" {
			want = append(want, q)
		}
	}
	var got []string
	for _, inv := range desk.Invariants() {
		for _, q := range inv.Queries {
			got = append(got, strings.Join(strings.Fields(q), " "))
		}
	}
	for _, q := range want {
		if !slices.Contains(got, q) {
			t.Errorf("not among the embedded invariants: %s", q)
		}
	}
	if len(want) < 18 {
		t.Errorf("%d shared queries", len(want))
	}
}

func stripComments(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// TestRefusedStatements runs what must never get in against a day that holds
// everything those statements look for.
func TestRefusedStatements(t *testing.T) {
	t.Parallel()
	text := acceptance(t, "refused.sql")
	db := open(t)
	cfg := config(4)
	cfg.LeaveOpen = true
	run(t, db, cfg)
	before := content(t, db)
	tested := 0
	for _, c := range parseRefused(text) {
		if !strings.HasPrefix(c.sql, "SELECT") {
			tested++
			refuse(t, db, c.name, c.sql)
			continue
		}
		var got string
		if err := db.QueryRow(t.Context(), c.sql).Scan(&got); err != nil || !strings.HasSuffix(got, ": 0") {
			t.Errorf("%s, %v", got, err)
		}
	}
	if tested != 24 {
		t.Errorf("%d statements were tried, want 24", tested)
	}
	if after := content(t, db); after != before {
		t.Error("a refused statement left something behind")
	}
}

type refusedCase struct{ name, sql string }

// parseRefused reads a script for the shell: .print names the statement that
// follows.
func parseRefused(text string) []refusedCase {
	var out []refusedCase
	var sql strings.Builder
	name := ""
	for line := range strings.Lines(stripComments(text)) {
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(trimmed, ".print "):
			name = strings.TrimPrefix(trimmed, ".print ")
		case trimmed == "" || strings.HasPrefix(trimmed, ".") || strings.HasPrefix(trimmed, "PRAGMA"):
		default:
			sql.WriteString(line)
			if strings.HasSuffix(trimmed, ";") {
				out = append(out, refusedCase{name, strings.TrimSuffix(strings.TrimSpace(sql.String()), ";")})
				sql.Reset()
			}
		}
	}
	return out
}

func refuse(t *testing.T, db *engine.DB, name, sql string) {
	t.Helper()
	var affected int64
	err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		res, err := tx.Exec(ctx, sql)
		affected = res.RowsAffected
		return err
	})
	switch {
	case err == nil && affected == 0:
		t.Errorf("%s: the day holds no row that it could be tried on", name)
	case err == nil:
		t.Errorf("%s: got in, %d rows", name, affected)
	case !errors.Is(err, engine.ErrConstraint):
		t.Errorf("%s: refused for another reason than the schema's: %v", name, err)
	}
}

// query is one block of queries.sql.
type query struct {
	name, sql string
	plan      []string
}

func parseQueries(text string) []query {
	var out []query
	var sql strings.Builder
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(trimmed, "-- Q"):
			out = append(out, query{name: trimmed[3:6]})
		case strings.HasPrefix(trimmed, "--"):
			if detail, ok := strings.CutPrefix(strings.TrimSpace(trimmed[2:]), "plan: "); ok {
				out[len(out)-1].plan = append(out[len(out)-1].plan, detail)
			}
		case trimmed != "" && len(out) > 0:
			sql.WriteString(line)
			if strings.HasSuffix(trimmed, ";") {
				out[len(out)-1].sql = strings.TrimSuffix(strings.TrimSpace(sql.String()), ";")
				sql.Reset()
			}
		}
	}
	return out
}

func TestSharedQueries(t *testing.T) {
	t.Parallel()
	list := parseQueries(acceptance(t, "queries.sql"))
	if len(list) != 17 {
		t.Fatalf("%d queries, want 17", len(list))
	}
	db := open(t)
	cfg := config(5)
	cfg.Days, cfg.Split = 2, true
	run(t, db, cfg)
	account, instrument, strategy := busiest(t, db)
	from, next := firstDay(), firstDay().AddDate(0, 0, 1)
	values := map[string]any{
		"account": account, "instrument": instrument, "strategy": strategy, "date_from": desk.Date(from), "date_to": desk.Date(next),
		"from": from.UnixNano(), "week": from.UnixNano(), "week_end": from.AddDate(0, 0, 5).UnixNano(), "day_bar": from.UnixNano(),
		"id_day": id.Floor(from), "id_day_end": id.Floor(next),
	}
	named := regexp.MustCompile(`:[a-z_]+`)
	for _, q := range list {
		var args []any
		used := map[string]bool{}
		for _, p := range named.FindAllString(q.sql, -1) {
			if v, ok := values[p[1:]]; ok && !used[p] {
				used[p] = true
				args = append(args, sql.Named(p[1:], v))
			}
		}
		plan(t, db, q, args)
		if q.name == "Q00" {
			if _, err := db.Exec(t.Context(), q.sql, args...); err != nil {
				t.Errorf("%s: %v", q.name, err)
			}
			continue
		}
		if n := count(t, db, q, args); n == 0 && q.name != "Q11" {
			t.Errorf("%s: no row", q.name)
		}
	}
}

func busiest(t *testing.T, db *engine.DB) (account, instrument, strategy int64) {
	t.Helper()
	err := db.QueryRow(t.Context(), `SELECT account_id, instrument_id, strategy_id FROM positions ORDER BY fills DESC, 1, 2, 3 LIMIT 1`).Scan(&account, &instrument, &strategy)
	if err != nil {
		t.Fatal(err)
	}
	return account, instrument, strategy
}

func count(t *testing.T, db *engine.DB, q query, args []any) (n int) {
	t.Helper()
	rows, err := db.Query(t.Context(), q.sql, append(args, engine.WithClass(engine.ClassAnalytics))...)
	if err != nil {
		t.Errorf("%s: %v", q.name, err)
		return 0
	}
	for _, err := range rows.All() {
		if err != nil {
			t.Errorf("%s: %v", q.name, err)
		}
		n++
	}
	return n
}

// plan checks that no large table is read from end to end.
func plan(t *testing.T, db *engine.DB, q query, args []any) {
	t.Helper()
	large := map[string]bool{}
	alias := map[string]string{}
	for _, name := range []string{"quotes", "prints", "bars", "signals", "orders", "order_events", "executions", "ledger_txns", "ledger_transfers",
		"position_days", "portfolio_snapshots"} {
		large[name] = true
	}
	for _, m := range regexp.MustCompile(`(?i)\b(?:FROM|JOIN)\s+([a-z_]+)(?:\s+(?:AS\s+)?([a-z_0-9]+))?`).FindAllStringSubmatch(q.sql, -1) {
		alias[m[1]], alias[m[2]] = m[1], m[1]
	}
	rows, err := db.Query(t.Context(), "EXPLAIN QUERY PLAN "+q.sql, args...)
	if err != nil {
		t.Errorf("%s: %v", q.name, err)
		return
	}
	var got []string
	for r, err := range rows.All() {
		if err != nil {
			t.Errorf("%s: %v", q.name, err)
			return
		}
		var a, b, c int64
		var detail string
		if err := r.Scan(&a, &b, &c, &detail); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(got, detail) {
			got = append(got, detail)
		}
		if name, ok := strings.CutPrefix(detail, "SCAN "); ok && large[alias[strings.Fields(name)[0]]] && !strings.Contains(detail, "USING") {
			t.Errorf("%s reads all of %s: %s", q.name, alias[strings.Fields(name)[0]], detail)
		}
	}
	if len(got) == 0 {
		t.Errorf("%s: no plan", q.name)
	}
	// Recorded are the ways into tables; how subqueries are walked is not.
	inward := func(step string) bool {
		return !strings.HasPrefix(step, "SEARCH") && !strings.Contains(step, "USING")
	}
	got, q.plan = slices.DeleteFunc(got, inward), slices.DeleteFunc(q.plan, inward)
	if len(q.plan) > 0 && !slices.Equal(got, q.plan) {
		t.Errorf("%s: another plan than recorded\n%s\nwant\n%s", q.name, strings.Join(got, "\n"), strings.Join(q.plan, "\n"))
	}
}
