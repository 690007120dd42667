package retry_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tidegate/engine/core/retry"
	"github.com/tidegate/engine/core/sqlite"
)

var update = flag.Bool("update", false, "write the table into docs/retry.md")

const page = "../../docs/retry.md"

// table is the table of result codes as the page has it, made from Decide.
func table() string {
	rows := []struct {
		codes string
		class sqlite.ErrorClass
		code  int
	}{
		{"BUSY, BUSY_RECOVERY, BUSY_TIMEOUT", sqlite.Busy, 5},
		{"BUSY_SNAPSHOT", sqlite.BusySnapshot, 517},
		{"SCHEMA", sqlite.Schema, 17},
		{"PROTOCOL", sqlite.Protocol, 15},
		{"READONLY_RECOVERY, READONLY_CANTINIT", sqlite.ReadOnly, 264},
		{"LOCKED", sqlite.Locked, 6},
		{"CONSTRAINT and all of its kind", sqlite.Constraint, 19},
		{"MISMATCH", sqlite.Mismatch, 20},
		{"TOOBIG", sqlite.TooBig, 18},
		{"RANGE", sqlite.Args, 25},
		{"AUTH", sqlite.Auth, 23},
		{"ERROR", sqlite.SQL, 1},
		{"MISUSE", sqlite.Misuse, 21},
		{"INTERRUPT, where neither the caller nor an operator wanted it", sqlite.Interrupt, 9},
		{"NOMEM", sqlite.OutOfMemory, 7},
		{"a panic inside SQLite", sqlite.Poisoned, 0},
		{"IOERR and all of its kind", sqlite.IO, 10},
		{"IOERR_FSYNC, IOERR_DIR_FSYNC", sqlite.Fsync, 1034},
		{"FULL, and an I/O error for want of space", sqlite.Full, 13},
		{"READONLY and the rest of its kind", sqlite.ReadOnly, 8},
		{"CANTOPEN, PERM", sqlite.CantOpen, 14},
		{"READONLY_DBMOVED, a file that was replaced", sqlite.Moved, 1032},
		{"CORRUPT", sqlite.Corrupt, 11},
		{"NOTADB", sqlite.NotADB, 26},
		{"CORRUPT_VTAB", sqlite.Corrupt, 267},
		{"a connection that was taken away", sqlite.Fenced, 0},
	}
	var b strings.Builder
	b.WriteString("| code | at BEGIN | a read | a write before COMMIT | at COMMIT | breaker | besides |\n|---|---|---|---|---|---|---|\n")
	for _, r := range rows {
		at := func(p retry.Phase) string { return cell(retry.Decide(r.class, r.code, p)) }
		d := retry.Decide(r.class, r.code, retry.Write)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", r.codes, at(retry.Begin), at(retry.Read), at(retry.Write), at(retry.Commit), d.Domain, besides(d))
	}
	return b.String()
}

func cell(d retry.Decision) string {
	switch {
	case d.Unknown:
		return "**in doubt**"
	case d.Again == retry.Never:
		return "never"
	}
	return fmt.Sprintf("%s: %s", d.Again, d.Where)
}

func besides(d retry.Decision) string {
	var out []string
	if d.Discard {
		out = append(out, "connection discarded")
	}
	if d.Trip {
		out = append(out, "breaker opens at once")
	}
	if d.Quarantine {
		out = append(out, "quarantine")
	}
	return strings.Join(out, ", ")
}

// TestThePageHasTheTable: what operators read is what the code does. `go test ./core/retry -update` writes it anew.
func TestThePageHasTheTable(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const from, to = "<!-- table of codes -->\n", "<!-- end of table -->"
	before, rest, found := strings.Cut(string(raw), from)
	have, after, ended := strings.Cut(rest, to)
	if !found || !ended {
		t.Fatalf("%s has no place for the table", page)
	}
	want := table()
	if have == want {
		return
	}
	if !*update {
		t.Fatalf("the table of %s is not that of the code; run go test ./core/retry -update\n%s", page, want)
	}
	if err := os.WriteFile(page, []byte(before+from+want+to+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
