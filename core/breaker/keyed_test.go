package breaker_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine/core/breaker"
	"github.com/tidegate/engine/internal/clock"
)

func keyed(c clock.Clock, most int) *breaker.Keyed {
	return breaker.NewKeyed(breaker.Config{Failures: 3, Window: time.Minute, Rest: time.Second, MaxRest: time.Minute, Probes: 1, Clock: c}, most)
}

// TestKeyed: one key's failures are refused, and nobody else's calls.
func TestKeyed(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Now())
	k := keyed(fake, 8)
	for i := range 3 {
		if b, err := k.Allow(1); b != nil || err != nil {
			t.Fatalf("refused after %d failures: %v", i, err)
		}
		k.Failure(1, "statement 1", errDisk)
	}
	_, err := k.Allow(1)
	if !errors.Is(err, breaker.ErrOpen) || !strings.Contains(err.Error(), "statement 1") {
		t.Fatalf("refused with %v", err)
	}
	if b, err := k.Allow(2); b != nil || err != nil {
		t.Errorf("another key: %v", err)
	}
	if s := k.Status(); len(s) != 1 || s[0].Name != "statement 1" || s[0].State != breaker.Open {
		t.Errorf("%+v", s)
	}
	fake.Advance(time.Second)
	b, err := k.Allow(1)
	if b == nil || err != nil {
		t.Fatalf("no probe: %v", err)
	}
	k.Settle(1, errDisk)
	if _, err := k.Allow(1); err == nil {
		t.Error("closed by a bad probe")
	}
	fake.Advance(2 * time.Second)
	if b, _ := k.Allow(1); b == nil {
		t.Fatal("no probe after twice the rest")
	}
	k.Settle(1, nil)
	if b, err := k.Allow(1); b != nil || err != nil || k.Of(1) != nil || len(k.Status()) != 0 {
		t.Errorf("not forgotten: %v %v", b, err)
	}
	k.Settle(99, nil) // of a key that nobody knows
}

// TestKeyedIsBounded: a program that builds its SQL anew each time fills it no further than allowed, and the open ones stay.
func TestKeyedIsBounded(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Now())
	k := keyed(fake, 8)
	for range 3 {
		k.Failure(7, "bad", errDisk)
	}
	for i := range uint64(1000) {
		fake.Advance(time.Millisecond)
		k.Failure(100+i, "once", errDisk)
	}
	if k.Of(7) == nil || k.Of(7).State() != breaker.Open {
		t.Error("an open breaker was dropped for one that is not")
	}
	n := 0
	for i := range uint64(1000) {
		if k.Of(100+i) != nil {
			n++
		}
	}
	if n != 7 {
		t.Errorf("%d keys besides, want 7", n)
	}
	fake.Advance(2 * time.Minute)
	k.Failure(5000, "last", errDisk)
	if k.Of(1099) != nil {
		t.Error("a key whose failure no longer counts is still there")
	}
}

func TestKeyedFromManyGoroutines(t *testing.T) {
	t.Parallel()
	k := keyed(nil, 16)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				key := uint64((g + i) % 24)
				if b, err := k.Allow(key); err == nil {
					k.Failure(key, fmt.Sprint(key), errDisk)
				} else if b != nil {
					t.Error("let through and refused")
				}
				k.Settle(key, nil)
			}
		})
	}
	wg.Wait()
	if n := len(k.Status()); n > 16 {
		t.Errorf("%d breakers", n)
	}
}

func BenchmarkKeyedNothingFailed(b *testing.B) {
	k := keyed(nil, 16)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Allow(1); err != nil {
			b.Fatal(err)
		}
	}
}
