package engine_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

type item struct {
	ID    int64
	Name  string
	Qty   *int64
	Price engine.Decimal
	At    time.Time `db:"seen_at"`
}

// shelf is a database with rows for every kind of variable.
func shelf(t testing.TB) *engine.DB {
	t.Helper()
	db := openAt(t, "sqlite://")
	exec(t, db, "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL, qty INTEGER, price TEXT NOT NULL, seen_at TEXT NOT NULL) STRICT",
		`INSERT INTO item VALUES (1, 'bolt', 10, '0.05', '2024-02-29 12:00:00'), (2, 'nut', NULL, '0.030', '2024-03-01T00:00:00Z'),
(3, 'screw', 9223372036854775807, '-1', '2024-03-02')`)
	return db
}

func number64(n int64) *int64 { return &n }

func (i item) String() string {
	qty := "none"
	if i.Qty != nil {
		qty = fmt.Sprint(*i.Qty)
	}
	return fmt.Sprintf("%d %s %s %v %s", i.ID, i.Name, qty, i.Price, i.At.Format(time.DateTime))
}

const items = "SELECT id, name, qty, price, seen_at FROM item ORDER BY id"

var wantItems = []string{"1 bolt 10 0.05 2024-02-29 12:00:00", "2 nut none 0.030 2024-03-01 00:00:00", "3 screw 9223372036854775807 -1 2024-03-02 00:00:00"}

// TestGet fills one variable of each kind.
func TestGet(t *testing.T) {
	t.Parallel()
	db := shelf(t)
	ctx := t.Context()
	same(t, 3, "SELECT count(*) FROM item", db)
	same(t, int8(3), "SELECT count(*) FROM item", db)
	same(t, uint64(math.MaxInt64), "SELECT qty FROM item WHERE id = 3", db)
	same(t, 0.5, "SELECT 0.5", db)
	same(t, "bolt", "SELECT name FROM item WHERE id = 1", db)
	same(t, true, "SELECT 1", db)
	same(t, sql.NullInt64{}, "SELECT qty FROM item WHERE id = 2", db)
	same(t, sql.Null[string]{V: "nut", Valid: true}, "SELECT name FROM item WHERE id = 2", db)
	same(t, number(t, "0.030"), "SELECT price FROM item WHERE id = 2", db)
	same(t, time.Date(2024, 3, 2, 0, 0, 0, 0, time.UTC), "SELECT seen_at FROM item WHERE id = 3", db)
	same[any](t, int64(7), "SELECT 7", db)
	same[any](t, nil, "SELECT NULL", db)
	same[*int64](t, nil, "SELECT qty FROM item WHERE id = 2", db)
	if b, err := engine.Get[[]byte](ctx, db, "SELECT x'0102'"); err != nil || !slices.Equal(b, []byte{1, 2}) {
		t.Errorf("%v %v", b, err)
	}
	if p, err := engine.Get[*int64](ctx, db, "SELECT qty FROM item WHERE id = ?", 1); err != nil || p == nil || *p != 10 {
		t.Errorf("%v %v", p, err)
	}
	if p, err := engine.Get[*engine.Decimal](ctx, db, "SELECT NULL"); err != nil || p != nil {
		t.Errorf("%v %v", p, err)
	}
	if i, err := engine.Get[item](ctx, db, items); err != nil || i.String() != wantItems[0] {
		t.Errorf("%v %v", i, err)
	}
	if i, err := engine.Get[*item](ctx, db, items, engine.WithClass(engine.ClassAnalytics)); err != nil || i.String() != wantItems[0] {
		t.Errorf("%v %v", i, err)
	}
	if id, err := engine.Get[int64](ctx, db, "INSERT INTO item VALUES (9, 'pin', 1, '1', '2024-01-01') RETURNING id"); err != nil || id != 9 {
		t.Errorf("%v %v", id, err)
	}
	same(t, 4, "SELECT count(*) FROM item", db)
}

// same checks what Get returns.
func same[T comparable](t *testing.T, want T, sql string, q engine.Source, args ...any) {
	t.Helper()
	if got, err := engine.Get[T](t.Context(), q, sql, args...); err != nil || got != want {
		t.Errorf("Get[%T] of %s: %v %v, want %v", want, sql, got, err, want)
	}
}

func TestGetErrors(t *testing.T) {
	t.Parallel()
	db := shelf(t)
	ctx := t.Context()
	_, err := engine.Get[int](ctx, db, "SELECT id FROM item WHERE id = 77")
	wantOnly(t, err, engine.ErrNoRows)
	_, err = engine.Get[item](ctx, db, items+" LIMIT 0")
	wantOnly(t, err, engine.ErrNoRows)
	_, err = engine.Get[int](ctx, db, "SELECT no FROM item")
	wantOnly(t, err, engine.ErrSQL)
	n, err := engine.Get[int](ctx, db, "SELECT qty FROM item WHERE id = 2")
	wantOnly(t, err, engine.ErrArgs)
	wantText(t, err, "column 1 (qty)", "NULL")
	if n != 0 {
		t.Error(n)
	}
	_, err = engine.Get[int8](ctx, db, "SELECT qty FROM item WHERE id = 3")
	wantOnly(t, err, engine.ErrArgs)
	wantNoSecret(t, err, "9223372036854775807")
	_, err = engine.Get[int](ctx, db, "SELECT id, qty FROM item")
	wantOnly(t, err, engine.ErrArgs)
	wantText(t, err, "2 columns (id, qty)", "int takes one")
	_, err = engine.Get[item](ctx, db, "SELECT id, name, 1 AS weight FROM item")
	wantOnly(t, err, engine.ErrArgs)
	wantText(t, err, "weight")
	i, err := engine.Get[item](ctx, db, "SELECT id, NULL AS name FROM item")
	wantOnly(t, err, engine.ErrArgs)
	if i != (item{}) {
		t.Errorf("half a record: %v", i)
	}
	_, err = engine.Get[map[string]int](ctx, db, "SELECT 1")
	wantOnly(t, err, engine.ErrArgs)
	_, err = engine.Get[int](ctx, db, "SELECT ?", make(chan int))
	wantOnly(t, err, engine.ErrArgs)
	_, err = engine.Get[int](ctx, db, "SELECT 1", engine.WithTimeout(0))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	// None of these keeps a connection.
	eventually(t, "all connections back", func() bool { return db.Stats().Readers.InUse == 0 })
}

func TestAll(t *testing.T) {
	t.Parallel()
	db := shelf(t)
	ctx := t.Context()
	all, err := engine.All[item](ctx, db, items)
	if err != nil || len(all) != 3 {
		t.Fatal(all, err)
	}
	pointers, err := engine.All[*item](ctx, db, items)
	if err != nil || len(pointers) != 3 || pointers[0] == pointers[1] {
		t.Fatal(pointers, err)
	}
	for i, want := range wantItems {
		if all[i].String() != want || pointers[i].String() != want {
			t.Errorf("%v and %v, want %s", all[i], pointers[i], want)
		}
	}
	if q, err := engine.All[*int64](ctx, db, "SELECT qty FROM item ORDER BY id"); err != nil || len(q) != 3 || *q[0] != 10 || q[1] != nil || *q[2] != math.MaxInt64 {
		t.Errorf("%v %v", q, err)
	}
	none, err := engine.All[item](ctx, db, items+" LIMIT 0")
	if err != nil || none == nil || len(none) != 0 {
		t.Errorf("%v %v", none, err)
	}
	// The third row does not fit: no rows are better than two of three.
	some, err := engine.All[int8](ctx, db, "SELECT coalesce(qty, 0) FROM item ORDER BY id")
	wantOnly(t, err, engine.ErrArgs)
	if some != nil {
		t.Error(some)
	}
	some, err = engine.All[int8](ctx, db, "SELECT abs(column1) FROM (VALUES (1), (-9223372036854775808))")
	wantOnly(t, err, engine.ErrSQL)
	if some != nil {
		t.Error(some)
	}
	many, err := engine.All[int](ctx, db, "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 5000) SELECT x FROM c")
	if err != nil || len(many) != 5000 || many[4999] != 5000 || many[1234] != 1235 {
		t.Errorf("%d rows, %v", len(many), err)
	}
}

func TestEach(t *testing.T) {
	t.Parallel()
	db := shelf(t)
	ctx := t.Context()
	i := 0
	for it, err := range engine.Each[item](ctx, db, items) {
		if err != nil || it.String() != wantItems[i] {
			t.Errorf("%v %v", it, err)
		}
		i++
	}
	for p, err := range engine.Each[*item](ctx, db, items+" DESC") {
		if i--; err != nil || p.String() != wantItems[i] {
			t.Errorf("%v %v", p, err)
		}
	}
	if i != 0 {
		t.Errorf("%d rows are missing", i)
	}
	sequence := engine.Each[int](ctx, db, "SELECT id FROM item ORDER BY id")
	for range 2 { // each range is a query of its own
		for id, err := range sequence {
			if id != 1 || err != nil {
				t.Error(id, err)
			}
			break
		}
		eventually(t, "the connection back", func() bool { return db.Stats().Readers.InUse == 0 })
	}
	for name, c := range map[string]struct {
		sql  string
		rows int
		want error
	}{
		"does not compile":   {"SELECT no FROM item", 0, engine.ErrSQL},
		"fails on the way":   {"SELECT abs(column1) FROM (VALUES (1), (2), (-9223372036854775808), (4))", 2, engine.ErrSQL},
		"does not fit":       {"SELECT column1 FROM (VALUES (1), ('two'), (3))", 1, engine.ErrArgs},
		"NULL does not stay": {"SELECT column1 FROM (VALUES (7), (NULL))", 1, engine.ErrArgs},
	} {
		rows, last := 0, error(nil)
		for n, err := range engine.Each[int](ctx, db, c.sql) {
			if last = err; err == nil {
				rows++
			} else if n != 0 {
				t.Errorf("%s: %d beside an error", name, n)
			}
		}
		wantOnly(t, last, c.want)
		if rows != c.rows {
			t.Errorf("%s: %d rows, want %d", name, rows, c.rows)
		}
	}
}

// sticky is a Scanner that leaves NULL alone.
type sticky struct{ text string }

func (s *sticky) Scan(src any) error {
	if text, ok := src.(string); ok {
		s.text += text
	}
	return nil
}

// TestEachRowIsItsOwn: nothing of a row shows in the next.
func TestEachRowIsItsOwn(t *testing.T) {
	t.Parallel()
	db := shelf(t)
	const query = "SELECT column1 AS s FROM (VALUES ('a'), (NULL), ('b'))"
	var each []string
	for s, err := range engine.Each[sticky](t.Context(), db, query) {
		if err != nil {
			t.Fatal(err)
		}
		each = append(each, s.text)
	}
	all, err := engine.All[struct{ S sticky }](t.Context(), db, query)
	if err != nil {
		t.Fatal(err)
	}
	var fields []string
	for _, s := range all {
		fields = append(fields, s.S.text)
	}
	if want := []string{"a", "", "b"}; !slices.Equal(each, want) || !slices.Equal(fields, want) {
		t.Errorf("%q and %q, want %q", each, fields, want)
	}
}

// TestSources reads the same from everything that Get, All and Each take.
func TestSources(t *testing.T) {
	t.Parallel()
	db := shelf(t)
	st, err := db.Prepare(t.Context(), items)
	if err != nil {
		t.Fatal(err)
	}
	read := func(what string, q engine.Source, sql string) {
		t.Helper()
		all, err := engine.All[item](t.Context(), q, sql)
		if err != nil || len(all) != 3 || all[2].String() != wantItems[2] {
			t.Errorf("%s: %v %v", what, all, err)
		}
	}
	read("DB", db, items)
	read("Stmt", st, "")
	read("Stmt with its own SQL", st, st.SQL())
	for _, run := range []func(context.Context, func(context.Context, *engine.Tx) error, ...engine.Option) error{db.Update, db.View} {
		err := run(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
			read("Tx", tx, items)
			read("TxStmt", st.In(tx), "")
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	_, err = engine.Get[item](t.Context(), st, "SELECT 1")
	wantOnly(t, err, engine.ErrArgs)
	err = db.View(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		_, err := engine.Get[item](ctx, st.In(tx), "SELECT 1")
		return err
	})
	wantOnly(t, err, engine.ErrArgs)
}

func TestCollect(t *testing.T) {
	t.Parallel()
	db := shelf(t)
	b := engine.NewBatch()
	b.Query(items)
	b.Query("UPDATE item SET qty = qty - 1 WHERE qty > 10 RETURNING name")
	b.Query("SELECT id FROM item WHERE id > 77")
	res, err := db.Batch(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	all, err := engine.Collect[item](&res.Steps[0].Rows)
	if err != nil || len(all) != 3 || all[1].String() != wantItems[1] {
		t.Errorf("%v %v", all, err)
	}
	if names, err := engine.Collect[string](&res.Steps[1].Rows); err != nil || !slices.Equal(names, []string{"screw"}) {
		t.Errorf("%v %v", names, err)
	}
	if none, err := engine.Collect[*item](&res.Steps[2].Rows); err != nil || none == nil || len(none) != 0 {
		t.Errorf("%v %v", none, err)
	}
	_, err = engine.Collect[int](&res.Steps[1].Rows)
	wantOnly(t, err, engine.ErrArgs)
	if some, err := engine.Collect[struct{ ID, Name string }](&res.Steps[0].Rows); !errors.Is(err, engine.ErrArgs) || some != nil {
		t.Errorf("%v %v", some, err)
	}
	var zero engine.KeptRows
	if none, err := engine.Collect[int](&zero); err != nil || len(none) != 0 {
		t.Errorf("%v %v", none, err)
	}
}

// TestGetOfManyShapes asks one type for more lists of columns than are remembered, from many goroutines.
func TestGetOfManyShapes(t *testing.T) {
	t.Parallel()
	db := shelf(t)
	columns := []string{"id", "name", "qty", "price", "seen_at"}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for set := 1; set < 1<<len(columns); set++ {
				var some []string
				for i, c := range columns {
					if set&(1<<i) != 0 {
						some = append(some, c)
					}
				}
				if set&1 == 0 {
					slices.Reverse(some)
				}
				got, err := engine.Get[item](t.Context(), db, "SELECT "+strings.Join(some, ", ")+" FROM item WHERE id = 1")
				want := item{}
				for _, c := range some {
					switch c {
					case "id":
						want.ID = 1
					case "name":
						want.Name = "bolt"
					case "qty":
						want.Qty = number64(10)
					case "price":
						want.Price = number(t, "0.05")
					case "seen_at":
						want.At = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
					}
				}
				if err != nil || got.String() != want.String() {
					t.Errorf("%v: %v %v, want %v", some, got, err, want)
				}
			}
		})
	}
	wg.Wait()
}

// TestGetAfterChangeOfColumns: a struct follows SELECT * when the table changes.
func TestGetAfterChangeOfColumns(t *testing.T) {
	t.Parallel()
	db := openAt(t, "sqlite://")
	exec(t, db, "CREATE TABLE pair (a INTEGER, b INTEGER)", "INSERT INTO pair VALUES (1, 2)")
	type pair struct{ A, B, C int }
	for range 3 {
		if p, err := engine.Get[pair](t.Context(), db, "SELECT * FROM pair"); err != nil || p != (pair{1, 2, 0}) {
			t.Errorf("%v %v", p, err)
		}
	}
	exec(t, db, "ALTER TABLE pair DROP COLUMN a", "ALTER TABLE pair ADD COLUMN c INTEGER DEFAULT 3", "ALTER TABLE pair ADD COLUMN a INTEGER DEFAULT 4")
	for range 3 {
		if p, err := engine.Get[pair](t.Context(), db, "SELECT * FROM pair"); err != nil || p != (pair{4, 2, 3}) {
			t.Errorf("%v %v", p, err)
		}
	}
}
