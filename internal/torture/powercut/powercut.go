// Package powercut takes the power away after every single change of the disk (P1). A bank with many callers runs on the whole engine
// while a recorder logs what reaches the disk; the log is then replayed to each point, a power cut loses what it may, and SQLite alone
// must find a sound database in which nothing is missing that was promised, and nothing is there by half.
//
// The same run shows that the test can fail: commits that are acknowledged before their sync must be lost, and a store that never syncs
// must break.
package powercut

import (
	"context"
	"fmt"
	"time"

	"github.com/tidegate/engine/internal/faultfs"
	"github.com/tidegate/engine/internal/torture"
)

// Scenario is the promise P1.
func Scenario() torture.Scenario {
	return torture.Scenario{Name: "power-cut", Promise: "P1", Run: run,
		About: "power lost after every change of the disk; at FULL nothing lost or broken, while NORMAL loses and OFF breaks"}
}

func run(ctx context.Context, e *torture.Env) (torture.Result, error) {
	var result torture.Result
	began := time.Now()
	full, err := campaign(ctx, e, "FULL", torture.Pick(e.Scale, 600, 100_000), func(ctx context.Context, round uint64) ([]faultfs.Event, error) {
		return bank(ctx, e, round, false)
	})
	if err != nil {
		return result, err
	}
	result.Cases = full.points
	result.Count("distinct", full.images)
	result.Count("lost", full.lost)
	result.Count("partial", full.partial)
	result.Count("corrupt", full.corrupt)
	result.Add("rate", float64(full.points)/time.Since(began).Seconds(), "/s")
	if full.lost+full.partial+full.corrupt > 0 {
		return result, fmt.Errorf("at FULL %d lost, %d partial, %d corrupt; first: %s", full.lost, full.partial, full.corrupt, full.first)
	}
	if full.missed > 0 {
		return result, fmt.Errorf("%d committed moves were gone after a power cut that lost nothing: the recorder misses file calls", full.missed)
	}
	normal, err := campaign(ctx, e, "NORMAL", torture.Pick(e.Scale, 150, 5_000), func(ctx context.Context, round uint64) ([]faultfs.Event, error) {
		return bank(ctx, e, round+1000, true)
	})
	if err != nil {
		return result, err
	}
	off, err := campaign(ctx, e, "OFF", torture.Pick(e.Scale, 300, 5_000), func(_ context.Context, round uint64) ([]faultfs.Event, error) {
		return unsynced(e, round+2000)
	})
	if err != nil {
		return result, err
	}
	result.Count("normal_points", normal.points)
	result.Count("normal_lost", normal.lost)
	result.Count("normal_corrupt", normal.corrupt+normal.partial)
	result.Count("off_points", off.points)
	result.Count("off_corrupt", off.corrupt+off.partial)
	switch {
	case normal.lost == 0 || off.corrupt+off.partial == 0:
		return result, fmt.Errorf("the test has no teeth: NORMAL lost %d of %d, OFF broke %d of %d", normal.lost, normal.points, off.corrupt+off.partial, off.points)
	case normal.corrupt+normal.partial > 0:
		return result, fmt.Errorf("NORMAL may lose the latest commits and no more, but broke %d; first: %s", normal.corrupt+normal.partial, normal.first)
	}
	return result, nil
}
