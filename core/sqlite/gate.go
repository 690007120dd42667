package sqlite

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3/vfs"
)

// States of a gate. The low bits say where the connection's goroutine is, gateFenced that it must never run SQLite code again.
const (
	gateIdle    uint32 = 0 // not inside SQLite
	gateInside  uint32 = 1 // inside SQLite, or in a file call made by it
	gateInGo    uint32 = 2 // inside SQLite, but below that in a registered Go function
	gateWhere   uint32 = 3
	gateFenced  uint32 = 4
	gateUnwound uint32 = 8  // the goroutine met the fence and left SQLite for good
	gateHeld    uint32 = 16 // the watchdog looks at it for a moment
)

// fenceSignal is the sentinel that unwinds a fenced connection. Only Conn.leave recovers it.
type fenceSignal struct{}

// gate is where a connection's goroutine and whoever fences it meet. Every way back into SQLite's code passes it, so that after
// fence() returned nil no instruction of that connection's SQLite runs any more.
//
// A fenced connection panics instead of returning an I/O error: SQLite answers an error in mid-statement with a rollback of its
// own, and that writes to the mapped -shm file, which belongs to somebody else by then.
type gate struct {
	state   atomic.Uint32
	filing  atomic.Bool   // a file call is under way
	unwound chan struct{} // closed when a fenced goroutine has left SQLite
	once    sync.Once     // release
	err     error         // of release; read after it
	after   func()        // called once the files are closed; may be nil

	mu    sync.Mutex
	files map[vfs.File]struct{} // open files of the base VFS
}

func newGate() *gate {
	return &gate{unwound: make(chan struct{}), files: map[vfs.File]struct{}{}}
}

func (g *gate) enter() bool { return g.state.CompareAndSwap(gateIdle, gateInside) }

// leave reports false when the connection was fenced meanwhile.
func (g *gate) leave() bool {
	if g.swap(gateInside, gateIdle) {
		return true
	}
	g.quit()
	return false
}

// quit is called by the connection's own goroutine, out of SQLite, after it met the fence.
func (g *gate) quit() {
	g.release()
	if g.state.Or(gateUnwound)&gateUnwound == 0 {
		close(g.unwound)
	}
}

// check panics when the connection is fenced. It stands before and after every file call and in every poll.
func (g *gate) check() {
	if g.state.Load()&gateFenced != 0 {
		g.raise()
	}
}

// file is check at the beginning of a file call, which the watchdog lets run, and filed at its end.
func (g *gate) file() {
	g.filing.Store(true)
	g.released()
	g.check()
}

func (g *gate) filed() {
	g.filing.Store(false)
	g.check()
}

func (g *gate) raise() {
	g.release()
	panic(fenceSignal{})
}

// toGo and fromGo bracket a registered Go function. In between the connection may be fenced at once, however long the function takes.
func (g *gate) toGo() {
	if !g.swap(gateInside, gateInGo) {
		g.raise()
	}
}

func (g *gate) fromGo() {
	if !g.state.CompareAndSwap(gateInGo, gateInside) {
		g.raise()
	}
}

// fence shuts the gate and releases the connection's locks. done is false when SQLite's code still ran after wait:
// the locks are then released by the connection's own goroutine as soon as it meets the gate. first tells whether the gate was open.
func (g *gate) fence(wait time.Duration) (first, done bool, err error) {
	old := g.state.Or(gateFenced)
	first = old&gateFenced == 0
	if old&gateUnwound != 0 || old&gateWhere != gateInside {
		g.release()
		return first, true, g.err
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-g.unwound:
		return first, true, g.err
	case <-t.C:
		return first, false, nil
	}
}

// left reports whether the goroutine has left SQLite, or was never in it. Of a fenced gate that is for good.
func (g *gate) left() bool {
	s := g.state.Load()
	return s&gateUnwound != 0 || s&gateWhere == gateIdle
}

func (g *gate) fenced() bool { return g.state.Load()&gateFenced != 0 }

// release gives up the connection's locks and closes its files, as the end of a process would. It runs only when no file call is
// in flight and none can follow.
func (g *gate) release() {
	g.once.Do(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		for f := range g.files {
			if err := unlockShared(f); err != nil && g.err == nil {
				g.err = err
			}
			// What close reports changes nothing: the descriptor is gone either way.
			_ = f.Close()
		}
		clear(g.files)
		if g.after != nil {
			g.after()
		}
	})
}

func (g *gate) opened(f vfs.File) {
	g.mu.Lock()
	g.files[f] = struct{}{}
	g.mu.Unlock()
}

func (g *gate) closed(f vfs.File) {
	g.mu.Lock()
	delete(g.files, f)
	g.mu.Unlock()
}
