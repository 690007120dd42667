package engine_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/quarantine"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/faultfs"
)

// TestQuarantineThatCannotBeKept: where the record cannot be written the quarantine names no file, and goes on: nobody takes the file that is not there for one that somebody
// has removed.
func TestQuarantineThatCannotBeKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), strings.Repeat("q", 237)+".db") // the record has a longer name while it is written, longer than file systems take
	if err := (&quarantine.Record{}).Save(path); err == nil {
		t.Skip("this file system takes such names")
	}
	db := openAt(t, path)
	exec(t, db, "CREATE TABLE acc (id INTEGER PRIMARY KEY, balance INTEGER)", "INSERT INTO acc VALUES (1, 1000)", "CREATE TABLE other (x)", "INSERT INTO other VALUES (0)")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	p := &faultfs.Plan{}
	cfg := config(path)
	cfg.Telemetry.Slow.Log = false
	db, err := engine.OpenOn(t.Context(), cfg, nil, p)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	one(t, db, "SELECT x FROM other")
	exec(t, db, "UPDATE other SET x = 1") // there are connections: what meets the damage is the statement
	p.Add(faultfs.Rule{Kind: sqlite.OpRead, Err: sqlite.ResultCode(11)})
	wantOnly(t, db.QueryRow(t.Context(), "SELECT sum(balance) FROM acc").Scan(new(int)), engine.ErrCorrupt)
	for range 3 {
		_, err = db.Exec(t.Context(), "UPDATE acc SET balance = 0")
		wantOnly(t, err, engine.ErrQuarantined)
		var q *engine.QuarantineError
		if !errors.As(err, &q) || q.File != "" || q.Reason == "" {
			t.Errorf("%+v", q)
		}
	}
	if quarantine.Load(path) != nil {
		t.Error("there is a record")
	}
	if err := db.Quarantine().Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "UPDATE acc SET balance = 1")
}

// TestDamageThatANewConnectionMeets: the writer is open when a reader is connected and finds the file damaged. What the writer has read before may be whole, and is not written
// over the rest.
func TestDamageThatANewConnectionMeets(t *testing.T) {
	t.Parallel()
	count := func(db *engine.DB) error {
		return db.QueryRow(t.Context(), "SELECT count(*) FROM kept").Scan(new(int))
	}
	view := func(db *engine.DB) error {
		return db.View(t.Context(), func(context.Context, *engine.Tx) error { return nil })
	}
	for i, read := range []func(*engine.DB) error{count, count, view} {
		code := []int{11, 26}[i%2]
		path := made(t)
		p := &faultfs.Plan{}
		cfg := config(path)
		cfg.Telemetry.Slow.Log = false
		db, err := engine.OpenOn(t.Context(), cfg, nil, p)
		if err != nil {
			t.Fatal(err)
		}
		exec(t, db, "UPDATE kept SET b = 'two'")
		fault := p.Add(faultfs.Rule{Kind: sqlite.OpRead, Err: sqlite.ResultCode(code)})
		err = read(db)
		if fault.Hits() != 1 || !errors.Is(err, engine.ErrCorrupt) && !errors.Is(err, engine.ErrNotDatabase) || !strings.Contains(err.Error(), "connect") {
			t.Fatalf("%d faults, %v", fault.Hits(), err)
		}
		_, err = db.Exec(t.Context(), "UPDATE kept SET b = 'three'")
		wantOnly(t, err, engine.ErrQuarantined)
		if quarantine.Load(path) == nil {
			t.Errorf("%d: there is no record", code)
		}
		if err := db.Quarantine().Reset(t.Context()); err != nil {
			t.Error(err)
		}
		exec(t, db, "UPDATE kept SET b = 'three'")
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestCheckThatDoesNotEnd: a check that could not read the database has found nothing, and that releases nothing.
func TestCheckThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	db, p := cold(t)
	p.Add(faultfs.Rule{Kind: sqlite.OpRead, Err: sqlite.ResultCode(11)})
	wantOnly(t, db.QueryRow(t.Context(), "SELECT sum(balance) FROM acc").Scan(new(int)), engine.ErrCorrupt)
	p.Clear()
	fault := p.Add(faultfs.Rule{Kind: sqlite.OpRead, Err: sqlite.ResultCode(10), Sticky: true})
	if found, err := db.Quarantine().Check(t.Context()); err == nil || len(found) > 0 {
		t.Errorf("the check found %q, %v", found, err)
	}
	if err := db.Quarantine().Reset(t.Context()); err == nil {
		t.Error("released by a check that read nothing")
	}
	if fault.Hits() == 0 {
		t.Fatal("no read has failed")
	}
	if db.Quarantine().Err() == nil || quarantine.Load(db.Config().URL) == nil {
		t.Error("the quarantine is over")
	}
	p.Clear()
	if err := db.Quarantine().Reset(t.Context()); err != nil {
		t.Errorf("where it can be read again: %v", err)
	}
}

// TestOpenedInQuarantine: who opens a database that is in quarantine reads it, its log as well, and changes not a byte of it: neither on the way in nor on the way out, nor
// behind a release, for which it has to be opened anew.
func TestOpenedInQuarantine(t *testing.T) {
	t.Parallel()
	from := filepath.Join(t.TempDir(), "from.db")
	db := openAt(t, from)
	exec(t, db, "CREATE TABLE kept (x)", "INSERT INTO kept VALUES (1)", "INSERT INTO kept VALUES (2)")
	path := filepath.Join(t.TempDir(), "to.db")
	for _, suffix := range []string{"", "-wal"} {
		raw, err := os.ReadFile(from + suffix)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path+suffix, raw)
	}
	if err := (&quarantine.Record{Reason: "malformed", Class: "corrupt"}).Save(path); err != nil {
		t.Fatal(err)
	}
	before := [2][]byte{}
	read := func(into *[2][]byte) {
		for i, suffix := range []string{"", "-wal"} {
			into[i], _ = os.ReadFile(path + suffix)
		}
	}
	read(&before)
	for i, release := range []bool{false, true} {
		db, err := engine.Open(t.Context(), config(path))
		if err != nil {
			t.Fatal(err)
		}
		if n := one(t, db, "SELECT count(*) FROM kept"); n != 2 {
			t.Errorf("%d rows", n)
		}
		_, err = db.Exec(t.Context(), "INSERT INTO kept VALUES (3)")
		wantOnly(t, err, engine.ErrQuarantined)
		if release {
			if err := db.Quarantine().Reset(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := db.Exec(t.Context(), "INSERT INTO kept VALUES (3)"); err == nil {
				t.Error("it has a writer")
			}
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		after := [2][]byte{}
		if read(&after); !bytes.Equal(before[0], after[0]) || !bytes.Equal(before[1], after[1]) {
			t.Errorf("round %d: the database or its log was changed: %d and %d bytes, now %d and %d", i, len(before[0]), len(before[1]), len(after[0]), len(after[1]))
		}
	}
	db = openAt(t, path)
	exec(t, db, "INSERT INTO kept VALUES (3)")
	if n := one(t, db, "SELECT count(*) FROM kept"); n != 3 {
		t.Errorf("%d rows behind the quarantine", n)
	}
}
