package deliver

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/tidegate/engine/core/alert"
)

// TestRule is the name of the rule that test alerts carry.
const TestRule = "TestAlert"

// Trial is what a sink answered to a test.
type Trial struct {
	Sink string `json:"sink"`
	OK   bool   `json:"ok"`
	// Answer is what came of it, without addresses beyond a host's name and without secrets.
	Answer string        `json:"answer"`
	Took   time.Duration `json:"took_ns"`
}

// Test sends an alert that says it is a test, and the word that it is over, to the sink of that name, or to all of them for "". It goes the way of real
// alerts, but does not wait in line, is not tried again, and passes the breaker by. An unknown sink gives an empty answer.
func (k *Courier) Test(ctx context.Context, sink string) []Trial {
	var wg sync.WaitGroup
	out := make([]Trial, 0, len(k.lines))
	for _, l := range k.lines {
		if sink == "" || sink == l.sink.Name {
			out = append(out, Trial{Sink: l.sink.Name})
		}
	}
	for i := range out {
		wg.Go(func() { k.test(ctx, &out[i]) })
	}
	wg.Wait()
	return out
}

func (k *Courier) test(ctx context.Context, t *Trial) {
	from, now := time.Now(), k.c.Clock.Now()
	a := alert.Alert{Rule: TestRule, Severity: alert.Warning, Firing: true, Title: "a test of " + k.c.Engine, Since: now, At: now,
		Body: "Somebody has run engine alert test. Nothing is wrong, and there is nothing to do."}
	key := k.source + "-test-" + strconv.FormatInt(now.UnixNano(), 10) + "-"
	r := k.attempt(ctx, k.line(t.Sink).sink.To, &a, key+"firing-"+t.Sink)
	t.Answer = r.reason
	if r.fate == arrived {
		a.Firing, a.At = false, k.c.Clock.Now()
		if r = k.attempt(ctx, k.line(t.Sink).sink.To, &a, key+"resolved-"+t.Sink); r.fate != arrived {
			t.Answer = "the alert arrived, the word that it is over did not: " + r.reason
		}
	}
	t.OK, t.Took = r.fate == arrived, time.Since(from)
}

// SinkState is how a sink fares.
type SinkState struct {
	Sink string `json:"sink"`
	// Waiting and Dead are letters now, Open is true while the sink is spared after failures.
	Waiting int  `json:"waiting"`
	Dead    int  `json:"dead"`
	Open    bool `json:"open"`
	// Counts are what became of attempts since New: delivered, failed, dead, repeated, heartbeat, heartbeat_failed.
	Counts map[string]uint64 `json:"counts"`
}

// State lists the sinks in the order of the configuration.
func (k *Courier) State(ctx context.Context) []SinkState {
	n := map[string][2]int{}
	if k.shelf != nil {
		if stored, err := k.shelf.count(ctx); err == nil {
			n = stored
		}
	}
	k.memory.count(n)
	var out []SinkState
	for _, l := range k.lines {
		s := SinkState{Sink: l.sink.Name, Waiting: n[l.sink.Name][0], Dead: n[l.sink.Name][1], Counts: map[string]uint64{}}
		l.mu.Lock()
		s.Open = l.shut
		for _, outcome := range []string{outcomeDelivered, outcomeFailed, outcomeDead, outcomeRepeated, outcomeHeartbeat, outcomeUnbeaten} {
			s.Counts[outcome] = l.counts[outcome]
		}
		l.mu.Unlock()
		out = append(out, s)
	}
	return out
}
