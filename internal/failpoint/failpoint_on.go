//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Enabled says whether this program has the places.
const Enabled = true

// plan is which place ends the process.
type plan struct {
	point Point
	left  atomic.Int64 // passes until then
}

// armed is read from the environment when the first place is passed. It is the only state, and there is one process to end.
var armed = sync.OnceValue(func() *plan {
	p := &plan{}
	text := os.Getenv(Variable)
	if text == "" {
		return p
	}
	name, count, _ := strings.Cut(text, ":")
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil || n < 1 {
		fmt.Fprintf(os.Stderr, "%s=%q: want a place, a colon and a number from 1 on\n", Variable, text)
		os.Exit(2)
	}
	p.point = Point(name)
	p.left.Store(n)
	return p
})

// Hit passes a place, or ends the process there.
func Hit(p Point) {
	if plan := armed(); plan.point == p && plan.left.Add(-1) == 0 {
		die()
	}
}

// die ends the process with nothing cleaned up, flushed or unlocked.
func die() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "failpoint:", err)
		os.Exit(2)
	}
	select {}
}
