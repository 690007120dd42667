package bulk_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine/core/bulk"
	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// store is a database on the lanes, as the root package makes it.
type store struct {
	*lane.Lanes
	updates atomic.Int64
	lose    func(n int64, err error) error // may change the outcome of the n-th Update
	halt    func(n int64)                  // called ahead of the n-th Update
}

func (s *store) Update(ctx context.Context, opt bulk.Work, fn func(context.Context, bulk.Writer) error) error {
	n := s.updates.Add(1)
	if s.halt != nil {
		s.halt(n)
	}
	_, err := s.Lanes.Update(ctx, lane.JobOptions{Class: lane.Maintenance, Name: opt.Name, Relaxed: !opt.Durable, Hold: opt.Hold, Replayable: true},
		func(tx *lane.Tx) error { return fn(ctx, writer{tx}) })
	if s.lose != nil {
		err = s.lose(n, err)
	}
	return err
}

func (s *store) View(ctx context.Context, name string, fn func(context.Context, bulk.Reader) error) error {
	r, err := s.Read(ctx, lane.ReadOptions{Class: lane.Analytics, Name: name, Snapshot: true})
	if err != nil {
		return err
	}
	defer r.Close()
	return fn(ctx, reader{r})
}

type writer struct{ tx *lane.Tx }

func (w writer) Exec(ctx context.Context, sql string, args []any) (int64, error) {
	res, err := w.tx.Exec(ctx, sql, args)
	return res.RowsAffected, err
}

func (w writer) Own(ctx context.Context, sql string, args []any) (int64, error) {
	res, err := w.tx.ExecOwn(ctx, sql, args)
	return res.RowsAffected, err
}
func (w writer) Err() error { return w.tx.Err() }

type reader struct{ r *lane.Reader }

func (r reader) Query(ctx context.Context, sql string, args []any) (bulk.Cursor, error) {
	c, err := r.r.Open(ctx, sql, args)
	if err != nil {
		return nil, err
	}
	return cursor{c, ctx}, nil
}

type cursor struct {
	*lane.Cursor
	ctx context.Context
}

func (c cursor) Next() (bool, error) { return c.Cursor.Next(c.ctx) }

// open makes a database with the statements in it.
func open(t testing.TB, statements ...string) *store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "bulk.db"), statements...)
}

func openAt(t testing.TB, path string, statements ...string) *store {
	t.Helper()
	loc, err := sqlite.ParseURL(path)
	if err != nil {
		t.Fatal(err)
	}
	opt := sqlite.DefaultOptions()
	opt.Adopt = true // some tests look at what other programs made
	db, err := sqlite.Open(t.Context(), loc, opt)
	if err != nil {
		t.Fatal(err)
	}
	cfg := lane.DefaultConfig()
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.Writer.QueueTimeout, cfg.Analytics.QueueTimeout = time.Minute, time.Minute // the machine may be busy
	l, err := lane.Open(t.Context(), db, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(l.Shutdown(context.Background()), db.Close()); err != nil {
			t.Error(err)
		}
	})
	s := &store{Lanes: l}
	for _, sql := range statements {
		s.exec(t, sql)
	}
	return s
}

func (s *store) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	if _, err := s.Do(t.Context(), lane.JobOptions{}, func(tx *lane.Tx) error {
		_, err := tx.Exec(t.Context(), sql, args)
		return err
	}); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// rows are all rows of a query, as Go values.
func (s *store) rows(t testing.TB, sql string) [][]any {
	t.Helper()
	c, err := s.Query(t.Context(), lane.ReadOptions{}, sql, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var out [][]any
	for {
		ok, err := c.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return out
		}
		var row []any
		for _, v := range c.Row() {
			row = append(row, v.Any())
		}
		out = append(out, row)
	}
}

func (s *store) count(t testing.TB, sql string) int64 {
	t.Helper()
	return s.rows(t, sql)[0][0].(int64)
}

// into imports text.
func (s *store) into(t testing.TB, table, text string, change func(*bulk.ImportOptions)) (bulk.ImportReport, error) {
	t.Helper()
	opt := bulk.ImportOptions{Table: table, Format: bulk.CSV{}}
	if change != nil {
		change(&opt)
	}
	return bulk.Import(t.Context(), s, strings.NewReader(text), opt)
}

// export returns a file of the table.
func (s *store) export(t testing.TB, opt bulk.ExportOptions) string {
	t.Helper()
	var out bytes.Buffer
	if _, err := bulk.Export(t.Context(), s, &out, opt); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// rejects is a file for refused rows.
func rejects(t testing.TB) *os.File {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "rejects.jsonl"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func content(t testing.TB, f *os.File) string {
	t.Helper()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
