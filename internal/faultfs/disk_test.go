package faultfs_test

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidegate/engine/internal/faultfs"
)

func disk(events ...faultfs.Event) *faultfs.Disk {
	var d faultfs.Disk
	for _, e := range events {
		d.Apply(e)
	}
	return &d
}

func create(file int, name string) faultfs.Event {
	return faultfs.Event{Kind: faultfs.Created, File: file, Name: name}
}

func write(file int, offset int64, text string) faultfs.Event {
	return faultfs.Event{Kind: faultfs.Written, File: file, Offset: offset, Data: []byte(text)}
}

func syncs(file int, dir bool) faultfs.Event {
	return faultfs.Event{Kind: faultfs.Synced, File: file, Dir: dir}
}

func wantImage(t *testing.T, got map[string][]byte, want map[string]string) {
	t.Helper()
	if !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
		t.Fatalf("files %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	for name, text := range want {
		if string(got[name]) != text {
			t.Errorf("%s: %q, want %q", name, got[name], text)
		}
	}
}

// TestDiskKeepsWhatIsSynced: a sync keeps the contents of its file, and the names only where it says so.
func TestDiskKeepsWhatIsSynced(t *testing.T) {
	t.Parallel()
	d := disk(create(0, "db"), write(0, 0, "old"), syncs(0, false))
	wantImage(t, d.Image(faultfs.LoseAll, nil), nil)
	wantImage(t, d.Image(faultfs.LoseNothing, nil), map[string]string{"db": "old"})
	for _, e := range []faultfs.Event{create(1, "wal"), write(1, 2, "x"), syncs(1, true), write(0, 0, "new!"), write(1, 0, "ab")} {
		d.Apply(e)
	}
	wantImage(t, d.Image(faultfs.LoseAll, nil), map[string]string{"db": "old", "wal": "\x00\x00x"})
	wantImage(t, d.Image(faultfs.LoseNothing, nil), map[string]string{"db": "new!", "wal": "abx"})
}

// TestDiskFollowsFilesNotNames: a log that was deleted and made anew shares nothing with the first, and what is written through an old
// handle does not reach it.
func TestDiskFollowsFilesNotNames(t *testing.T) {
	t.Parallel()
	d := disk(create(0, "wal"), write(0, 0, "first"), syncs(0, true),
		faultfs.Event{Kind: faultfs.Deleted, File: 0, Name: "wal"}, create(1, "wal"), write(1, 0, "second"), write(0, 0, "FIRST"))
	wantImage(t, d.Image(faultfs.LoseAll, nil), map[string]string{"wal": "first"})
	wantImage(t, d.Image(faultfs.LoseNothing, nil), map[string]string{"wal": "second"})
	d.Apply(syncs(1, false))
	seen := map[string]bool{}
	for part := range uint64(200) {
		seen[string(d.Image(faultfs.LoseSome, rand.New(rand.NewPCG(1, part)))["wal"])] = true
	}
	for _, want := range []string{"", "second"} { // no name at all, or the second file whole; the first may be torn
		if !seen[want] {
			t.Errorf("%q never came out of %v", want, seen)
		}
	}
	d.Apply(faultfs.Event{Kind: faultfs.Deleted, File: 1, Name: "wal", Dir: true})
	wantImage(t, d.Image(faultfs.LoseAll, nil), nil)
}

// TestDiskLosesParts: among many power cuts every kind of loss comes up, and nothing that was never written.
func TestDiskLosesParts(t *testing.T) {
	t.Parallel()
	old, a, b := bytes.Repeat([]byte("o"), 1024), bytes.Repeat([]byte("a"), 1024), bytes.Repeat([]byte("b"), 512)
	d := disk(create(0, "db"), faultfs.Event{Kind: faultfs.Written, Data: old}, syncs(0, true), faultfs.Event{Kind: faultfs.Written, Data: a},
		faultfs.Event{Kind: faultfs.Written, Offset: 512, Data: b}, faultfs.Event{Kind: faultfs.Grown, Offset: 1536}, faultfs.Event{Kind: faultfs.Truncated, Offset: 512})
	if !d.Dirty() {
		t.Error("nothing to lose?")
	}
	seen := map[string]int{}
	for part := range uint64(2000) {
		image := d.Image(faultfs.LoseSome, rand.New(rand.NewPCG(7, part)))["db"]
		again := d.Image(faultfs.LoseSome, rand.New(rand.NewPCG(7, part)))["db"]
		if !bytes.Equal(image, again) {
			t.Fatal("the same seed gave another image")
		}
		short := ""
		for i := 0; i < len(image); i += 512 {
			c := image[i]
			if !bytes.Equal(image[i:i+512], bytes.Repeat([]byte{c}, 512)) {
				t.Fatalf("a sector is torn")
			}
			short += string(rune(max(c, '0')))
		}
		seen[short]++
	}
	for _, want := range []string{"oo", "aa", "ab", "oa", "ao", "ob", "o", "a", "ab0", "aa0", "oo0"} { // "aa" after both writes: b came first
		if seen[want] == 0 {
			t.Errorf("%s never came out of %v", want, seen)
		}
	}
	for s := range seen {
		if s[0] == 'b' || len(s) > 1 && s[1] == '0' {
			t.Errorf("%s was never written", s)
		}
	}
}

// TestDiskAfterFailedSync: what a failed sync was for is gone, and a later sync that succeeds does not bring it back.
func TestDiskAfterFailedSync(t *testing.T) {
	t.Parallel()
	d := disk(create(0, "wal"), write(0, 0, "aaaa"), syncs(0, true), write(0, 0, "bb"), faultfs.Event{Kind: faultfs.SyncFailed}, write(0, 2, "cc"), syncs(0, false))
	wantImage(t, d.Image(faultfs.LoseNothing, nil), map[string]string{"wal": "bbcc"})
	wantImage(t, d.Image(faultfs.LoseAll, nil), map[string]string{"wal": "aacc"})
	d.Apply(write(0, 0, "bb"))
	d.Apply(syncs(0, false))
	wantImage(t, d.Image(faultfs.LoseAll, nil), map[string]string{"wal": "bbcc"})
}
