package wasm

import (
	"context"
	"errors"
	"sync"
)

var errClosed = errors.New("wasm: closed")

// pool hands out instances, the one that was used last first, because its memory is still in the processor's caches. It makes none itself.
type pool struct {
	tokens  chan struct{} // one for each instance that may be out
	closing sync.Mutex    // two that each took a part of the tokens would wait for one another
	mu      sync.Mutex
	idle    []*instance
	all     int
	closed  bool
}

func newPool(most int) *pool {
	p := &pool{tokens: make(chan struct{}, most)}
	for range most {
		p.tokens <- struct{}{}
	}
	return p
}

// get returns an idle instance, or nil where the caller has to make one; both are given back with put. queued says that all of them were out.
func (p *pool) get(ctx context.Context) (in *instance, queued bool, err error) {
	select {
	case <-p.tokens:
	default:
		queued = true
		select {
		case <-p.tokens:
		case <-ctx.Done():
			return nil, queued, ctx.Err()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		p.tokens <- struct{}{}
		return nil, queued, errClosed
	}
	if n := len(p.idle); n > 0 {
		in = p.idle[n-1]
		p.idle = p.idle[:n-1]
		return in, queued, nil
	}
	p.all++
	return nil, queued, nil
}

// first takes the instance that was made to see whether the module starts.
func (p *pool) first(in *instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all++
	p.idle = append(p.idle, in)
}

// put takes an instance back; one that is not to be kept is closed.
func (p *pool) put(in *instance, keep bool) {
	p.mu.Lock()
	if keep {
		p.idle = append(p.idle, in)
	} else {
		p.all--
	}
	p.mu.Unlock()
	if !keep && in != nil {
		_ = in.mod.Close(context.Background())
	}
	p.tokens <- struct{}{}
}

// close waits until nothing is out; false where it was closed before.
func (p *pool) close() bool {
	p.closing.Lock()
	defer p.closing.Unlock()
	for range cap(p.tokens) {
		<-p.tokens
	}
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	p.idle, p.all = nil, 0
	p.mu.Unlock()
	for range cap(p.tokens) {
		p.tokens <- struct{}{}
	}
	return first
}

func (p *pool) stats() (all, idle int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all, len(p.idle)
}
