package engine_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

// stock is a database of one table for batches.
func stock(t testing.TB, change ...func(*engine.Config)) *engine.DB {
	t.Helper()
	db := openAt(t, "sqlite://", change...)
	exec(t, db, "CREATE TABLE stock (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, qty INTEGER NOT NULL CHECK (qty >= 0)) STRICT",
		"CREATE TABLE killer (x)", "CREATE TRIGGER ends_all BEFORE INSERT ON killer BEGIN SELECT RAISE(ROLLBACK, 'killed'); END",
		"INSERT INTO stock VALUES (1, 'bolt', 10), (2, 'nut', 20), (3, 'screw', 30)")
	return db
}

func TestBatch(t *testing.T) {
	t.Parallel()
	db := stock(t)
	before := db.Stats().Writer
	b := engine.NewBatch()
	b.Exec("UPDATE stock SET qty = qty - ? WHERE id = ?", 3, 1).Expect(1)
	added := b.Query("INSERT INTO stock (name, qty) VALUES (?, ?), (?, ?) RETURNING id, name", "rivet", 5, "pin", 6).AtLeast(1).AtMost(2)
	all := b.Query("SELECT id, name, qty, NULL AS absent, x'0102' AS raw FROM stock ORDER BY id")
	b.Exec("DELETE FROM stock WHERE qty > :limit", sql.Named("limit", 25)).Expect(1)
	none := b.Query("SELECT id FROM stock WHERE qty > 25").Expect(0)
	res, err := db.Batch(t.Context(), b, engine.WithName("stocktaking"))
	if err != nil {
		t.Fatal(err)
	}
	if b.Len() != 5 || len(res.Steps) != 5 || added.Index() != 1 || all.Index() != 2 {
		t.Fatalf("%d statements, %d results", b.Len(), len(res.Steps))
	}
	if n := res.Steps[0].RowsAffected; n != 1 || res.Steps[0].Rows.Len() != 0 {
		t.Errorf("update: %d rows", n)
	}
	if r := res.Steps[added.Index()]; r.RowsAffected != 2 || r.LastInsertID != 5 || r.Rows.Len() != 2 || fmt.Sprint(r.Rows.Values(1)) != "[5 pin]" {
		t.Errorf("insert: %+v %v", r.Result, r.Rows.Values(1))
	}
	rows := &res.Steps[all.Index()].Rows
	if !slices.Equal(rows.Columns(), []string{"id", "name", "qty", "absent", "raw"}) || rows.Len() != 5 {
		t.Errorf("%v, %d rows", rows.Columns(), rows.Len())
	}
	for i, want := range []string{"[1 bolt 7 <nil> [1 2]]", "[2 nut 20 <nil> [1 2]]", "[3 screw 30 <nil> [1 2]]", "[4 rivet 5 <nil> [1 2]]", "[5 pin 6 <nil> [1 2]]"} {
		if got := fmt.Sprint(rows.Values(i)); got != want {
			t.Errorf("row %d is %s, want %s", i, got, want)
		}
	}
	if rows.Values(-1) != nil || rows.Values(5) != nil {
		t.Error("there are rows outside of the rows")
	}
	if n := res.Steps[none.Index()].Rows; n.Len() != 0 || !slices.Equal(n.Columns(), []string{"id"}) {
		t.Errorf("no rows: %d of %v", n.Len(), n.Columns())
	}
	if after := db.Stats().Writer; after.Jobs-before.Jobs != 1 {
		t.Errorf("a batch is %d transactions", after.Jobs-before.Jobs)
	}
	if n := one(t, db, "SELECT sum(qty) FROM stock"); n != 38 {
		t.Errorf("sum %d", n)
	}
}

// TestBatchExpectations has each bound kept and broken, and looks at what a broken one leaves.
func TestBatchExpectations(t *testing.T) {
	t.Parallel()
	db := stock(t)
	const three, read = "UPDATE stock SET qty = qty + 1", "SELECT id FROM stock"
	for name, c := range map[string]struct {
		record func(b *engine.Batch) engine.Step
		text   string // "" when it is kept
	}{
		"exactly":          {func(b *engine.Batch) engine.Step { return b.Exec(three).Expect(3) }, ""},
		"exactly, fewer":   {func(b *engine.Batch) engine.Step { return b.Exec(three).Expect(4) }, "exactly 4 expected, 3 found"},
		"exactly, more":    {func(b *engine.Batch) engine.Step { return b.Exec(three).Expect(2) }, "exactly 2 expected, 3 found"},
		"none":             {func(b *engine.Batch) engine.Step { return b.Exec(three + " WHERE id = 77").Expect(1) }, "exactly 1 expected, 0 found"},
		"at least":         {func(b *engine.Batch) engine.Step { return b.Exec(three).AtLeast(3) }, ""},
		"at least, fewer":  {func(b *engine.Batch) engine.Step { return b.Exec(three).AtLeast(4) }, "at least 4 expected, 3 found"},
		"at most":          {func(b *engine.Batch) engine.Step { return b.Exec(three).AtMost(3) }, ""},
		"at most, more":    {func(b *engine.Batch) engine.Step { return b.Exec(three).AtMost(2) }, "at most 2 expected, 3 found"},
		"between":          {func(b *engine.Batch) engine.Step { return b.Exec(three).AtLeast(1).AtMost(3) }, ""},
		"not between":      {func(b *engine.Batch) engine.Step { return b.Exec(three).AtLeast(4).AtMost(5) }, "4 to 5 rows expected, 3 found"},
		"rows read":        {func(b *engine.Batch) engine.Step { return b.Query(read).Expect(3) }, ""},
		"rows read, fewer": {func(b *engine.Batch) engine.Step { return b.Query(read + " WHERE id > 1").Expect(3) }, "exactly 3 expected, 2 found"},
		"rows returned":    {func(b *engine.Batch) engine.Step { return b.Query(three + " RETURNING id").Expect(3) }, ""},
		"returned, more":   {func(b *engine.Batch) engine.Step { return b.Query(three + " RETURNING id").AtMost(1) }, "at most 1 expected, 3 found"},
		"nothing expected": {func(b *engine.Batch) engine.Step { return b.Exec(three + " WHERE id = 77") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := digest(t, db)
			b := engine.NewBatch()
			b.Exec("UPDATE stock SET qty = qty + 100 WHERE id = 1").Expect(1)
			c.record(b)
			b.Exec("UPDATE stock SET qty = qty - 100 WHERE id = 1")
			res, err := db.Batch(t.Context(), b)
			if c.text == "" {
				if err != nil || len(res.Steps) != 3 {
					t.Fatal(res, err)
				}
				return
			}
			wantOnly(t, err, engine.ErrExpectation)
			wantText(t, err, "statement 2", c.text)
			var expect *engine.ExpectError
			if !errors.As(err, &expect) || expect.Statement != 2 || expect.Query == "" || res != nil || engine.Retryable(err) {
				t.Errorf("%+v %v", expect, res)
			}
			if digest(t, db) != before {
				t.Error("a batch whose expectation failed left something behind")
			}
		})
	}
}

func TestBatchStatementFails(t *testing.T) {
	t.Parallel()
	db := stock(t)
	for name, c := range map[string]struct {
		sql  string
		args []any
		want error
	}{
		"constraint": {"INSERT INTO stock (name, qty) VALUES (?, 1)", []any{"bolt"}, engine.ErrConstraint},
		"check":      {"UPDATE stock SET qty = qty - ? WHERE id = 1", []any{11}, engine.ErrConstraint},
		"syntax":     {"UPDAET stock", nil, engine.ErrSQL},
		"no table":   {"DELETE FROM nowhere", nil, engine.ErrSQL},
		"arguments":  {"UPDATE stock SET qty = ?", nil, engine.ErrArgs},
		"name":       {"UPDATE stock SET qty = :qty", []any{sql.Named("other", 1)}, engine.ErrArgs},
		"two":        {"DELETE FROM stock; DELETE FROM killer", nil, engine.ErrSQL},
		"begin":      {"BEGIN", nil, engine.ErrForbidden},
		"savepoint":  {" /* one's own */ SAVEPOINT mine", nil, engine.ErrForbidden},
		"release":    {"release mine", nil, engine.ErrForbidden},
		"back":       {"ROLLBACK TO engine_batch", nil, engine.ErrForbidden},
		"ends all":   {"INSERT INTO killer VALUES (1)", nil, engine.ErrConstraint},
		"or fail":    {"INSERT OR FAIL INTO stock (name, qty) VALUES ('new', 1), ('bolt', 1)", nil, engine.ErrConstraint},
		"last id":    {"SELECT last_insert_rowid()", nil, engine.ErrForbidden},
		"empty":      {" -- nothing", nil, engine.ErrArgs},
	} {
		t.Run(name, func(t *testing.T) {
			before := digest(t, db)
			b := engine.NewBatch()
			b.Exec("INSERT INTO stock (name, qty) VALUES ('secret-1', 1)").Expect(1)
			b.Exec(c.sql, c.args...)
			b.Exec("INSERT INTO stock (name, qty) VALUES ('secret-2', 1)").Expect(1)
			res, err := db.Batch(t.Context(), b)
			wantOnly(t, err, c.want)
			var failed *engine.BatchError
			if !errors.As(err, &failed) || failed.Statement != 2 || res != nil {
				t.Errorf("%v %v", failed, res)
			}
			wantText(t, err, "statement 2")
			wantNoSecret(t, err, "secret")
			if digest(t, db) != before {
				t.Error("a batch that failed left something behind")
			}
		})
	}
}

// TestBatchFailsAtItsEnd: what no statement of it is to blame for names none.
func TestBatchFailsAtItsEnd(t *testing.T) {
	t.Parallel()
	db := stock(t)
	exec(t, db, "CREATE TABLE bin (id INTEGER PRIMARY KEY, stock INTEGER REFERENCES stock DEFERRABLE INITIALLY DEFERRED) STRICT")
	b := engine.NewBatch()
	b.Exec("INSERT INTO bin VALUES (1, 77)").Expect(1)
	b.Exec("INSERT INTO bin VALUES (2, 1)").Expect(1)
	_, err := db.Batch(t.Context(), b)
	wantOnly(t, err, engine.ErrConstraint)
	var failed *engine.BatchError
	if errors.As(err, &failed) {
		t.Errorf("it blames statement %d: %v", failed.Statement, err)
	}
	if n := one(t, db, "SELECT count(*) FROM bin"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	b.Exec("INSERT INTO stock VALUES (77, 'late', 1)")
	if _, err := db.Batch(t.Context(), b); err != nil {
		t.Error(err)
	}
}

// TestBatchMistakes are found while recording and reported by Batch, which then runs nothing.
func TestBatchMistakes(t *testing.T) {
	t.Parallel()
	db := stock(t)
	before := digest(t, db)
	for name, c := range map[string]struct {
		record func(b *engine.Batch)
		text   string
	}{
		"type":     {func(b *engine.Batch) { b.Exec("UPDATE stock SET qty = ?", 1); b.Exec("SELECT ?, ?", 1, make(chan int)) }, "statement 2: argument 2"},
		"too big":  {func(b *engine.Batch) { b.Exec("SELECT ?", uint64(math.MaxUint64)) }, "statement 1: argument 1"},
		"option":   {func(b *engine.Batch) { b.Exec("UPDATE stock SET qty = ?", engine.RunOnce(), 1) }, "statement 1: an option"},
		"negative": {func(b *engine.Batch) { b.Exec("UPDATE stock SET qty = 1").Expect(-1) }, "statement 1: -1 rows"},
		"cannot be": {func(b *engine.Batch) { b.Exec("UPDATE stock SET qty = 1").AtLeast(3).AtMost(2) },
			"statement 1: at least 3 and at most 2"},
		"valuer": {func(b *engine.Batch) { b.Exec("SELECT ?", engine.Scaled(&engine.Decimal{}, 99)) }, "statement 1: argument 1"},
		"first":  {func(b *engine.Batch) { b.Exec("SELECT ?", make(chan int)); b.Exec("SELECT 1").Expect(-7) }, "statement 1: argument 1"},
	} {
		b := engine.NewBatch()
		c.record(b)
		res, err := db.Batch(t.Context(), b)
		wantOnly(t, err, engine.ErrArgs)
		wantText(t, err, c.text)
		if res != nil {
			t.Error(name, res)
		}
	}
	_, err := db.Batch(t.Context(), nil)
	wantOnly(t, err, engine.ErrArgs)
	_, err = db.Batch(t.Context(), engine.NewBatch(), engine.HoldFor(-1))
	wantOnly(t, err, engine.ErrArgs)
	if digest(t, db) != before {
		t.Error("a batch with a mistake was run")
	}
}

func TestBatchEmpty(t *testing.T) {
	t.Parallel()
	db := stock(t)
	before := db.Stats().Writer.Jobs
	var zero engine.Batch
	if res, err := db.Batch(t.Context(), &zero); err != nil || len(res.Steps) != 0 || db.Stats().Writer.Jobs != before {
		t.Errorf("%v %v", res, err)
	}
}

// TestBatchOwnsItsArguments: what the caller does with his variables afterwards is his own business, and no code of his runs later.
func TestBatchOwnsItsArguments(t *testing.T) {
	t.Parallel()
	db := stock(t)
	exec(t, db, "CREATE TABLE blobs (a, b, c, d)")
	args, blob, counted := []any{1, "x"}, []byte("before"), &countingValuer{}
	b := engine.NewBatch()
	b.Exec("INSERT INTO blobs (a, b) VALUES (?, ?)", args...)
	b.Exec("INSERT INTO blobs (c, d) VALUES (?, ?)", blob, counted)
	args[0], args[1] = 2, "y"
	copy(blob, "after!")
	for range 3 {
		if _, err := db.Batch(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if n := one(t, db, "SELECT count(*) FROM blobs WHERE (a = 1 AND b = 'x') OR (c = CAST('before' AS BLOB) AND d = 1)"); n != 6 {
		t.Errorf("%d rows as they were recorded, want 6", n)
	}
	if counted.calls != 1 {
		t.Errorf("Value was called %d times", counted.calls)
	}
}

type countingValuer struct{ calls int }

func (v *countingValuer) Value() (driver.Value, error) { v.calls++; return int64(v.calls), nil }

// TestBatchManyAtOnce has one recorded batch run by many.
func TestBatchManyAtOnce(t *testing.T) {
	t.Parallel()
	db := stock(t)
	b := engine.NewBatch()
	b.Exec("UPDATE stock SET qty = qty + ? WHERE id = ?", 1, 1).Expect(1)
	b.Exec("UPDATE stock SET qty = qty + ? WHERE id = ?", 2, 2).Expect(1)
	b.Query("SELECT 10 + 2 * (a.qty - 10) = b.qty - 10 FROM stock a, stock b WHERE a.id = 1 AND b.id = 2").Expect(1)
	const callers, each = 16, 25
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				res, err := db.Batch(t.Context(), b)
				if err != nil || fmt.Sprint(res.Steps[2].Rows.Values(0)) != "[1]" {
					t.Errorf("%v %v", res, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := one(t, db, "SELECT qty FROM stock WHERE id = 2"); n != 20+2*callers*each {
		t.Errorf("%d", n)
	}
}

// TestBatchIsRunAgain: a batch whose group was lost through another's fault is repeated by the engine.
func TestBatchIsRunAgain(t *testing.T) {
	t.Parallel()
	change, release := stuck()
	db := ledger(t, change)
	defer release()
	before := db.Stats().Writer
	b := engine.NewBatch()
	b.Exec("INSERT INTO entry (acc, amount) VALUES (?, ?)", 1, 5).Expect(1)
	b.Query("UPDATE acc SET balance = balance + 5 WHERE id = 1 RETURNING balance").Expect(1)
	var res *engine.BatchResult
	var failed, blamed error
	var wg sync.WaitGroup
	err := db.Update(t.Context(), func(context.Context, *engine.Tx) error {
		wg.Go(func() { res, failed = db.Batch(t.Context(), b) })
		eventually(t, "the batch in the queue", func() bool { return db.Stats().Writer.Waiting == 1 })
		wg.Go(func() { _, blamed = db.Exec(t.Context(), "UPDATE acc SET balance = balance + stuck() WHERE id = 1") })
		eventually(t, "the culprit in the queue", func() bool { return db.Stats().Writer.Waiting == 2 })
		return errMine
	})
	if err != errMine {
		t.Fatal(err)
	}
	within(t, 10*time.Second, "the group of a stuck statement", wg.Wait)
	wantOnly(t, blamed, engine.ErrLeaseExpired)
	if failed != nil || len(res.Steps) != 2 || res.Steps[1].Rows.Len() != 1 {
		t.Fatalf("%v %v", res, failed)
	}
	if balance := one(t, db, "SELECT balance FROM acc WHERE id = 1"); fmt.Sprint(res.Steps[1].Rows.Values(0)) != fmt.Sprintf("[%d]", balance) {
		t.Errorf("the balance is %d, the batch returned %v", balance, res.Steps[1].Rows.Values(0))
	}
	if n := one(t, db, "SELECT count(*) FROM entry"); n != 1 || db.Stats().Writer.Replayed-before.Replayed != 1 {
		t.Errorf("%d entries, %+v", n, db.Stats().Writer)
	}
}

// TestBatchHold: a batch may keep the writer for as long as a closure may.
func TestBatchHold(t *testing.T) {
	t.Parallel()
	db := stock(t, func(c *engine.Config) { c.Writer.Hold = 100 * time.Microsecond })
	const slow = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 20000) UPDATE stock SET qty = (SELECT count(*) FROM c)"
	b := engine.NewBatch()
	b.Exec(slow)
	b.Exec("UPDATE stock SET qty = 1")
	_, err := db.Batch(t.Context(), b, engine.WithName("slow one"))
	wantOnly(t, err, engine.ErrLeaseExpired)
	wantText(t, err, `"slow one"`, "HoldFor")
	var lease *engine.LeaseError
	if !errors.As(err, &lease) || lease.Held < 100*time.Microsecond || lease.Limit != 100*time.Microsecond {
		t.Errorf("%+v", lease)
	}
	if n := one(t, db, "SELECT sum(qty) FROM stock"); n != 60 {
		t.Errorf("sum %d: it was not rolled back", n)
	}
	if _, err := db.Batch(t.Context(), b, engine.HoldFor(time.Minute)); err != nil {
		t.Error(err)
	}
}

func TestBatchRefused(t *testing.T) {
	t.Parallel()
	db := stock(t)
	b := engine.NewBatch()
	b.Exec("UPDATE stock SET qty = 0")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := db.Batch(cancelled, b)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		_, err := db.Batch(ctx, b)
		wantOnly(t, err, engine.ErrReentrant)
		wantText(t, err, "tx.Batch")
		return nil
	}); err != nil {
		t.Error(err)
	}
	many := engine.NewBatch()
	many.Exec("UPDATE stock SET qty = 0")
	many.Query("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 100001) SELECT x FROM c")
	_, err = db.Batch(t.Context(), many)
	wantOnly(t, err, engine.ErrArgs)
	wantText(t, err, "statement 2", "100000 rows")
	if n := one(t, db, "SELECT sum(qty) FROM stock"); n != 60 {
		t.Errorf("sum %d: something was applied", n)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = db.Batch(t.Context(), b)
	wantOnly(t, err, engine.ErrClosed)
}

// TestTxBatch is a batch inside an Update: all of it or nothing of it, and the transaction goes on.
func TestTxBatch(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		second string
		want   error
	}{
		"works":       {"UPDATE stock SET qty = qty + 1", nil},
		"expectation": {"UPDATE stock SET qty = qty + 1 WHERE id < 3", engine.ErrExpectation},
		"constraint":  {"INSERT INTO stock (name, qty) VALUES ('nut', 1)", engine.ErrConstraint},
		"savepoint":   {"ROLLBACK TO engine_batch", engine.ErrForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := stock(t)
			b := engine.NewBatch()
			b.Exec("UPDATE stock SET qty = qty + 100 WHERE id = 1").Expect(1)
			b.Exec(c.second).Expect(3)
			b.Query("SELECT sum(qty) FROM stock")
			err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
				if _, err := tx.Exec(ctx, "UPDATE stock SET qty = qty + 1000 WHERE id = 2"); err != nil {
					return err
				}
				res, err := tx.Batch(ctx, b)
				if c.want == nil {
					if err != nil || fmt.Sprint(res.Steps[2].Rows.Values(0)) != "[1163]" {
						t.Errorf("%v %v", res, err)
					}
				} else {
					wantOnly(t, err, c.want)
					wantText(t, err, "statement 2")
				}
				_, err = tx.Exec(ctx, "UPDATE stock SET qty = qty + 10000 WHERE id = 3")
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			want := int64(60 + 1000 + 10000)
			if c.want == nil {
				want += 103
			}
			if n := one(t, db, "SELECT sum(qty) FROM stock"); n != want {
				t.Errorf("sum %d, want %d", n, want)
			}
		})
	}
}

// TestTxBatchThatEndsTheTransaction: such an error costs the Update, whatever the closure returns.
func TestTxBatchThatEndsTheTransaction(t *testing.T) {
	t.Parallel()
	db := stock(t)
	before := digest(t, db)
	b := engine.NewBatch()
	b.Exec("UPDATE stock SET qty = 1")
	b.Exec("INSERT INTO killer VALUES (1)")
	var inner error
	err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		_, inner = tx.Batch(ctx, b)
		return nil
	})
	wantOnly(t, inner, engine.ErrConstraint)
	wantOnly(t, err, engine.ErrConstraint)
	if digest(t, db) != before {
		t.Error("something was applied")
	}
}

// TestTxBatchMovesToItsOwnGroup: what the transaction has done is played again on the way, the batch's savepoint included.
func TestTxBatchMovesToItsOwnGroup(t *testing.T) {
	t.Parallel()
	db := stock(t, func(c *engine.Config) { c.Writer.GroupTime = 10 * time.Second })
	before := db.Stats().Writer.Isolated
	b := engine.NewBatch()
	b.Exec("UPDATE stock SET qty = qty + 100 WHERE id = 1").Expect(1)
	b.Exec("INSERT OR ROLLBACK INTO stock (name, qty) VALUES ('washer', 4)").Expect(1)
	var wg sync.WaitGroup
	var member, batched error
	err := db.Update(t.Context(), func(context.Context, *engine.Tx) error {
		wg.Go(func() { _, member = db.Exec(t.Context(), "UPDATE stock SET qty = qty + 1 WHERE id = 3") })
		eventually(t, "a member of the group in the queue", func() bool { return db.Stats().Writer.Waiting == 1 })
		wg.Go(func() {
			batched = db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
				if _, err := tx.Exec(ctx, "UPDATE stock SET qty = qty + 10 WHERE id = 2"); err != nil {
					return err
				}
				_, err := tx.Batch(ctx, b)
				return err
			})
		})
		eventually(t, "the batch in the queue", func() bool { return db.Stats().Writer.Waiting == 2 })
		return nil
	})
	wg.Wait()
	if err = errors.Join(err, member, batched); err != nil {
		t.Fatal(err)
	}
	if n := one(t, db, "SELECT sum(qty) FROM stock"); n != 60+1+10+100+4 || db.Stats().Writer.Isolated-before != 1 {
		t.Errorf("sum %d, %d moved to a group of their own", n, db.Stats().Writer.Isolated-before)
	}
}

func TestTxBatchRefused(t *testing.T) {
	t.Parallel()
	db := stock(t)
	b := engine.NewBatch()
	b.Query("SELECT 1")
	var kept *engine.Tx
	err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		kept = tx
		if res, err := tx.Batch(ctx, engine.NewBatch()); err != nil || len(res.Steps) != 0 {
			t.Errorf("empty: %v %v", res, err)
		}
		_, err := tx.Batch(ctx, nil)
		wantOnly(t, err, engine.ErrArgs)
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		if _, err = tx.Batch(cancelled, b); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		_, err = tx.Batch(ctx, b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = kept.Batch(t.Context(), b)
	wantOnly(t, err, engine.ErrTxDone)
	err = db.View(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		_, err := tx.Batch(ctx, b)
		return err
	})
	wantOnly(t, err, engine.ErrReadOnly)
}

// TestBatchSpans: one span for the transaction and one below it for each statement that was run.
func TestBatchSpans(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	db := stock(t, func(c *engine.Config) { c.TracerProvider = r })
	r.flush = db.Trace().Flush
	r.taken(t)
	b := engine.NewBatch()
	b.Exec("UPDATE stock SET qty = ? WHERE name = ?", 1, "hidden-value").Expect(0)
	b.Query("SELECT id FROM stock")
	b.Exec("DELETE FROM stock WHERE id = ?", 99).Expect(1)
	b.Exec("DELETE FROM stock")
	_, err := db.Batch(t.Context(), b, engine.WithName("nightly"))
	wantOnly(t, err, engine.ErrExpectation)
	var names []string
	for _, s := range r.taken(t) {
		names = append(names, s.name)
		if s.name == "SELECT stock" && s.attributes["db.response.returned_rows"] != "3" {
			t.Errorf("%v", s.attributes)
		}
		if s.name == "DELETE stock" && s.attributes["error.type"] != "expectation" {
			t.Errorf("%v", s.attributes)
		}
		if s.name != "TRANSACTION nightly" && !s.parent.IsValid() {
			t.Errorf("%s has no parent", s.name)
		}
	}
	if want := []string{"TRANSACTION nightly", "UPDATE stock", "SELECT stock", "DELETE stock"}; !slices.Equal(names, want) {
		t.Errorf("spans %v, want %v", names, want)
	}
}

// BenchmarkBatch is four statements in a batch and in a closure, from a hundred callers: what one waits for the others.
func BenchmarkBatch(b *testing.B) {
	db := open(b)
	exec(b, db, "CREATE TABLE stock (id INTEGER PRIMARY KEY, qty INTEGER NOT NULL) STRICT", "INSERT INTO stock VALUES (1, 1), (2, 2)")
	const sql, statements = "UPDATE stock SET qty = qty + ? WHERE id = ?", 4
	recorded := engine.NewBatch()
	for range statements {
		recorded.Exec(sql, 1, 1).Expect(1)
	}
	for _, c := range []struct {
		name string
		call func(context.Context) error
	}{
		{"batch", func(ctx context.Context) error { _, err := db.Batch(ctx, recorded); return err }},
		{"update", func(ctx context.Context) error {
			return db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
				for range statements {
					if _, err := tx.Exec(ctx, sql, 1, 1); err != nil {
						return err
					}
				}
				return nil
			})
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(100)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := c.call(b.Context()); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
