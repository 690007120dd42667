package lane

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// lobby is a room on its own, with a pace that is known: a turn each millisecond.
func lobby(quotas Quotas) *room {
	m := new(room)
	m.open("test", 1000, time.Minute, 0, quotas)
	m.pace = func(_ time.Time, n int) (time.Duration, time.Duration) { return time.Duration(n) * time.Millisecond, 0 }
	return m
}

func seat(m *room, class Class, tenant string) (*ticket, error) {
	t := &ticket{class: class, queued: time.Now(), grant: make(chan error, 1)}
	return t, m.admit(context.Background(), t, tenant)
}

func seats(t *testing.T, m *room, class Class, tenant string, n int) (all []*ticket) {
	t.Helper()
	for range n {
		got, err := seat(m, class, tenant)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, got)
	}
	return all
}

// turns takes n tickets and counts whose they are.
func turns(t *testing.T, m *room, n int) map[string]int {
	t.Helper()
	got := map[string]int{}
	for range n {
		if next := m.next(time.Now(), nil); next != nil {
			got[next.tenant.name]++
		}
	}
	return got
}

// TestLineIsFair: one who floods the line waits for itself, and a share counts.
func TestLineIsFair(t *testing.T) {
	t.Parallel()
	m := lobby(Quotas{Tenants: map[string]Quota{"double": {Share: 2}}})
	seats(t, m, Normal, "greedy", 900)
	seats(t, m, Normal, "quiet", 10)
	seats(t, m, Normal, "double", 20)
	seats(t, m, Normal, "", 10)
	if got := turns(t, m, 50); got["quiet"] != 10 || got[""] != 10 || got["double"] != 20 || got["greedy"] != 10 {
		t.Errorf("in fifty turns: %v", got)
	}
	// A newcomer is told to wait for a turn of each of the others, not for all that the greedy one wants.
	late := &ticket{class: Normal, tenant: m.tenancy.find("late")}
	if wait, _ := m.expect(time.Now(), late); wait > 5*time.Millisecond {
		t.Errorf("expects to wait %v behind one other tenant", wait)
	}
	m.tenancy.forget(late.tenant)
	turns(t, m, 900)
	if m.depth != 0 || len(m.tenancy.named) != 0 {
		t.Errorf("%d wait, %d tenants are remembered after all was served", m.depth, len(m.tenancy.named))
	}
}

// TestLineForgetsTheCancelled: callers who gave up take nobody's place, and no memory while nothing is served.
func TestLineForgetsTheCancelled(t *testing.T) {
	t.Parallel()
	m := lobby(Quotas{Default: Quota{Queued: 10}})
	for i := range 5000 {
		got, err := seat(m, Trade, fmt.Sprint("t", i%3))
		if err != nil {
			t.Fatal(err)
		}
		got.cancel()
		m.withdrawn(got)
	}
	if m.depth != 0 {
		t.Errorf("%d wait", m.depth)
	}
	for _, of := range m.tenancy.named {
		if n := len(of.flows[Trade].tickets); n > 200 {
			t.Errorf("%d tickets of callers who gave up are kept", n)
		}
	}
	seats(t, m, Trade, "t0", 1)
	if got := turns(t, m, 3); got["t0"] != 1 {
		t.Errorf("turns %v", got)
	}
	if len(m.tenancy.named) != 0 {
		t.Errorf("%d tenants are remembered", len(m.tenancy.named))
	}
}

// TestQuotaBounds: a tenant has as many waiting and in flight as it may, and others pass it by.
func TestQuotaBounds(t *testing.T) {
	t.Parallel()
	m := lobby(Quotas{Default: Quota{InFlight: 2, Queued: 5}})
	seats(t, m, Normal, "a", 5)
	_, err := seat(m, Normal, "a")
	over, ok := err.(*OverloadError)
	if !ok || over.Reason != ReasonQuota || over.Hint == "" || over.RetryAfter <= 0 {
		t.Fatalf("a sixth that waits: %v", err)
	}
	seats(t, m, Maintenance, "b", 1)
	var flying []*ticket
	for range 3 {
		if got := m.next(time.Now(), nil); got != nil {
			flying = append(flying, got)
		}
	}
	if len(flying) != 3 || flying[0].tenant.name != "a" || flying[1].tenant.name != "a" || flying[2].tenant.name != "b" {
		t.Fatalf("%d turns, of %v", len(flying), flying)
	}
	if m.next(time.Now(), nil) != nil {
		t.Error("a third in flight")
	}
	if !m.landed(flying[0]) || m.landed(flying[0]) {
		t.Error("who may go on is not told, or told twice")
	}
	if got := m.next(time.Now(), nil); got == nil || got.tenant.name != "a" {
		t.Error("nobody goes on when one has landed")
	}
	if st := m.stats(time.Now()); st[2].Refused.Quota != 1 || st[2].Refused.Total() != 1 || st[2].Waiting != 2 {
		t.Errorf("%+v", st[2])
	}
}

// TestEveryClassHasAFloor: with all classes flooded, none starves, and the order holds.
func TestEveryClassHasAFloor(t *testing.T) {
	t.Parallel()
	m := lobby(Quotas{})
	m.limit, m.apart = 2000, true
	for _, c := range rank {
		seats(t, m, c, "", 1500)
	}
	got := map[Class]int{}
	for range 1280 {
		got[m.next(time.Now(), nil).class]++
	}
	for _, c := range rank[1:] {
		if got[c] != 1280/floorEvery/(classes-1) {
			t.Errorf("%v had %d turns of 1280: %v", c, got[c], got)
		}
	}
}
