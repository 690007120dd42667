package engine_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine"
)

// pool opens a sql.DB on db and closes it at the end of the test.
func pool(t testing.TB, db *engine.DB, opts ...engine.SQLOption) *sql.DB {
	t.Helper()
	p := db.SQL(opts...)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestSQLMeetsTheMethodsOfDB(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	p := pool(t, db)
	if _, err := p.Exec("UPDATE acc SET balance = balance - ? WHERE id = ?", uint16(400), new(int8(1))); err != nil {
		t.Fatal(err)
	}
	if n := one(t, db, "SELECT balance FROM acc WHERE id = 1"); n != 600 {
		t.Errorf("balance %d", n)
	}
	tx, err := p.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("UPDATE acc SET balance = balance + ? WHERE id = @id", 400, sql.Named("id", 2)); err != nil {
		t.Fatal(err)
	}
	if n := one(t, db, "SELECT balance FROM acc WHERE id = 2"); n != 1000 {
		t.Errorf("balance %d before the commit", n)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if n := one(t, db, "SELECT balance FROM acc WHERE id = 2"); n != 1400 {
		t.Errorf("balance %d after the commit", n)
	}
	var at time.Time // a layout that Rows.Scan of the engine reads, too
	exec(t, db, "CREATE TABLE times (at DATETIME)", "INSERT INTO times VALUES ('2024-05-06 07:08:09 +0200')")
	if err := p.QueryRow("SELECT at FROM times").Scan(&at); err != nil || at.Unix() != 1714972089 {
		t.Errorf("%v, %v", at, err)
	}
}

// Every refusal through db.SQL() matches one sentinel, and shows no value.
func TestSQLErrors(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	p := pool(t, db, engine.ReadFirst(), engine.WithName("app"))
	stale := func() error {
		tx, err := p.Begin()
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := tx.QueryRow("SELECT balance FROM acc WHERE id = 1").Scan(new(int)); err != nil {
			return err
		}
		exec(t, db, "UPDATE acc SET balance = balance + 1 WHERE id = 1")
		_, err = tx.Exec("UPDATE acc SET balance = 5 WHERE id = 1")
		if e := tx.Commit(); !errors.Is(e, engine.ErrNotApplied) {
			t.Errorf("Commit after %v: %v", err, e)
		}
		return err
	}
	readOnly := func() error {
		tx, err := p.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
		if err != nil {
			return err
		}
		defer tx.Rollback()
		_, err = tx.Exec("DELETE FROM acc")
		return err
	}
	run := func(q string, args ...any) func() error {
		return func() error { _, err := p.Exec(q, args...); return err }
	}
	for name, c := range map[string]struct {
		run  func() error
		want error
	}{
		"constraint":    {run("INSERT INTO acc VALUES (1, ?)", secret), engine.ErrConstraint},
		"deferred key":  {run("INSERT INTO entry (acc, amount) VALUES (99, 1)"), engine.ErrConstraint},
		"syntax":        {run("SELEC ?", secret), engine.ErrSQL},
		"two in query":  {func() error { _, err := p.Query("SELECT 1; SELECT 2"); return err }, engine.ErrSQL},
		"table":         {func() error { _, err := p.Prepare("SELECT * FROM missing"); return err }, engine.ErrSQL},
		"count":         {run("DELETE FROM acc WHERE id = ?"), engine.ErrArgs},
		"type":          {run("DELETE FROM acc WHERE id = ?", struct{ s string }{secret}), engine.ErrArgs},
		"output":        {run("DELETE FROM acc WHERE id = ?", sql.Out{Dest: new(int)}), engine.ErrArgs},
		"script args":   {run("DELETE FROM acc; DELETE FROM acc WHERE id = ?", secret), engine.ErrArgs},
		"level":         {func() error { _, err := p.BeginTx(t.Context(), &sql.TxOptions{Isolation: 77}); return err }, engine.ErrArgs},
		"BEGIN":         {run("BEGIN"), engine.ErrForbidden},
		"savepoint":     {run("SAVEPOINT a"), engine.ErrForbidden},
		"ATTACH":        {run("ATTACH ? AS x", secret), engine.ErrForbidden},
		"TEMP":          {run("CREATE TEMP TABLE x (a)"), engine.ErrForbidden},
		"PRAGMA":        {run("PRAGMA synchronous = off"), engine.ErrForbidden},
		"rowid":         {func() error { return p.QueryRow("SELECT last_insert_rowid()").Scan(new(int)) }, engine.ErrForbidden},
		"VACUUM":        {run("VACUUM"), engine.ErrForbidden},
		"stale read":    {stale, engine.ErrNotApplied},
		"read only":     {readOnly, engine.ErrReadOnly},
		"script":        {run("DELETE FROM entry; INSERT INTO acc VALUES (1, 1)"), engine.ErrConstraint},
		"script's text": {run("DELETE FROM entry; SELEC 1"), engine.ErrSQL},
	} {
		err := c.run()
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		wantOnly(t, err, c.want)
		wantNoSecret(t, err, secret)
	}
	if !engine.Retryable(stale()) {
		t.Error("a stale read is not worth a retry")
	}
	if n := one(t, db, "SELECT count(*) FROM acc"); n != 2 {
		t.Errorf("%d accounts", n)
	}
}

func TestSQLIdleTransaction(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	p := pool(t, db, engine.IdleFor(20*time.Millisecond), engine.WithName("forgetful"))
	tx, err := p.Begin()
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, "UPDATE acc SET balance = 1 WHERE id = 1") // waits until the lane has taken the writer back
	_, err = tx.Exec("UPDATE acc SET balance = 2")
	wantOnly(t, err, engine.ErrLeaseExpired)
	wantText(t, err, "forgetful", "20ms")
	wantOnly(t, tx.Commit(), engine.ErrLeaseExpired)
	if n := one(t, db, "SELECT sum(balance) FROM acc"); n != 1001 {
		t.Errorf("the balances add up to %d", n)
	}
}

func TestSQLInsideAnUpdate(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	p := pool(t, db)
	if err := p.Ping(); err != nil { // a session that is open already
		t.Fatal(err)
	}
	err := db.Update(t.Context(), func(ctx context.Context, _ *engine.Tx) error {
		_, exec := p.ExecContext(ctx, "UPDATE acc SET balance = 0")
		_, query := p.QueryContext(ctx, "SELECT 1")
		_, begin := p.BeginTx(ctx, nil)
		for name, err := range map[string]error{"Exec": exec, "Query": query, "BeginTx": begin, "Ping": p.PingContext(ctx)} {
			if !errors.Is(err, engine.ErrReentrant) {
				t.Errorf("%s: %v", name, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSQLAfterClose(t *testing.T) {
	t.Parallel()
	db, err := engine.Open(t.Context(), config(filepath.Join(t.TempDir(), "a.db")))
	if err != nil {
		t.Fatal(err)
	}
	p := pool(t, db)
	if err := p.Ping(); err != nil {
		t.Fatal(err)
	}
	other := db.SQL()
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.Ping(); err != nil {
		t.Errorf("closing one sql.DB closed another: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, execErr := p.Exec("CREATE TABLE t (a)")
	wantOnly(t, execErr, engine.ErrClosed)
	_, beginErr := p.Begin()
	wantOnly(t, beginErr, engine.ErrClosed)
	wantOnly(t, p.Ping(), engine.ErrClosed)
}

func TestSQLOnAReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	first := openAt(t, path)
	exec(t, first, "CREATE TABLE t (a)")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	p := pool(t, openAt(t, path, func(c *engine.Config) { c.ReadOnly = true }))
	if err := p.QueryRow("SELECT count(*) FROM t").Scan(new(int)); err != nil {
		t.Error(err)
	}
	_, err := p.Exec("INSERT INTO t VALUES (1)")
	wantOnly(t, err, engine.ErrReadOnly)
	_, err = p.Begin()
	wantOnly(t, err, engine.ErrReadOnly)
	tx, err := p.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
}

func TestSQLOptionMistakes(t *testing.T) {
	t.Parallel()
	db := open(t)
	for name, opts := range map[string][]engine.SQLOption{
		"class": {engine.WithClass(99)}, "hold": {engine.HoldFor(-1)}, "idle": {engine.IdleFor(0)}, "time-out": {engine.WithTimeout(time.Second)},
		"replayable": {engine.Replayable()}, "run once": {engine.RunOnce()}, "durability": {engine.WithDurability(9)},
	} {
		p := pool(t, db, opts...)
		if err := p.Ping(); !errors.Is(err, engine.ErrArgs) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var unset engine.Option
	if err := pool(t, db, nil, unset, engine.HoldFor(time.Second), engine.WithDurability(engine.Relaxed)).Ping(); err != nil {
		t.Error(err)
	}
}

// Statements and transactions through db.SQL() are traced like those of the methods of DB.
func TestSQLSpans(t *testing.T) {
	t.Parallel()
	db, r := traced(t)
	p := pool(t, db, engine.WithName("orders"), engine.WithClass(engine.ClassTrade))
	ctx, outer := r.Tracer("test").Start(t.Context(), "caller")
	tx, err := p.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(ctx, "UPDATE acc SET balance = balance - ? WHERE id = 1 AND ? <> ''", 5, secret); err != nil {
		t.Fatal(err)
	}
	inner, own := r.Tracer("test").Start(ctx, "own")
	if err := tx.QueryRowContext(inner, "SELECT balance FROM acc WHERE id = 1").Scan(new(int)); err != nil {
		t.Fatal(err)
	}
	own.End()
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.ExecContext(ctx, "INSERT INTO acc VALUES (1, ?)", secret); err == nil {
		t.Fatal("no error")
	}
	if err := p.QueryRowContext(ctx, "SELECT count(*) FROM entry").Scan(new(int)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.ExecContext(ctx, "DELETE FROM entry; DELETE FROM acc WHERE id = 2"); err != nil {
		t.Fatal(err)
	}
	outer.End()
	spans := r.taken(t)
	under := func(child string, parent trace.SpanContext) {
		t.Helper()
		if s := named(t, spans, child); s.parent.SpanID() != parent.SpanID() {
			t.Errorf("%s is under %v", child, s.parent.SpanID())
		}
	}
	session := named(t, spans, "TRANSACTION orders")
	session.want(t, map[string]string{"engine.tx.kind": "session", "engine.tx.statements": "2", "engine.tx.outcome": "committed", "engine.group.size": "1"})
	under("TRANSACTION orders", outer.SpanContext())
	under("UPDATE acc", session.self)
	under("SELECT acc", own.SpanContext()) // a span of the caller's own stays the parent
	under("SELECT entry", outer.SpanContext())
	named(t, spans, "UPDATE acc").want(t, map[string]string{"engine.lane": "writer", "engine.class": "trade", "sqlite.rows_changed": "1",
		"db.query.text": "UPDATE acc SET balance = balance - ? WHERE id = ? AND ? <> ?", "error.type": ""})
	named(t, spans, "INSERT acc").want(t, map[string]string{"error.type": "constraint"})
	named(t, spans, "SELECT entry").want(t, map[string]string{"engine.lane": "reader", "db.response.returned_rows": "1"})
	var script *span
	for _, s := range spans {
		if s.name == "TRANSACTION orders" && s != session {
			script = s
		}
		wantNoSecret(t, errors.New(s.text), secret)
	}
	if script == nil {
		t.Fatal("the script has no span of its own")
	}
	under("DELETE entry", script.self)
	under("DELETE acc", script.self)
}
