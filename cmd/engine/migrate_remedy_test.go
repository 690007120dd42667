package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// printed is the first command that an outcome tells to type.
func printed(t *testing.T, o outcome, code string) string {
	t.Helper()
	said := o.stdout + o.stderr
	if !strings.Contains(said, code+" ") && !strings.Contains(said, code+":") {
		t.Fatalf("want %s: %s", code, said)
	}
	for line := range strings.Lines(said) {
		if strings.HasPrefix(line, "     engine migrate ") {
			return strings.TrimSpace(line)
		}
	}
	t.Fatalf("no command is printed: %s", said)
	return ""
}

// typedAsPrinted types a command as it was printed.
func typedAsPrinted(t *testing.T, line string) outcome {
	t.Helper()
	o := program(t, words(line)[1:]...)
	if o.code != exitOK {
		t.Fatalf("%s: exit code %d: %s", line, o.code, o.stderr)
	}
	return o
}

// E07: a sum file that does not fit is written again, in the folder that it is about.
func TestRemedyOfSums(t *testing.T) {
	t.Parallel()
	s := newSchema(t, ordersFile)
	s.migrate(exitOK, "up", "--create")
	plugin := newSchema(t, strings.Replace(auditFile, "-- needs: 0002\n", "", 1)).dir
	for _, dir := range []string{s.dir, plugin} {
		if err := os.Remove(filepath.Join(dir, "engine.sum")); err != nil {
			t.Fatal(err)
		}
		typedAsPrinted(t, printed(t, s.migrate(exitConflict, "status", "--plugin", "audit="+plugin), "E07"))
		if err := os.WriteFile(filepath.Join(dir, "engine.sum"), []byte("0001_x.sql sha256:0\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		typedAsPrinted(t, printed(t, s.migrate(exitConflict, "status", "--plugin", "audit="+plugin), "E07"))
	}
	s.migrate(exitPending, "status", "--plugin", "audit="+plugin)
}

// E10: the printed command waits longer, and does what was wanted once the lock is free.
func TestRemedyOfALockedDatabase(t *testing.T) {
	t.Parallel()
	s := newSchema(t, ordersFile)
	s.migrate(exitOK, "up", "--create")
	s.write(2, indexFile)
	var typed string
	s.locked(func() { typed = printed(t, s.migrate(exitLockTimeout, "up", "--lock-wait", "20ms"), "E10") })
	typedAsPrinted(t, typed)
	s.migrate(exitOK, "status")
}

const auditFile = "-- migration: audit\n-- compat: 0001\n-- needs: 0002\n-- +up\nCREATE TABLE p_audit_log (a TEXT);\n-- +down\nDROP TABLE p_audit_log;\n"

// E11: a plug-in comes after what it builds on, and goes before it.
func TestRemedyOfComponentsOutOfOrder(t *testing.T) {
	t.Parallel()
	s := newSchema(t, ordersFile)
	plugin := "audit=" + newSchema(t, auditFile).dir
	s.migrate(exitOK, "up", "--create")
	o := s.migrate(exitConflict, "status", "--plugin", plugin)
	if !strings.Contains(o.stdout, "E11 component audit") || !strings.Contains(o.stdout, "newer main schema") {
		t.Fatalf("status: %s", o.stdout)
	}
	s.write(2, indexFile) // the newer main schema
	s.migrate(exitPending, "status", "--plugin", plugin)
	if o := s.migrate(exitOK, "up", "--plugin", plugin); !strings.Contains(o.stdout, "applied audit 0001 audit") {
		t.Errorf("up: %s", o.stdout)
	}
	typed := printed(t, s.migrate(exitConflict, "down", "--to", "1", "--plugin", plugin), "E11")
	typedAsPrinted(t, typed)
	s.migrate(exitOK, "down", "--to", "1", "--plugin", plugin)
	s.migrate(exitMigrateUsage, "up", "--plugin", "audit")
}

// E12: what a failed probe has left is put back, or kept where the copy is lost.
func TestRemedyOfAFailedRestore(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		s := newSchema(t, ordersFile)
		s.migrate(exitOK, "up", "--create")
		s.write(2, indexFile)
		s.migrate(exitOK, "up")
		edit(t, s, "UPDATE _tg_migration_run SET state = 'failed' WHERE to_version = 2")
		if lost {
			copies, err := filepath.Glob(s.path + ".snapshots/*.db")
			if err != nil || len(copies) != 1 {
				t.Fatalf("copies %v, %v", copies, err)
			}
			if err := os.Remove(copies[0]); err != nil {
				t.Fatal(err)
			}
		}
		typed := printed(t, s.migrate(exitConflict, "up"), "E12")
		if strings.Contains(typed, "--keep-run") != lost {
			t.Errorf("lost %v: %s", lost, typed)
		}
		typedAsPrinted(t, typed)
		want := exitPending
		if lost {
			want = exitOK
		}
		s.migrate(want, "status")
		s.migrate(exitOK, "up")
	}
}

// The rows of a database decide which tables are large.
func TestMigrateLintWithDatabase(t *testing.T) {
	t.Parallel()
	s := newSchema(t, ordersFile)
	s.migrate(exitOK, "up", "--create")
	s.write(2, "-- migration: index\n-- compat: 0001\n-- +up\nCREATE INDEX by_price ON orders (price);\n-- +down\nDROP INDEX by_price;\n")
	if o := must(t, "migrate", "lint", "--dir", s.dir); !strings.Contains(o.stdout, "L13") {
		t.Errorf("without a database: %s", o.stdout)
	}
	if o := must(t, "migrate", "lint", "--dir", s.dir, "--db", s.url); strings.Contains(o.stdout, "L13") {
		t.Errorf("a table of one row is called large: %s", o.stdout)
	}
	if o := program(t, "migrate", "lint", "--dir", s.dir, "--db", s.url+".none"); o.code != exitError {
		t.Errorf("a database that is not there: exit code %d", o.code)
	}
}
