package shell

import (
	"context"
	"os"
	"sync/atomic"

	"github.com/tidegate/engine"
)

// sessionName is what the shell's statements are called in .ps.
const sessionName = "engine shell"

// interrupt is the key that ends what runs.
type interrupt struct {
	keys   <-chan os.Signal
	writes atomic.Bool // the statement under way is one that writes
	killed atomic.Bool // it was ended by the key
}

// guard runs something that the key ends.
func (i *interrupt) guard(ctx context.Context, db *engine.DB, run func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for len(i.keys) > 0 {
		<-i.keys // pressed before this began
	}
	i.killed.Store(false)
	over, gone := make(chan struct{}), make(chan struct{})
	defer func() {
		close(over)
		<-gone // a key that was pressed in the last moment must not end what comes next
	}()
	go func() {
		defer close(gone)
		for {
			select {
			case <-i.keys:
				if !i.writes.Load() || !i.kill(db) {
					cancel()
				}
			case <-over:
				return
			}
		}
	}()
	return run(ctx)
}

// kill ends the statement that writes. Its context would not: to an engine that has many callers, a write that is under way is a part of
// the group that it commits with. Here there is no other caller.
func (i *interrupt) kill(db *engine.DB) bool {
	for _, s := range db.Sessions() {
		if s.Lane == "writer" && s.ID != 0 && s.Name == sessionName {
			i.killed.Store(true)
			return db.Kill(s.ID)
		}
	}
	return false
}
