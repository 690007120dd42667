package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/quarantine"
)

const migratingEnv = "TIDEGATE_MIGRATING"

// TestHelperMigrates is the process that the tests below start: it opens a database with two migrations and a probe that passes, fails, or ends
// the process.
func TestHelperMigrates(t *testing.T) {
	path, probe, ok := strings.Cut(os.Getenv(migratingEnv), "|")
	if !ok {
		t.Skip("only as the child of the tests of this file")
	}
	cfg := config(path)
	cfg.Migrations = schema(t, 2)
	cfg.Migrate.Probes = []engine.MigrationProbe{{Name: "trading", Check: func(ctx context.Context, _ *engine.DB) error {
		switch probe {
		case "fail":
			return errors.New("it does not trade")
		case "die":
			self, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = self.Kill()
			}
			if err != nil {
				return err
			}
			<-ctx.Done() // the signal is on its way
		}
		return nil
	}}}
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		fmt.Println("refused:", err)
		os.Exit(3)
	}
	fmt.Println("opened at", db.Stats().SchemaVersion)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// migrating runs the child and returns its exit code, -1 where it was killed, and what it said.
func migrating(t *testing.T, path, probe string) (int, string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := osexec.CommandContext(t.Context(), self, "-test.run=^TestHelperMigrates$", "-test.count=1")
	cmd.Env = append(os.Environ(), migratingEnv+"="+path+"|"+probe)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// oldProgram is a program that was started on the first version and goes on running.
func oldProgram(t *testing.T) (db *engine.DB, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "trading.db")
	cfg := config(path)
	cfg.Migrations = schema(t, 1)
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	exec(t, db, "INSERT INTO t1 VALUES (1, 'a')")
	return db, path
}

// A process that dies between COMMIT and its probes: whoever still runs is stopped at its next write and Health says why; the next start goes
// on where it ended.
func TestProcessDiesBetweenCommitAndProbe(t *testing.T) {
	t.Parallel()
	old, path := oldProgram(t)
	if c := check(t, old.Health(t.Context()), "migration"); !c.OK {
		t.Errorf("%+v", c)
	}
	if code, said := migrating(t, path, "die"); code != -1 {
		t.Fatalf("the child was to die in its probe: exit code %d\n%s", code, said)
	}
	_, err := old.Exec(t.Context(), "INSERT INTO t1 VALUES (2, 'lost')")
	wantOnly(t, err, engine.ErrSchemaFenced)
	if c := check(t, old.Health(t.Context()), "migration"); c.OK || !strings.Contains(c.Detail, "is committed") || c.Remedy == "" {
		t.Errorf("%+v", c)
	}
	if code, said := migrating(t, path, "pass"); code != 0 || !strings.Contains(said, "opened at 2") {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	if c := check(t, old.Health(t.Context()), "migration"); !c.OK {
		t.Errorf("%+v", c)
	}
	_, err = old.Exec(t.Context(), "INSERT INTO t1 VALUES (2, 'stale')")
	wantOnly(t, err, engine.ErrSchemaFenced)
}

// A process that dies there and whose successor's probe fails leaves the database of before, on which the old program goes on.
func TestProbeFailsInTheNextProcess(t *testing.T) {
	t.Parallel()
	old, path := oldProgram(t)
	if code, said := migrating(t, path, "die"); code != -1 {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	if code, said := migrating(t, path, "fail"); code != 3 || !strings.Contains(said, "it does not trade") || !strings.Contains(said, "put back") {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	exec(t, old, "INSERT INTO t1 VALUES (2, 'b')")
	var n int
	if err := old.QueryRow(t.Context(), "SELECT count(*) FROM t1 WHERE NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 't2')").Scan(&n); err != nil || n != 2 {
		t.Errorf("%d rows of the version before, %v", n, err)
	}
	if code, said := migrating(t, path, "fail"); code != 3 {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	exec(t, old, "INSERT INTO t1 VALUES (3, 'c')")
	if code, said := migrating(t, path, "pass"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, said)
	}
}

// Events and figures of migrations reach the program.
func TestMigrationEventsAndStats(t *testing.T) {
	t.Parallel()
	cfg := config(filepath.Join(t.TempDir(), "told.db"))
	cfg.Migrations = schema(t, 1)
	var events []engine.MigrationEvent
	cfg.Migrate.Ended = func(e engine.MigrationEvent) { events = append(events, e) }
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if s := db.Stats().Migrations; s.Runs != 1 || s.Applied != 1 || s.Failed != 0 || len(events) != 1 || events[0].Err != nil {
		t.Errorf("%+v, %+v", s, events)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Migrations = schema(t, 2)
	cfg.Migrate.Probes = []engine.MigrationProbe{{Name: "no", Check: func(context.Context, *engine.DB) error { return errors.New("no") }}}
	_, err = engine.Open(t.Context(), cfg)
	wantOnly(t, err, engine.ErrMigration)
	if len(events) != 2 || !events[1].Restored || events[1].Err == nil {
		t.Errorf("%+v", events)
	}
}

// A database in quarantine is not migrated at run time either; a migrator of its own may put a copy back.
func TestQuarantineRefusesMigrationsAtRunTime(t *testing.T) {
	t.Parallel()
	db, path := oldProgram(t)
	two := db.Config()
	two.Migrations = schema(t, 2)
	m, err := engine.OpenMigrator(t.Context(), two)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Up(t.Context()); err != nil { // so that there is a copy to put back
		t.Fatal(err)
	}
	if err := (&quarantine.Record{Reason: "malformed", Class: "corrupt"}).Save(path); err != nil {
		t.Fatal(err)
	}
	q, err := engine.OpenMigrator(t.Context(), two)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if _, err := q.Down(t.Context(), migrate.DownOptions{AllowDataLoss: true}); !errors.Is(err, engine.ErrQuarantined) {
		t.Errorf("down of a database in quarantine: %v", err)
	}
	if _, _, err := q.Restore(t.Context(), migrate.RestoreOptions{}); err != nil {
		t.Errorf("restore, which is a way out: %v", err)
	}

	damaged := config(damagedFile(t))
	running, err := engine.Open(t.Context(), damaged)
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	err = running.QueryRow(t.Context(), "SELECT sum(length(x)) FROM big").Scan(new(int))
	wantOnly(t, err, engine.ErrCorrupt)
	_, downErr := running.Migrations().Down(t.Context(), migrate.DownOptions{})
	_, _, restoreErr := running.Migrations().Restore(t.Context(), migrate.RestoreOptions{Discard: true, Path: path})
	_, repairErr := running.Migrations().Repair(t.Context(), migrate.RepairOptions{AdoptDrift: true})
	for what, err := range map[string]error{"down": downErr, "restore": restoreErr, "repair": repairErr} {
		if !errors.Is(err, engine.ErrQuarantined) {
			t.Errorf("%s at run time: %v", what, err)
		}
	}
}
