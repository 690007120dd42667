package load

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"
)

// Fsyncs appends 4 KiB to a file in dir and syncs it, again and again for d, with nothing else going on in this program. The
// rate is the most that a store could commit that syncs for each caller alone; the histogram is of append and fsync together.
func Fsyncs(dir string, d time.Duration) (perSecond float64, took *Histogram, err error) {
	f, err := os.CreateTemp(dir, "fsync-*")
	if err != nil {
		return 0, nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	page := make([]byte, 4096)
	took = new(Histogram)
	start := time.Now()
	for began := start; began.Sub(start) < d; {
		if _, err := f.Write(page); err != nil {
			return 0, nil, err
		}
		if err := f.Sync(); err != nil {
			return 0, nil, err
		}
		ended := time.Now()
		took.Add(ended.Sub(began))
		began = ended
	}
	return float64(took.Count()) / time.Since(start).Seconds(), took, nil
}

// Resident returns the memory of this process that is in RAM now, in bytes. Where the system does not say (it does on Linux)
// it is what the Go runtime has taken from the system, which leaves out memory that it did not allocate itself.
func Resident() int64 {
	if status, err := os.ReadFile(filepath.Join("/proc", "self", "status")); err == nil {
		for line := range bytes.Lines(status) {
			if rest, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
				if fields := bytes.Fields(rest); len(fields) > 0 {
					if kib, err := strconv.ParseInt(string(fields[0]), 10, 64); err == nil {
						return kib << 10
					}
				}
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys - m.HeapReleased)
}
