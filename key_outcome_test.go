package engine_test

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/faultfs"
	"github.com/tidegate/engine/internal/testdb"
)

// TestKeyOfBeforeProvesNothing: a repeated call finds its key and changes nothing. When the COMMIT of its group fails and another program has
// begun the log anew before the lane could look, that key says nothing of the others in the group.
func TestKeyOfBeforeProvesNothing(t *testing.T) {
	t.Parallel()
	plan, path := &faultfs.Plan{}, filepath.Join(t.TempDir(), "k.db")
	db, err := engine.Open(testdb.WithFaults(t.Context(), plan), engine.DefaultConfig(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, sql := range []string{"CREATE TABLE balance (id INTEGER NOT NULL PRIMARY KEY, cents INTEGER NOT NULL) STRICT", "INSERT INTO balance VALUES (1, 100)"} {
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Exec(t.Context(), pay, 7, engine.Key("pay-1")); err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(t.Context(), sqlite.Location{Path: path}, sqlite.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	other, err := store.Connect(t.Context(), sqlite.Maintenance)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()

	repeated, opens := make(chan error, 1), 0
	err = db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		if _, err := tx.Exec(ctx, pay, 1000); err != nil {
			return err
		}
		go func() {
			_, err := db.Exec(t.Context(), pay, 7, engine.Key("pay-1"))
			repeated <- err
		}()
		for end := time.Now().Add(20 * time.Second); db.Stats().Writer.Waiting == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				return errors.New("the repeated call does not wait")
			}
		}
		plan.Add(faultfs.Rule{Kind: sqlite.OpSync, Files: []sqlite.FileKind{sqlite.FileWAL}, Err: syscall.EIO})
		plan.Add(faultfs.Rule{Kind: sqlite.OpOpen, Files: []sqlite.FileKind{sqlite.FileDB}, Then: func(sqlite.Op) {
			opens++
			if _, _, busy, err := other.Checkpoint(sqlite.Truncate); err != nil || busy {
				t.Errorf("checkpoint: busy %v, %v", busy, err)
			}
		}})
		return nil
	}, engine.HoldFor(time.Minute))
	if again := <-repeated; opens == 0 {
		t.Fatalf("the log was not reset: the test has lost what it is about; %v, %v", err, again)
	}
	if !errors.Is(err, engine.ErrOutcomeUnknown) {
		t.Errorf("told %v by somebody else's old key, want an unknown outcome", err)
	}
	plan.Clear()
	if n := cents(t, db); n != 107 {
		t.Errorf("%d cents", n)
	}
}
