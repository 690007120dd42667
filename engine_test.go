package engine_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

// catalogue lists every sentinel of errors.go.
func catalogue() map[string]error {
	return map[string]error{
		"ErrNoRows": engine.ErrNoRows, "ErrClosed": engine.ErrClosed, "ErrConfig": engine.ErrConfig, "ErrReadOnly": engine.ErrReadOnly,
		"ErrNotAdopted": engine.ErrNotAdopted, "ErrMigration": engine.ErrMigration, "ErrOverloaded": engine.ErrOverloaded,
		"ErrKeyReused": engine.ErrKeyReused, "ErrAlreadyApplied": engine.ErrAlreadyApplied, "ErrLeaseExpired": engine.ErrLeaseExpired, "ErrNotApplied": engine.ErrNotApplied, "ErrOutcomeUnknown": engine.ErrOutcomeUnknown,
		"ErrSnapshotExpired": engine.ErrSnapshotExpired, "ErrKilled": engine.ErrKilled, "ErrExpectation": engine.ErrExpectation, "ErrDecimal": engine.ErrDecimal,
		"ErrReentrant": engine.ErrReentrant, "ErrTxDone": engine.ErrTxDone,
		"ErrUnavailable": engine.ErrUnavailable, "ErrQuarantined": engine.ErrQuarantined,
		"ErrRejected": engine.ErrRejected, "ErrRuleFault": engine.ErrRuleFault, "ErrPluginQuarantined": engine.ErrPluginQuarantined,
		"ErrPluginInService": engine.ErrPluginInService,
		"ErrConstraint":      engine.ErrConstraint, "ErrBusy": engine.ErrBusy, "ErrFull": engine.ErrFull, "ErrIO": engine.ErrIO,
		"ErrCorrupt": engine.ErrCorrupt, "ErrNotDatabase": engine.ErrNotDatabase, "ErrCannotOpen": engine.ErrCannotOpen,
		"ErrMoved": engine.ErrMoved, "ErrInterrupted": engine.ErrInterrupted, "ErrOutOfMemory": engine.ErrOutOfMemory,
		"ErrTooBig": engine.ErrTooBig, "ErrArgs": engine.ErrArgs, "ErrSQL": engine.ErrSQL, "ErrForbidden": engine.ErrForbidden,
		"ErrSchemaFenced": engine.ErrSchemaFenced, "ErrStuck": engine.ErrStuck,
		"ErrNoAlerts": engine.ErrNoAlerts, "ErrNoSinks": engine.ErrNoSinks, "ErrNotStored": engine.ErrNotStored,
	}
}

// wantOnly checks that err matches want, and no sentinel besides.
func wantOnly(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %T %v, want %v", err, err, want)
	}
	for name, s := range catalogue() {
		if s != want && errors.Is(err, s) {
			t.Errorf("%v matches %s too", err, name)
		}
	}
}

// wantText checks that the error says each of the words.
func wantText(t testing.TB, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", fmt.Sprint(err), w)
		}
	}
}

// wantNoSecret checks that neither the error nor anything that it wraps shows the text.
func wantNoSecret(t testing.TB, err error, secret string) {
	t.Helper()
	if err == nil {
		return
	}
	if s := fmt.Sprintf("%v %+v %s", err, err, err.Error()); strings.Contains(s, secret) {
		t.Errorf("the error shows a bound value: %s", s)
	}
	switch u := err.(type) {
	case interface{ Unwrap() error }:
		wantNoSecret(t, u.Unwrap(), secret)
	case interface{ Unwrap() []error }:
		for _, e := range u.Unwrap() {
			wantNoSecret(t, e, secret)
		}
	}
}

// config has limits that a busy machine does not reach; tests of a limit set it.
func config(url string) engine.Config {
	cfg := engine.DefaultConfig(url)
	cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	cfg.Writer.Hold, cfg.Writer.QueueTimeout = 20*time.Second, 20*time.Second
	cfg.Readers.QueueTimeout = 20 * time.Second
	return cfg
}

// openAt opens url and closes it at the end of the test.
func openAt(t testing.TB, url string, change ...func(*engine.Config)) *engine.DB {
	t.Helper()
	cfg := config(url)
	for _, c := range change {
		c(&cfg)
	}
	db, err := engine.Open(context.Background(), cfg)
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

// open opens a new database in a file.
func open(t testing.TB, change ...func(*engine.Config)) *engine.DB {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "test.db"), change...)
}

// exec runs statements that must succeed, each a transaction.
func exec(t testing.TB, db *engine.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// one reads a single number.
func one(t testing.TB, db *engine.DB, sql string, args ...any) int64 {
	t.Helper()
	var n int64
	if err := db.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// digest sums up all that the tables of a database hold.
func digest(t testing.TB, db *engine.DB) string {
	t.Helper()
	h := sha256.New()
	err := db.View(context.Background(), func(ctx context.Context, tx *engine.Tx) error {
		rows, err := tx.Query(ctx, "SELECT type, name, sql FROM sqlite_schema ORDER BY name")
		if err != nil {
			return err
		}
		var tables []string
		for r, err := range rows.All() {
			if err != nil {
				return err
			}
			v, err := r.Values()
			if err != nil {
				return err
			}
			fmt.Fprintln(h, v...)
			if v[0] == "table" && !strings.HasPrefix(v[1].(string), "sqlite_") {
				tables = append(tables, v[1].(string))
			}
		}
		for _, name := range tables {
			rows, err := tx.Query(ctx, `SELECT * FROM "`+name+`"`)
			if err != nil {
				return err
			}
			for r, err := range rows.All() {
				if err != nil {
					return err
				}
				v, err := r.Values()
				if err != nil {
					return err
				}
				fmt.Fprintln(h, name, v)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// files sums up a folder: names, modes and contents.
func files(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %v", strings.TrimPrefix(path, dir), info.Mode())
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %d %x", len(data), sha256.Sum256(data))
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// eventually polls until ok, and fails the test when that takes too long.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	const patience = 30 * time.Second // which only a failure reaches, on a busy machine as well
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen within %v", what, patience)
		}
	}
}

// within runs f and fails the test when it has not returned in time.
func within(t testing.TB, d time.Duration, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(d):
		t.Fatalf("%s did not return within %v", what, d)
	}
}
