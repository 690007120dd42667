package powercut

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tidegate/engine/internal/faultfs"
	"github.com/tidegate/engine/internal/torture"
)

func env(t *testing.T) *torture.Env {
	return &torture.Env{Seed: 1, Dir: t.TempDir(), Log: t.Logf}
}

// TestBankLogs holds the run to what it must contain to be worth replaying: two lives, logs that are made, synced with their folder,
// copied into the database, begun anew and deleted, and both kinds of promise.
func TestBankLogs(t *testing.T) {
	t.Parallel()
	events, err := bank(t.Context(), env(t), 1, false)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	names := map[int]string{}
	for _, e := range events {
		name := names[e.File]
		switch e.Kind {
		case faultfs.Created:
			names[e.File] = e.Name
			count["create "+e.Name]++
		case faultfs.Written:
			count["write "+name]++
			if e.Offset == 0 {
				count["restart "+name]++
			}
		case faultfs.Synced:
			count["sync "+name]++
			if e.Dir {
				count["sync folder"]++
			}
		case faultfs.Deleted:
			count["delete "+e.Name]++
		case faultfs.Marked:
			if e.Mark.Durable {
				count["durable"]++
			} else {
				count["relaxed"]++
			}
		}
	}
	const log = fileName + "-wal"
	for what, least := range map[string]int{"create " + fileName: 1, "create " + log: 2, "delete " + log: 2, "sync folder": 2, "sync " + fileName: 4,
		"sync " + log: 20, "write " + fileName: 20, "write " + log: 200, "restart " + log: 4, "durable": 60, "relaxed": 60} {
		if count[what] < least {
			t.Errorf("%s: %d, want %d at least", what, count[what], least)
		}
	}
	t.Logf("%d events: %v", len(events), count)
}

// TestJudge shows that each kind of damage is seen.
func TestJudge(t *testing.T) {
	t.Parallel()
	e := env(t)
	events, err := unsynced(e, 7)
	if err != nil {
		t.Fatal(err)
	}
	var disk faultfs.Disk
	for _, ev := range events {
		disk.Apply(ev)
	}
	good := disk.Image(faultfs.LoseNothing, nil)
	dir := filepath.Join(e.Dir, "judge")
	if f := judge(dir, good); f.corrupt != nil || f.partial != "" || f.total != 4*movesEach {
		t.Fatalf("a sound image: %+v", f)
	}
	if f := judge(dir, nil); f.corrupt != nil || f.partial != "" || f.total != 0 {
		t.Errorf("an empty folder: %+v", f)
	}
	if f := judge(dir, map[string][]byte{fileName + "-wal": {1}}); f.partial == "" {
		t.Error("a log without its database passed")
	}
	broken := map[string][]byte{fileName: slices.Clone(good[fileName])}
	clear(broken[fileName][4096 : 2*4096])
	if f := judge(dir, broken); f.corrupt == nil {
		t.Errorf("a page of zeros: %+v", f)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
}
