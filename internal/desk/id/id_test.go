package id_test

import (
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine/internal/desk/id"
)

func TestNextRisesWhenTheClockStepsBack(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	g, err := id.New(7, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	last := g.Next()
	if got := id.Time(last); !got.Equal(now) {
		t.Errorf("id carries %v, want %v", got, now)
	}
	if last < id.Floor(now) || last >= id.Floor(now.Add(time.Millisecond)) {
		t.Errorf("id %d is not in its millisecond", last)
	}
	for i := range 20_000 { // more than a millisecond has room for
		if i == 10_000 {
			now = now.Add(-time.Hour)
		}
		next := g.Next()
		if next <= last {
			t.Fatalf("id %d after %d", next, last)
		}
		last = next
	}
	now = now.Add(2 * time.Hour)
	if next := g.Next(); id.Time(next) != now.Local() && !id.Time(next).Equal(now) {
		t.Errorf("the clock went on, the ids did not: %v", id.Time(next))
	}
}

func TestSkipPast(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	other, _ := id.New(id.MaxNode, func() time.Time { return now.Add(time.Minute) })
	ahead := other.Next()
	g, _ := id.New(0, clock)
	g.SkipPast(ahead)
	first := g.Next()
	if first <= ahead {
		t.Errorf("%d is not past %d", first, ahead)
	}
	g.SkipPast(1)
	if next := g.Next(); next <= first {
		t.Errorf("an old id took the generator back: %d after %d", next, first)
	}
}

func TestNextIsUniqueAcrossGoroutinesAndNodes(t *testing.T) {
	t.Parallel()
	const each = 5000
	seen := make(chan []int64, 8)
	var wg sync.WaitGroup
	for node := range 2 {
		g, err := id.New(node, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			wg.Go(func() {
				ids := make([]int64, each)
				for i := range ids {
					ids[i] = g.Next()
				}
				seen <- ids
			})
		}
	}
	wg.Wait()
	close(seen)
	all := map[int64]bool{}
	for ids := range seen {
		for _, n := range ids {
			if n <= 0 || all[n] {
				t.Fatalf("id %d is negative or came twice", n)
			}
			all[n] = true
		}
	}
	if len(all) != 8*each {
		t.Errorf("%d ids", len(all))
	}
}

func TestNewRefusesNodes(t *testing.T) {
	t.Parallel()
	for _, node := range []int{-1, id.MaxNode + 1} {
		if _, err := id.New(node, nil); err == nil {
			t.Errorf("node %d was accepted", node)
		}
	}
}
