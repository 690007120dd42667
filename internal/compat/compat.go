// Package compat runs programs and libraries that speak database/sql on an engine: what they do must work, or be refused with a typed
// error that the document "database/sql" lists. It is a module of its own, so that nothing of theirs enters the engine's.
package compat

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

// Open opens an engine on a new database and a sql.DB on it. Both are closed at the end of the test, which fails when the file is not
// sound by then.
func Open(t testing.TB, opts ...engine.SQLOption) (*sql.DB, *engine.DB) {
	t.Helper()
	cfg := engine.DefaultConfig(filepath.Join(t.TempDir(), "compat.db"))
	cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	cfg.Writer.QueueTimeout, cfg.Readers.QueueTimeout = time.Minute, time.Minute // a busy machine must not reach them
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	pool := db.SQL(append([]engine.SQLOption{engine.IdleFor(time.Minute), engine.HoldFor(time.Minute)}, opts...)...)
	t.Cleanup(func() {
		var report string
		err := db.QueryRow(context.Background(), "SELECT group_concat(integrity_check) FROM pragma_integrity_check").Scan(&report)
		if err = errors.Join(err, pool.Close(), db.Close()); err != nil || report != "ok" {
			t.Errorf("at the end: %q, %v", report, err)
		}
	})
	return pool, db
}
