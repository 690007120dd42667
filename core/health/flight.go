package health

import (
	"context"
	"sync"
)

// flight asks a question that may hang at most once at a time. A file system that does not answer keeps one goroutine, however often it is
// asked about. The zero value is not ready: set ask.
type flight[T any] struct {
	ask func() T

	mu   sync.Mutex
	run  *run[T]
	last T
	some bool // last is an answer
}

// run is one time that the question was asked.
type run[T any] struct{ done chan struct{} }

// get waits for an answer until ctx ends. Whoever comes while the question is asked waits for the same answer. ok is false where there was
// none in time; v is then the latest that there ever was, and known says whether there was any.
func (f *flight[T]) get(ctx context.Context) (v T, known, ok bool) {
	f.mu.Lock()
	r := f.run
	if r == nil {
		r = &run[T]{make(chan struct{})}
		f.run = r
		go func() {
			v := f.ask()
			f.mu.Lock()
			f.last, f.some, f.run = v, true, nil
			f.mu.Unlock()
			close(r.done)
		}()
	}
	f.mu.Unlock()
	select {
	case <-r.done:
		ok = true
	case <-ctx.Done():
		select { // where the machine stopped us until both had come, the answer counts
		case <-r.done:
			ok = true
		default:
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last, f.some, ok
}
