package load_test

import (
	"os"
	"testing"
	"time"

	"github.com/tidegate/engine/internal/load"
)

func TestFsyncs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, took, err := load.Fsyncs(dir, 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if mean := time.Duration(float64(time.Second) / n); n <= 0 || took.Count() < 1 || took.Max() < mean/2 {
		t.Errorf("%v fsyncs a second, and the longest of %d took %v", n, took.Count(), took.Max())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, _, err := load.Fsyncs(dir+"/nowhere", time.Millisecond); err == nil {
		t.Error("a folder that does not exist has been synced")
	}
}

// Memory that is used is resident.
func TestResident(t *testing.T) {
	t.Parallel()
	before := load.Resident()
	block := make([]byte, 64<<20)
	for i := range block {
		block[i] = byte(i)
	}
	if after := load.Resident(); before < 1<<20 || after < 64<<20 || int(block[len(block)-1]) != (len(block)-1)&0xff {
		t.Errorf("resident %d bytes before 64 MiB were used, %d after", before, after)
	}
}
