package sqlite_test

import (
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/tidegate/engine/core/sqlite"
)

// TestFencedConnectionsAreForgotten: a connection that failed, and that nobody is inside of, costs addresses and nothing on the heap. The
// latest may still be known.
func TestFencedConnectionsAreForgotten(t *testing.T) {
	t.Parallel()
	s := open(t)
	var known []weak.Pointer[sqlite.Conn]
	for range 20 {
		func() {
			c, err := s.Connect(t.Context(), sqlite.Reader) // not by way of what closes it at the end
			if err != nil {
				t.Fatal(err)
			}
			if n, err := c.QueryInt("SELECT 41 + 1"); err != nil || n != 42 {
				t.Fatal(n, err)
			}
			if err := c.Fence(); err != nil {
				t.Fatal(err)
			}
			known = append(known, weak.Make(c))
		}()
	}
	left := 0
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		runtime.GC()
		left = 0
		for _, k := range known {
			if k.Value() != nil {
				left++
			}
		}
		if left <= 1 {
			break
		}
	}
	if left > 1 {
		t.Errorf("%d of %d fenced connections are still reachable", left, len(known))
	}
	if n := s.Leaked(); n != 0 {
		t.Errorf("%d connections are said to be inside a call", n)
	}
}
