package engine_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/quarantine"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/faultfs"
)

// damagedFile makes a database of some pages whose table "big" has a page overwritten; "small" is whole.
func damagedFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "damaged.db")
	db := openAt(t, path)
	exec(t, db, "CREATE TABLE small (x)", "INSERT INTO small VALUES (1)", "CREATE TABLE big (x)",
		"INSERT INTO big WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) SELECT randomblob(1000) FROM n")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := len(raw) - 8*4096; at < len(raw)-4096; at++ {
		raw[at] = 0xa5
	}
	write(t, path, raw)
	return path
}

// TestDamageMeansQuarantine: the statement that meets the damage gets its error; from then on nothing is written, by this process and the
// next, and what is whole can be read.
func TestDamageMeansQuarantine(t *testing.T) {
	t.Parallel()
	path := damagedFile(t)
	cfg := config(path)
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, "INSERT INTO small VALUES (2)") // nobody has met the damage yet; the log holds this
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	err = db.QueryRow(t.Context(), "SELECT sum(length(x)) FROM big").Scan(new(int))
	wantOnly(t, err, engine.ErrCorrupt)
	for range 3 {
		_, err = db.Exec(t.Context(), "INSERT INTO small VALUES (3)")
		wantOnly(t, err, engine.ErrQuarantined)
		wantText(t, err, "engine health --reset", "malformed")
		var q *engine.QuarantineError
		if !errors.As(err, &q) || q.File == "" || q.Since.IsZero() || engine.Retryable(err) {
			t.Errorf("%+v", q)
		}
	}
	if n := one(t, db, "SELECT count(*) FROM small"); n != 2 {
		t.Errorf("%d rows: reads must go on", n)
	}
	h := db.Health(t.Context())
	if c := check(t, h, "quarantine"); c.OK || h.Level() != engine.HealthDegraded || !strings.Contains(c.Remedy, "health --reset") {
		t.Errorf("%+v", c)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if now, _ := os.ReadFile(path); !bytes.Equal(now, file) {
		t.Error("the damaged file was written to: by a checkpoint, or on the way out")
	}
	if r := quarantine.Load(path); r == nil || r.Class != "corrupt" || !strings.Contains(r.Statement, "FROM big") {
		t.Fatalf("the record: %+v", r)
	}

	db = openAt(t, path) // the next process
	_, err = db.Exec(t.Context(), "INSERT INTO small VALUES (4)")
	wantOnly(t, err, engine.ErrQuarantined)
	if n := one(t, db, "SELECT count(*) FROM small"); n != 2 {
		t.Errorf("%d rows after a restart", n)
	}
	err = db.Quarantine().Reset(t.Context())
	wantOnly(t, err, engine.ErrCorrupt)
	if db.Quarantine().Err() == nil || quarantine.Load(path) == nil {
		t.Error("released while damaged")
	}
}

// TestReleasedWhenWhole: a database that only seemed damaged, by a read that went wrong, is released by its check and writes at once.
func TestReleasedWhenWhole(t *testing.T) {
	t.Parallel()
	db, p := cold(t)
	p.Add(faultfs.Rule{Kind: sqlite.OpRead, Err: sqlite.ResultCode(11)})
	err := db.QueryRow(t.Context(), "SELECT sum(balance) FROM acc").Scan(new(int))
	wantOnly(t, err, engine.ErrCorrupt)
	_, err = db.Exec(t.Context(), "UPDATE acc SET balance = 0")
	wantOnly(t, err, engine.ErrQuarantined)
	if found, err := db.Quarantine().Check(t.Context()); err != nil || found != nil {
		t.Errorf("the check found %q, %v", found, err)
	}
	if err := db.Quarantine().Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Quarantine().Err(); err != nil {
		t.Error(err)
	}
	exec(t, db, "UPDATE acc SET balance = balance + 1")
	if n := one(t, db, "SELECT sum(balance) FROM acc"); n != 2002 {
		t.Errorf("sum %d", n)
	}
}

// TestReleasedByAnotherProcess: `engine health --reset` removes the record, and the process that keeps the database open goes on writing.
func TestReleasedByAnotherProcess(t *testing.T) {
	t.Parallel()
	db, p := cold(t)
	p.Add(faultfs.Rule{Kind: sqlite.OpRead, Err: sqlite.ResultCode(11)})
	if err := db.QueryRow(t.Context(), "SELECT sum(balance) FROM acc").Scan(new(int)); !errors.Is(err, engine.ErrCorrupt) {
		t.Fatal(err)
	}
	var q *engine.QuarantineError
	if !errors.As(db.Quarantine().Err(), &q) {
		t.Fatal("not in quarantine")
	}
	if err := os.Remove(q.File); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the quarantine", func() bool {
		_, err := db.Exec(t.Context(), "UPDATE acc SET balance = balance + 1")
		return err == nil
	})
}

// TestQuarantineRefusesMigrations: the schema that the program counts on is not there, so it does not open.
func TestQuarantineRefusesMigrations(t *testing.T) {
	t.Parallel()
	path := made(t)
	if err := (&quarantine.Record{Reason: "malformed", Class: "corrupt"}).Save(path); err != nil {
		t.Fatal(err)
	}
	cfg := config(path)
	cfg.Migrations = schema(t, 2)
	db, err := engine.Open(t.Context(), cfg)
	if err == nil {
		db.Close()
		t.Fatal("opened without the schema that it counts on")
	}
	wantOnly(t, err, engine.ErrQuarantined)
}

// TestQuarantineRefusesTheMigrator: neither the migrator of a database that went into quarantine while it was open changes it, nor one that
// is opened for that; but for the way out, a snapshot that is put back where no program has the database open.
func TestQuarantineRefusesTheMigrator(t *testing.T) {
	t.Parallel()
	db, p := cold(t, func(c *engine.Config) { c.Migrations, c.Migrate.SnapshotKeep = schema(t, 1), 3 })
	p.Add(faultfs.Rule{Kind: sqlite.OpRead, Err: sqlite.ResultCode(11)})
	wantOnly(t, db.QueryRow(t.Context(), "SELECT sum(balance) FROM acc").Scan(new(int)), engine.ErrCorrupt)
	changes := func(m *engine.Migrator) map[string]error {
		_, up := m.Up(t.Context())
		_, down := m.Down(t.Context(), migrate.DownOptions{To: 0})
		_, repair := m.Repair(t.Context(), migrate.RepairOptions{AdoptDrift: true})
		return map[string]error{"up": up, "down": down, "repair": repair}
	}
	path := db.Config().URL
	for kind, err := range changes(db.Migrations()) {
		if !errors.Is(err, engine.ErrQuarantined) && (kind != "up" || err != nil) { // where nothing is pending up has nothing to do
			t.Errorf("%s at run time: %v", kind, err)
		}
	}
	if _, _, err := db.Migrations().Restore(t.Context(), migrate.RestoreOptions{Path: made(t)}); !errors.Is(err, engine.ErrQuarantined) {
		t.Errorf("restore at run time: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := config(path)
	cfg.Migrations = schema(t, 2)
	m, err := engine.OpenMigrator(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for kind, err := range changes(m) {
		if !errors.Is(err, engine.ErrQuarantined) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if _, _, err := m.Restore(t.Context(), migrate.RestoreOptions{Path: made(t)}); err != nil {
		t.Errorf("restore: %v", err)
	}
}

// TestResetReadsTheFindings: damage that the check reports and that is no error of a statement keeps the quarantine: a row that its index
// does not know.
func TestResetReadsTheFindings(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lost.db")
	db := openAt(t, path)
	exec(t, db, "CREATE TABLE t (x TEXT)", "CREATE INDEX tx ON t (x)", "INSERT INTO t VALUES ('aaaaaaaaaaaa')", "CREATE TABLE other (x)", "INSERT INTO other VALUES (1)")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, bytes.Replace(raw, []byte("aaaaaaaaaaaa"), []byte("bbbbbbbbbbbb"), 1)) // in the table, or in the index
	p := &faultfs.Plan{}
	db, err = engine.OpenOn(t.Context(), config(path), nil, p)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	one(t, db, "SELECT x FROM other")
	exec(t, db, "UPDATE other SET x = 1")
	fault := p.Add(faultfs.Rule{Kind: sqlite.OpRead, Err: sqlite.ResultCode(11)})
	if err := db.QueryRow(t.Context(), "SELECT count(*) FROM t NOT INDEXED").Scan(new(int)); fault.Hits() != 1 || !errors.Is(err, engine.ErrCorrupt) {
		t.Fatalf("%d faults, %v", fault.Hits(), err)
	}
	found, err := db.Quarantine().Check(t.Context())
	if err != nil || len(found) == 0 {
		t.Fatalf("the check found %q, %v", found, err)
	}
	wantOnly(t, db.Quarantine().Reset(t.Context()), engine.ErrCorrupt)
	if db.Quarantine().Err() == nil || quarantine.Load(path) == nil {
		t.Errorf("released with %q", found)
	}
}
