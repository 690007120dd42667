package lane

import (
	"testing"
	"time"
)

// lineSim is a line on a clock of its own: a source of arrivals, and a lane that serves groups.
type lineSim struct {
	c       codel
	now     time.Time
	waiting []time.Time // when each came
	refused int
	// group is how many are served at once, every so often; fsync is how long that takes.
	group int
	fsync time.Duration
	free  time.Time
	short int // longest line while it sheds
}

func newSim(group int, fsync time.Duration) *lineSim {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return &lineSim{c: newCodel(5*time.Millisecond, 4096), now: at, free: at, group: group, fsync: fsync, short: group}
}

// arrive offers n. It returns how many were let in.
func (s *lineSim) arrive(n int) (in int) {
	for range n {
		s.c.arrive(s.now, len(s.waiting) > 0)
		if s.c.shedding() && len(s.waiting) >= s.short {
			s.refused++
			continue
		}
		s.waiting = append(s.waiting, s.now)
		in++
	}
	return in
}

// work serves a group where the lane is free, and returns how many that were.
func (s *lineSim) work() int {
	if s.now.Before(s.free) || len(s.waiting) == 0 {
		return 0
	}
	n := min(s.group, len(s.waiting))
	for i := range n {
		s.c.serve(s.now, s.now.Sub(s.waiting[i]), len(s.waiting) > i+1)
	}
	s.waiting = s.waiting[n:]
	s.free = s.now.Add(s.fsync)
	return n
}

// run lets time pass, a quarter of a millisecond at a time; perMS arrive in a millisecond.
func (s *lineSim) run(d, perMS float64) (shed bool) {
	due := 0.0
	for range int(d * 4000) {
		due += perMS / 4
		s.arrive(int(due))
		due -= float64(int(due))
		s.work()
		s.now = s.now.Add(250 * time.Microsecond)
		shed = shed || s.c.shedding()
	}
	return shed
}

// TestCodelLeavesSlowDisksAlone: a thousand transactions a second wait for every fsync of 5 to 40 ms, and none of that is load. Nor is a
// disk that does nothing for two seconds.
func TestCodelLeavesSlowDisksAlone(t *testing.T) {
	t.Parallel()
	for _, fsync := range []time.Duration{time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond, 40 * time.Millisecond} {
		if s := newSim(128, fsync); s.run(10, 1) {
			t.Errorf("an fsync of %v is taken for load", fsync)
		}
	}
	s := newSim(128, 5*time.Millisecond)
	s.run(1, 1)
	s.free = s.now.Add(2 * time.Second)
	if s.run(5, 1) {
		t.Error("a disk that stalls is taken for load")
	}
}

// TestCodelShedsOverload: at five times what is served it begins within two seconds, and stops when the load does; a little too much is
// noticed, too.
func TestCodelShedsOverload(t *testing.T) {
	t.Parallel()
	for _, times := range []float64{1.2, 2, 5, 20} {
		s := newSim(128, 10*time.Millisecond) // 12.8 in a millisecond
		if s.run(1, 6) {
			t.Errorf("%v times: sheds at half its capacity", times)
		}
		if !s.run(2, 12.8*times) {
			t.Errorf("%v times: does not shed within two seconds", times)
		}
		if times >= 5 && s.refused == 0 {
			t.Errorf("%v times: refuses nothing", times)
		}
		s.run(2, 6)
		if s.c.shedding() {
			t.Errorf("%v times: still sheds two seconds after the load has gone", times)
		}
	}
}

// crowd is sessions that ask again as soon as they are answered; refused ones, too.
func crowd(s *lineSim, sessions int, d time.Duration) (shed bool) {
	outside := sessions
	for range d / (250 * time.Microsecond) {
		outside -= s.arrive(outside)
		outside += s.work()
		s.now = s.now.Add(250 * time.Microsecond)
		shed = shed || s.c.shedding()
	}
	return shed
}

// TestCodelLeavesCrowdsAlone: many sessions that each wait for their answer keep a queue standing for ever. Each refusal would be an error
// and make nobody's wait shorter.
func TestCodelLeavesCrowdsAlone(t *testing.T) {
	t.Parallel()
	for _, sessions := range []int{100, 1000, 3000} {
		if crowd(newSim(128, 10*time.Millisecond), sessions, 20*time.Second) {
			t.Errorf("%d sessions are taken for load", sessions)
		}
	}
}

// TestCodelTriesWithout: callers who ask again at once when they are refused keep a line shedding, until it is tried without.
func TestCodelTriesWithout(t *testing.T) {
	t.Parallel()
	s := newSim(128, 10*time.Millisecond)
	s.run(2, 200)
	if !s.c.shedding() {
		t.Fatal("does not shed")
	}
	s.waiting = nil
	crowd(s, 2000, 10*time.Second)
	if s.c.shedding() {
		t.Error("sheds for ever, because those whom it refuses ask again")
	}
	// Load that really goes on is shed again after the trial, and the trials become rarer.
	s = newSim(128, 10*time.Millisecond)
	s.run(20, 64)
	if s.c.patience <= firstPatience {
		t.Errorf("patience %d after twenty seconds of overload", s.c.patience)
	}
	trials := 0
	for range 50 {
		was := s.c.mode
		s.run(0.1, 64)
		if was == modeShed && s.c.mode != modeShed {
			trials++
		}
	}
	if trials > 1 {
		t.Errorf("%d trials within five seconds", trials)
	}
}

// TestCodelOff: without a target nothing is ever shed.
func TestCodelOff(t *testing.T) {
	t.Parallel()
	s := newSim(128, 10*time.Millisecond)
	s.c = newCodel(0, 4096)
	if s.run(5, 100) {
		t.Error("sheds without a target")
	}
}
