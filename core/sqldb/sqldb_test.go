package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqldb"
	"github.com/tidegate/engine/core/sqlite"
)

// rig is a database with sessions of database/sql on it.
type rig struct {
	*sql.DB
	lanes *lane.Lanes
	host  *host
}

// setup is what a test may change.
type setup struct {
	lane  lane.Config
	store sqlite.Options
	opt   sqldb.Options
}

func build(t testing.TB, change ...func(*setup)) *rig {
	t.Helper()
	s := setup{lane: lane.DefaultConfig(), store: sqlite.DefaultOptions(), opt: sqldb.Options{Hold: time.Minute, Idle: time.Minute}}
	s.lane.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	s.lane.Writer.QueueTimeout, s.lane.Readers.QueueTimeout = time.Minute, time.Minute // a busy machine must not reach them
	for _, c := range change {
		c(&s)
	}
	loc, err := sqlite.ParseURL(filepath.Join(t.TempDir(), "sql.db"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(t.Context(), loc, s.store)
	if err != nil {
		t.Fatal(err)
	}
	lanes, err := lane.Open(t.Context(), store, s.lane, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{}
	r := &rig{sql.OpenDB(sqldb.New(lanes, h, s.opt, nil)), lanes, h}
	r.SetMaxIdleConns(1000)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := errors.Join(r.Close(), lanes.Shutdown(ctx), store.Close()); err != nil {
			t.Error(err)
		}
		h.check(t)
	})
	return r
}

// must runs statements that must succeed.
func (r *rig) must(t testing.TB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := r.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// number reads one integer beside all transactions.
func (r *rig) number(t testing.TB, query string, args ...any) int64 {
	t.Helper()
	return number(t, r.DB, query, args...)
}

type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func number(t testing.TB, q queryer, query string, args ...any) int64 {
	t.Helper()
	var n int64
	if err := q.QueryRowContext(context.Background(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// begin starts a transaction that is rolled back at the end of the test, if it is open then.
func (r *rig) begin(t testing.TB, opts *sql.TxOptions) *sql.Tx {
	t.Helper()
	tx, err := r.BeginTx(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback() }) // most have ended by then
	return tx
}

// classOf is the class of a failure of the store, as text, or the type of another error.
func classOf(err error) string {
	var store *sqlite.Error
	if errors.As(err, &store) {
		return store.Class.String()
	}
	return fmt.Sprintf("%T", err)
}

// host is the engine of these tests: it keeps the records of statements and transactions.
type host struct {
	mu      sync.Mutex
	closed  bool
	open    int // records that have not ended
	twice   int // records that have ended twice
	records []record
	ends    []sqldb.TxOutcome
}

// record is an execution that has ended.
type record struct {
	bound []any
	host  *host
	sql   string
	write bool
	ended bool
	sqldb.Outcome
}

var errClosed = errors.New("host: closed")

func (h *host) Admit(context.Context, string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errClosed
	}
	return nil
}

func (h *host) Arg(v any, ordinal int, name string) (any, error) {
	if b, ok := v.([]byte); ok {
		return slices.Clone(b), nil
	}
	return nil, fmt.Errorf("host: argument %d %q: %T", ordinal, name, v)
}

func (h *host) Time(v *sqlite.Value) (time.Time, bool) {
	if v.Type == sqlite.Integer {
		return time.Unix(v.Int, 0).UTC(), true
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, string(v.Bytes)); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func (h *host) Translate(err error) error { return err }

func (h *host) Statement(_ context.Context, sql string, write bool) sqldb.Statement {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open++
	return &record{host: h, sql: sql, write: write}
}

func (r *record) Bound(args []any) { r.bound = args }

func (r *record) Allow() error { return nil }

func (r *record) Again(context.Context, error, *lane.ReadOptions) bool { return false }

func (r *record) End(_ context.Context, o sqldb.Outcome) error {
	r.host.mu.Lock()
	defer r.host.mu.Unlock()
	if r.ended {
		r.host.twice++
	}
	r.host.open--
	r.ended, r.Outcome = true, o
	r.host.records = append(r.host.records, *r)
	return o.Err
}

type txRecord struct{ host *host }

func (h *host) Transaction(context.Context, bool) sqldb.Transaction {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open++
	return txRecord{h}
}

func (txRecord) Context(ctx context.Context) context.Context { return ctx }

func (r txRecord) End(o sqldb.TxOutcome) {
	r.host.mu.Lock()
	defer r.host.mu.Unlock()
	r.host.open--
	r.host.ends = append(r.host.ends, o)
}

// check fails the test unless every record that was begun has ended once.
func (h *host) check(t testing.TB) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open != 0 || h.twice != 0 {
		t.Errorf("%d records were left open, %d ended twice", h.open, h.twice)
	}
}

// taken returns the records so far and forgets them.
func (h *host) taken() ([]record, []sqldb.TxOutcome) {
	h.mu.Lock()
	defer h.mu.Unlock()
	records, ends := h.records, h.ends
	h.records, h.ends = nil, nil
	return records, ends
}

// eventually polls until ok, and fails the test when that takes too long.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen within 20 s", what)
		}
	}
}
