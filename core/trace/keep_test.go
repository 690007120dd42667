package trace_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tidegate/engine/core/trace"
)

// The captures that came first stay while somebody wants them; one that was released makes room, the oldest first.
func TestKeepMakesRoomOnlyOfWhatIsReleased(t *testing.T) {
	t.Parallel()
	f := fly(t, trace.Options{Sink: &sink{}, Records: 1024})
	for i := range 10 {
		f.Statement(t.Context(), &trace.Statement{Query: trace.Describe(fmt.Sprintf("SELECT a FROM t%d", i)), Start: time.Now()})
	}
	name := func(i int) string { return fmt.Sprintf("WriterBusy-%d", i) }
	for i := range trace.MaxCaptures {
		if !f.Keep(name(i), "WriterBusy", 4) {
			t.Fatalf("capture %d found no room", i)
		}
	}
	if f.Keep(name(0), "again", 4) || f.Keep("late", "WALOverCap", 4) {
		t.Error("a capture that is wanted was put aside, or made twice")
	}
	f.Release(name(2))
	f.Release(name(1))
	if !f.Keep("late", "WALOverCap", 0) || f.Captured(name(1)) != nil || f.Captured(name(2)) == nil || f.Keep("later", "x", 0) == false || f.Captured(name(2)) != nil || f.Keep("latest", "x", 0) {
		t.Errorf("what was released did not make room, the oldest first: %d are kept", len(f.Captures()))
	}
	first := f.Captured(name(0))
	var names []string
	for o := range first.Operations() {
		names = append(names, o.Name)
	}
	if first.Reason != "WriterBusy" || fmt.Sprint(names) != "[SELECT t6 SELECT t7 SELECT t8 SELECT t9]" || f.Captured("late").Len() != 10 {
		t.Errorf("%s holds %v", first.Reason, names)
	}
	if f.Frozen() != first {
		t.Error("without one made by hand the oldest is the one that is shown")
	}
	if !f.Drop(name(0)) || f.Drop(name(0)) || !f.Freeze("me") || f.Frozen().Name != trace.ByHand {
		t.Error("what is made by hand is not shown first")
	}
}

// Since goes on behind the operation that was seen last, and is bounded.
func TestKeepSince(t *testing.T) {
	t.Parallel()
	f := fly(t, trace.Options{Sink: &sink{}, Records: 1024})
	say := func(n int) {
		for range n {
			f.Statement(t.Context(), &trace.Statement{Query: trace.Describe("SELECT 1"), Start: time.Now()})
		}
	}
	count := func(since uint64, most int) (n int, last uint64) {
		for o := range f.Since(since, most) {
			n, last = n+1, o.Serial
		}
		return n, last
	}
	say(5)
	n, seen := count(0, 100)
	say(7)
	if more, _ := count(seen, 100); n != 5 || more != 7 {
		t.Errorf("%d and then %d operations, want 5 and 7", n, more)
	}
	if some, last := count(0, 3); some != 3 || last != seen+7 {
		t.Errorf("%d operations up to %d, want the newest 3", some, last)
	}
	if none, _ := count(seen+7, 100); none != 0 {
		t.Errorf("%d operations behind the newest", none)
	}
	var off *trace.Flight
	for range off.Since(0, 1) {
		t.Error("a recorder that is off has seen something")
	}
}
