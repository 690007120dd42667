package migrate_test

import (
	"strings"
	"sync"
)

// ready is the output of a child, and tells when the first of it has come.
type ready struct {
	mu   sync.Mutex
	text strings.Builder
	seen chan struct{}
}

func (r *ready) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.text.Len() == 0 {
		close(r.seen)
	}
	return r.text.Write(p)
}

func (r *ready) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}
