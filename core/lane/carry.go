package lane

import (
	"fmt"
	"runtime/debug"
	"time"
)

// place says whose goroutine works for a shift: its own, or that of a caller who found the writer at rest and carries its job through itself.
// Two goroutines that hand a job and its answer over to each other need the system to wake each of them up, which takes longer than a relaxed
// transaction of one row.
type place struct {
	free    chan struct{} // holds a token while nobody works
	carried bool          // it is a caller who works; as all below, for whoever has the token
	since   time.Time     // when the token was given back last
	tidied  bool          // the log was truncated after that
	// What a caller leaves to the shift, which serves the next job itself then: it would wait for that after its own work is done.
	owesCheckpoint bool
	owesPause      bool // to leave the lock alone for a moment
}

// sit waits until the shift is free and takes it; false where it was abandoned.
func (s *shift) sit() bool {
	select {
	case <-s.free:
	case <-s.gone:
		return false
	}
	s.seated(false)
	return true
}

// trySit takes the shift for a caller if it is free at this moment.
func (s *shift) trySit() bool {
	select {
	case <-s.free:
	default:
		return false
	}
	s.seated(true)
	return true
}

func (s *shift) seated(carried bool) {
	s.w.busy.Store(true)
	s.carried, s.tidied = carried, false
	if !carried {
		s.owesCheckpoint = false // it looks for itself
	}
	s.polite.rested(s.since)
}

// rise gives the shift back.
func (s *shift) rise() {
	s.since = time.Now()
	s.w.busy.Store(false)
	s.free <- struct{}{}
}

// carry runs j, which is carriable and in line, on the goroutine of its caller, if the writer is at rest. Whatever is left in line afterwards is
// for the shift.
func (w *writer) carry(j *job) {
	w.mu.Lock()
	s := w.shift
	w.mu.Unlock()
	switch {
	case !s.trySit():
		w.q.signal()
		return
	case s.owesCheckpoint || s.owesPause:
		s.rise()
		w.q.signal()
		return
	}
	whole := false
	defer func() {
		if p := recover(); !whole { // as on the shift's own goroutine: nobody may live on with a writer in an unknown state
			why := fmt.Sprintf("the writer's goroutine ended: %v\n\n%s", p, debug.Stack())
			go panic(why)
			select {}
		}
	}()
	w.work(s, j)
	whole = true
}

// work serves groups until j has its answer.
func (w *writer) work(s *shift, j *job) {
	for len(j.c) == 0 {
		next := w.q.take(carriable)
		if next == nil {
			break
		}
		w.stats.carried.Add(1)
		if !s.serve(next) {
			return // abandoned, and the token with it
		}
		s.yield()
	}
	s.rise()
	if w.q.depthNow.Load() > 0 {
		w.q.signal() // j may be among them, which nobody has told of yet
	}
}

// carriable reports whether a caller may run the job of t: it waits for nobody, and needs no fsync, which on a disk that hangs would keep the
// caller beyond his deadline.
func carriable(t *ticket) bool { return t.job.run != nil && !t.durable() }
