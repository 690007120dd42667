package soak

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/engine/internal/torture"
)

// sample is what the process uses at one moment.
type sample struct {
	at          time.Duration // since the beginning
	rss, heap   int64         // bytes
	goroutines  int
	descriptors int
	log         int64 // bytes of the write-ahead log's file
}

func measure() sample {
	runtime.GC() // a heap that waits for its collection is no leak
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s := sample{heap: int64(m.HeapAlloc), goroutines: runtime.NumGoroutine()}
	if names, err := os.ReadDir("/proc/self/fd"); err == nil {
		s.descriptors = len(names)
	}
	if data, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := strings.Fields(string(data)); len(fields) > 1 {
			pages, _ := strconv.ParseInt(fields[1], 10, 64)
			s.rss = pages * int64(os.Getpagesize())
		}
	}
	return s
}

// slack is by how much a figure may be higher in the last quarter of the run than in the second one.
type slack struct {
	name   string
	unit   string
	of     func(sample) int64
	factor float64
	plus   int64
}

func slacks() []slack {
	return []slack{
		{"rss", "MB", func(s sample) int64 { return s.rss >> 20 }, 1.25, 64},
		{"heap", "MB", func(s sample) int64 { return s.heap >> 20 }, 1.25, 32},
		{"goroutines", "", func(s sample) int64 { return int64(s.goroutines) }, 1.1, 20},
		{"descriptors", "", func(s sample) int64 { return int64(s.descriptors) }, 1.25, 40},
		{"log", "MB", func(s sample) int64 { return s.log >> 20 }, 1, 256}, // it has its own bound, see run
	}
}

// level compares the second quarter, when everything has been used once, with the last.
func level(samples []sample, result *torture.Result) error {
	n := len(samples)
	if n < 8 {
		return fmt.Errorf("%d samples say nothing", n)
	}
	var err error
	for _, k := range slacks() {
		before, after := median(samples[n/4:n/2], k.of), median(samples[n*3/4:], k.of)
		result.Add(k.name+"_second_quarter", float64(before), k.unit)
		result.Add(k.name+"_last_quarter", float64(after), k.unit)
		if float64(after) > float64(before)*k.factor+float64(k.plus) && err == nil {
			err = fmt.Errorf("%s grew from %d to %d %s", k.name, before, after, k.unit)
		}
	}
	return err
}

// marks reports what the process used after so many minutes.
func marks(samples []sample, result *torture.Result) {
	for _, minute := range []int{1, 5, 10, 20, 30, 60} {
		i := slices.IndexFunc(samples, func(s sample) bool { return s.at >= time.Duration(minute)*time.Minute-time.Second })
		if i < 0 {
			return
		}
		for _, k := range slacks() {
			result.Add(fmt.Sprintf("%s_minute_%d", k.name, minute), float64(k.of(samples[i])), k.unit)
		}
	}
}

func median(samples []sample, of func(sample) int64) int64 {
	values := make([]int64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
