// Package kills ends the shipped program with SIGKILL: at random instants under a hundred sessions that trade, and at each of the places that
// package failpoint names. After each kill every acknowledged trade is there, the books are exact, and the database opens at once (P2).
package kills

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tidegate/engine/internal/failpoint"
	"github.com/tidegate/engine/internal/torture"
	"github.com/tidegate/engine/internal/torture/pulse"
)

// Scenario kills a few times in its short form, more than five hundred times in the long one.
func Scenario() torture.Scenario {
	return torture.Scenario{Name: "kills", Promise: "P2", Run: Run,
		About: "SIGKILL at random instants under 100 sessions, and at every named place; acknowledged trades are there, books exact, reopened within 2 s"}
}

// reopen is how long the next start may take until it has answered a query.
const reopen = 2 * time.Second

// campaign is one run.
type campaign struct {
	env     *torture.Env
	machine *pulse.Pulse
	bin     programs
	kills   map[string]int // by place; "random" for those at no place
	slowest time.Duration  // to be open and have answered
	opened  []time.Duration
	trades  int // acknowledged ones that were looked for
	booked  int // found, those included that nobody was told of
	keys    int // acknowledged calls with a key
}

// share says how often something is done.
type share struct{ random, point, open, migration, purge, quarantine int }

func shares(s torture.Scale) share {
	return torture.Pick(s, share{random: 1, point: 0, open: 1, migration: 1, quarantine: 1},
		share{random: 250, point: 20, open: 15, migration: 12, purge: 8, quarantine: 6})
}

// Run is the scenario.
func Run(ctx context.Context, e *torture.Env) (result torture.Result, err error) {
	c := &campaign{env: e, machine: pulse.New(), kills: map[string]int{}}
	defer c.machine.Close()
	n := shares(e.Scale)
	if err := c.build(ctx, n); err != nil {
		return result, err
	}
	for _, step := range []func(context.Context, share) error{c.quarantines, c.migrations, c.purges, c.desk} {
		if err = step(ctx, n); err != nil {
			break
		}
	}
	c.report(&result)
	return result, err
}

// build makes the programs. In the short form the armed program, which nothing arms, stands for the shipped one.
func (c *campaign) build(ctx context.Context, n share) (err error) {
	const module = "github.com/tidegate/engine/"
	if c.bin.armed, err = compile(ctx, c.env.Dir, "armed", module+"cmd/engine", tagged()...); err != nil {
		return err
	}
	if c.bin.shipped = c.bin.armed; c.env.Scale == torture.Short {
		return nil
	}
	if c.bin.shipped, err = compile(ctx, c.env.Dir, "shipped", module+"cmd/engine"); err != nil {
		return err
	}
	if n.purge > 0 {
		c.bin.keyed, err = compile(ctx, c.env.Dir, "keyed", module+"internal/torture/kills/keyed", tagged()...)
	}
	return err
}

// place is a named place that the trading program passes, and how often at most in a burst.
type place struct {
	point failpoint.Point
	most  int
}

func places() []place {
	return []place{
		{failpoint.WALFrame, 3000}, {failpoint.WALUnsynced, 120}, {failpoint.WALSynced, 120}, {failpoint.CommitUnacknowledged, 120},
		{failpoint.CommitHalfAcknowledged, 600}, {failpoint.GroupMember, 600}, {failpoint.CheckpointPage, 600}, {failpoint.CheckpointSynced, 2},
		{failpoint.CheckpointDone, 2}, {failpoint.LogBegins, 2}, {failpoint.LogTruncated, 1},
	}
}

// quick are the places of the short form.
func quick() []failpoint.Point {
	return []failpoint.Point{failpoint.WALUnsynced, failpoint.GroupMember}
}

// bout is one kill of the trading program.
type bout struct {
	place place // the zero value: at a random instant
	open  place // where the next start is killed in turn; the zero value: nowhere
}

func (c *campaign) bouts(n share) []bout {
	var all []bout
	for range n.random {
		all = append(all, bout{})
	}
	for _, p := range places() {
		for range n.point {
			all = append(all, bout{place: p})
		}
		if c.env.Scale == torture.Short && slices.Contains(quick(), p.point) {
			all = append(all, bout{place: place{p.point, 20}})
		}
	}
	rng := c.env.Rand(1)
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	openings := []place{{failpoint.RecoveryBegun, 1}, {failpoint.RecoveryFrame, 40}, {failpoint.OpenPrepared, 1}}
	for i := range min(n.open*len(openings), len(all)) {
		all[i].open = openings[i%len(openings)]
	}
	if c.env.Scale == torture.Short {
		for i := range all {
			all[i].open = place{}
		}
		all[0].open = openings[1]
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

func (c *campaign) killedAt(name string, opened time.Duration) {
	c.kills[name]++
	if opened > 0 {
		c.opened = append(c.opened, opened)
		c.slowest = max(c.slowest, opened)
	}
}

func (c *campaign) report(result *torture.Result) {
	for name, n := range c.kills {
		result.Cases += n
		result.Count("at_"+strings.ReplaceAll(name, "-", "_"), n)
	}
	slices.SortFunc(result.Figures, func(a, b torture.Figure) int { return strings.Compare(a.Name, b.Name) })
	result.Count("trades_acknowledged", c.trades)
	result.Count("trades_found", c.booked)
	result.Count("keyed_calls_acknowledged", c.keys)
	if len(c.opened) > 0 {
		slices.Sort(c.opened)
		result.Add("reopen_median", c.opened[len(c.opened)/2].Seconds(), "s")
		result.Add("reopen_slowest", c.slowest.Seconds(), "s")
	}
}

// took is the time since then, less what the machine stopped us for.
func (c *campaign) took(began time.Time) time.Duration {
	now := time.Now()
	return now.Sub(began) - c.machine.Noise(began, now)
}

// tooSlow holds the next start to its promise.
func tooSlow(took time.Duration) error {
	if took > reopen {
		return fmt.Errorf("it took %v to open the database and answer a query; the promise is %v", took, reopen)
	}
	return nil
}

func (c *campaign) path(names ...string) string {
	return filepath.Join(append([]string{c.env.Dir}, names...)...)
}
