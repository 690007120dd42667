package plain_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tidegate/engine/core/sqlite/plain"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a b#c%20.db")
	if _, err := plain.Open(path); err == nil {
		t.Fatal("a file that does not exist was opened")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := plain.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Exec("CREATE TABLE t(a); INSERT INTO t VALUES(1),(2)"); err != nil {
		t.Fatal(err)
	}
	for sql, want := range map[string]string{"SELECT sum(a) FROM t": "3", "SELECT a FROM t WHERE a > 5": "", "PRAGMA integrity_check": "ok"} {
		if got, err := db.Text(sql); err != nil || got != want {
			t.Errorf("%s: %q, %v", sql, got, err)
		}
	}
	if _, err := db.Text("SELECT nothing"); err == nil {
		t.Error("wrong SQL passed")
	}
}
