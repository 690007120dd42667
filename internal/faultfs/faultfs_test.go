package faultfs_test

import (
	"errors"
	"testing"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/faultfs"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	write := sqlite.Op{Kind: sqlite.OpWrite, File: sqlite.FileWAL}
	var plan faultfs.Plan
	logged := 0
	plan.Log(func(sqlite.Op) { logged++ })
	once := plan.Add(faultfs.Rule{Kind: sqlite.OpWrite, Files: []sqlite.FileKind{sqlite.FileWAL}, Nth: 2, Err: broken, Short: 7})

	for i, want := range []bool{false, true, false} {
		err := plan.Before(write)
		if (err != nil) != want {
			t.Fatalf("call %d: %v", i+1, err)
		}
		if short, ok := errors.AsType[*sqlite.ShortWrite](err); want && (!ok || short.N != 7 || !errors.Is(err, broken)) {
			t.Fatalf("not a short write: %v", err)
		}
	}
	if err := plan.Before(sqlite.Op{Kind: sqlite.OpWrite, File: sqlite.FileDB}); err != nil {
		t.Fatal("another file was failed")
	}
	if once.Hits() != 1 || once.Seen() != 3 {
		t.Fatalf("%d hits of %d calls", once.Hits(), once.Seen())
	}

	plan.Clear()
	reached := false
	forGood := plan.Add(faultfs.Rule{Kind: sqlite.OpSync, Sticky: true, Err: broken, Then: func(sqlite.Op) { reached = true }})
	for range 3 {
		if err := plan.Before(sqlite.Op{Kind: sqlite.OpSync}); !errors.Is(err, broken) {
			t.Fatalf("a sticky rule returned %v", err)
		}
	}
	if !reached || forGood.Hits() != 3 || plan.Calls() != 7 || logged != 7 {
		t.Fatalf("reached %v, hits %d, calls %d, logged %d", reached, forGood.Hits(), plan.Calls(), logged)
	}
}
