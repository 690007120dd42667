// Package load drives a store and times what it does. An open loop offers operations when its schedule says, whether or not
// earlier ones are done, and times each from the moment it was due: a store that stalls pays for everybody who came
// meanwhile, which a loop that waits for its answers never asks. A closed loop, for the most that a store can do, asks again
// as soon as it has an answer.
package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Stream is one kind of operation.
type Stream struct {
	Name      string
	PerSecond float64 // how many arrive; ignored in a closed loop
	// Do runs one operation on behalf of a session, 0 to Sessions-1. It is called from as many goroutines as there are
	// sessions, and never twice at once for the same one.
	Do func(ctx context.Context, session int) error
}

// Plan is an open loop.
type Plan struct {
	Sessions int           // how many operations may run at once; who is free takes the next that is due
	Duration time.Duration // of the arrivals
	Patience time.Duration // for how long after the last arrival what still waits may be worked off
	Streams  []Stream
	Seed     uint64 // decides when operations arrive
	Even     bool   // they arrive evenly spaced; otherwise at random, as those of many independent clients do (a Poisson process)
}

// Outcome is what became of the operations of a stream.
type Outcome struct {
	Name    string
	Offered int64
	Done    int64
	Errors  int64
	First   error // the first of the errors that was met
	// Latency is from when an operation was due until it was done. One that failed is not in it; one that was given up
	// because patience ended is, with the age that it had reached.
	Latency Histogram
}

// Result is a run.
type Result struct {
	Streams  []Outcome // in the order of the plan
	Sessions []int64   // operations done by each session
	Elapsed  time.Duration
	// Timer is how late sessions woke up for an operation they were waiting for: the part of every latency that is the
	// generator's own and that of the machine's scheduler, not the store's.
	Timer Histogram
}

// Fairness is what the slowest session did over the mean of all: 1 where all are alike, 0 where one did nothing.
func (r *Result) Fairness() float64 {
	if len(r.Sessions) == 0 {
		return 0
	}
	slowest, sum := r.Sessions[0], int64(0)
	for _, n := range r.Sessions {
		slowest, sum = min(slowest, n), sum+n
	}
	if sum == 0 {
		return 0
	}
	return float64(slowest) * float64(len(r.Sessions)) / float64(sum)
}

// PerSecond is a number of operations as a rate over the whole run.
func (r *Result) PerSecond(n int64) float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(n) / r.Elapsed.Seconds()
}

// Open runs an open loop to its end. The error is ctx's, or says what is wrong with the plan; what operations failed with is
// in the result.
func Open(ctx context.Context, p Plan) (*Result, error) {
	if p.Sessions < 1 || p.Duration <= 0 || len(p.Streams) == 0 {
		return nil, fmt.Errorf("load: %d sessions for %v with %d streams; want at least one of each", p.Sessions, p.Duration, len(p.Streams))
	}
	work, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	start := time.Now()
	cut := time.AfterFunc(p.Duration+p.Patience, func() { giveUp(errPatience) })
	defer cut.Stop()
	s := newSchedule(p)
	sessions := newSessions(p.Sessions, len(p.Streams))
	var wg sync.WaitGroup
	for n := range sessions {
		wg.Go(func() { sessions[n].open(work, p, s, start, n) })
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	r := gather(p.Streams, sessions)
	r.Elapsed = max(time.Since(start), p.Duration)
	for { // nobody came for these
		stream, due, ok := s.take()
		if !ok {
			return r, nil
		}
		o := &r.Streams[stream]
		o.Offered, o.Errors = o.Offered+1, o.Errors+1
		if o.First == nil {
			o.First = errPatience
		}
		o.Latency.Add(time.Since(start) - due)
	}
}

// Closed runs do in a closed loop: every session begins the next operation when it is done with the last, until d is over.
func Closed(ctx context.Context, sessions int, d time.Duration, do func(ctx context.Context, session int) error) (*Result, error) {
	if sessions < 1 || d <= 0 {
		return nil, fmt.Errorf("load: %d sessions for %v; want at least one, and some time", sessions, d)
	}
	all := newSessions(sessions, 1)
	var wg sync.WaitGroup
	start := time.Now()
	for n := range all {
		wg.Go(func() {
			for began := start; began.Sub(start) < d && ctx.Err() == nil; {
				err := do(ctx, n)
				ended := time.Now()
				all[n].count(0, err, ended.Sub(began))
				began = ended
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	r := gather([]Stream{{Name: "closed"}}, all)
	r.Elapsed = time.Since(start)
	return r, nil
}

var errPatience = errors.New("load: not done when patience ended")

// session is one of those who work, with figures of its own so that nobody waits for another's.
type session struct {
	streams []Outcome
	done    int64
	timer   Histogram
}

func newSessions(n, streams int) []session {
	out := make([]session, n)
	for i := range out {
		out[i].streams = make([]Outcome, streams)
	}
	return out
}

// open takes operations as they fall due. Who is free takes the next one and waits for its moment; where nobody is free it
// has already passed, and counts from then all the same.
func (s *session) open(ctx context.Context, p Plan, from *schedule, start time.Time, n int) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		stream, due, ok := from.take()
		if !ok {
			return
		}
		if wait := due - time.Since(start); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
			s.timer.Add(time.Since(start) - due)
		}
		err := p.Streams[stream].Do(ctx, n)
		took := time.Since(start) - due
		s.count(stream, err, took)
		if err != nil && ctx.Err() != nil {
			s.streams[stream].Latency.Add(took)
		}
	}
}

func (s *session) count(stream int, err error, took time.Duration) {
	o := &s.streams[stream]
	o.Offered++
	if err != nil {
		o.Errors++
		if o.First == nil {
			o.First = err
		}
		return
	}
	o.Done++
	s.done++
	o.Latency.Add(took)
}

func gather(streams []Stream, sessions []session) *Result {
	r := &Result{Streams: make([]Outcome, len(streams)), Sessions: make([]int64, len(sessions))}
	for i := range streams {
		r.Streams[i].Name = streams[i].Name
	}
	for n := range sessions {
		s := &sessions[n]
		r.Sessions[n] = s.done
		r.Timer.Merge(&s.timer)
		for i := range s.streams {
			from, to := &s.streams[i], &r.Streams[i]
			to.Offered, to.Done, to.Errors = to.Offered+from.Offered, to.Done+from.Done, to.Errors+from.Errors
			if to.First == nil {
				to.First = from.First
			}
			to.Latency.Merge(&from.Latency)
		}
	}
	return r
}
