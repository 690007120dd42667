package peer_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine/core/sqlite/peer"
)

// TestOpen holds the pool to what its figures are said to be about: every commit synced, or not, and WAL.
func TestOpen(t *testing.T) {
	t.Parallel()
	for full, want := range map[bool]int{false: 1, true: 2} {
		db, err := peer.Open(filepath.Join(t.TempDir(), "a b#c%20.db"), peer.Options{Connections: 3, Full: full})
		if err != nil {
			t.Fatal(err)
		}
		var mode string
		var level, keys, busy int
		err = db.QueryRowContext(t.Context(), "SELECT (SELECT journal_mode FROM pragma_journal_mode), (SELECT synchronous FROM pragma_synchronous), (SELECT foreign_keys FROM pragma_foreign_keys), (SELECT timeout FROM pragma_busy_timeout)").
			Scan(&mode, &level, &keys, &busy)
		if err != nil || mode != "wal" || level != want || keys != 1 || busy != 30_000 {
			t.Errorf("full %v: journal %s, synchronous %d, foreign keys %d, busy %d, %v", full, mode, level, keys, busy, err)
		}
		if n := db.Stats().MaxOpenConnections; n != 3 {
			t.Errorf("%d connections at most, want 3", n)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	if db, err := peer.Open(filepath.Join(t.TempDir(), "no", "such.db"), peer.Options{}); err == nil {
		if err := db.PingContext(t.Context()); err == nil {
			t.Error("a file in a folder that is not there was opened")
		}
		db.Close()
	}
}

// An embedder of the engine must not get a second driver with it, which registers itself with database/sql.
func TestOpenIsNotLinkedByEmbedders(t *testing.T) {
	t.Parallel()
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("needs the go command")
	}
	out, err := exec.CommandContext(t.Context(), goTool, "list", "-deps", "github.com/tidegate/engine").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := "\n" + string(out)
	for _, p := range []string{"github.com/tidegate/engine/core/sqlite/peer", "github.com/ncruces/go-sqlite3/driver"} {
		if strings.Contains(packages, "\n"+p+"\n") {
			t.Errorf("the engine links %s", p)
		}
	}
	if !strings.Contains(packages, "\ngithub.com/tidegate/engine/core/sqlite\n") {
		t.Errorf("the list of what the engine links is not read right: %d bytes", len(out))
	}
}
