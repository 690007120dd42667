package powercut

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/tidegate/engine/internal/faultfs"
	"github.com/tidegate/engine/internal/torture"
)

// tally counts what a campaign found.
type tally struct {
	points, images         int // power cuts, and how many of them left a folder that no other had left
	lost, partial, corrupt int // points
	missed                 int // points that lose nothing and yet miss what was promised: a hole in the recorder
	first                  string
}

// point is one power cut.
type point struct {
	where string
	floor [callers]int // moves of each caller that were promised to be durable
	kept  bool         // the power cut loses nothing
	image map[string][]byte
	*memo
}

// memo is the verdict on one image: the same folder is read once.
type memo struct {
	once sync.Once
	found
}

// campaign records rounds until it has tried enough points.
func campaign(ctx context.Context, e *torture.Env, level string, want int, record func(context.Context, uint64) ([]faultfs.Event, error)) (tally, error) {
	var t tally
	said := time.Now()
	for round := uint64(1); t.points < want; round++ {
		events, err := record(ctx, round)
		if err != nil {
			return t, fmt.Errorf("%s, round %d: %w", level, round, err)
		}
		r := replay{env: e, level: level, round: round, most: want - t.points, tally: &t}
		if err := r.run(ctx, events); err != nil {
			return t, err
		}
		if time.Since(said) > 5*time.Second {
			said = time.Now()
			e.Log("%s: %d of %d points, %d distinct, lost %d, partial %d, corrupt %d", level, t.points, want, t.images, t.lost, t.partial, t.corrupt)
		}
	}
	return t, nil
}

type replay struct {
	env   *torture.Env
	level string
	round uint64
	most  int
	mu    sync.Mutex // guards tally
	tally *tally
}

// perEvent is how many power cuts follow one change of the disk: nothing lost, all lost, and random parts lost.
const perEvent = 5

func (r *replay) run(ctx context.Context, events []faultfs.Event) error {
	work := make(chan point, 2*runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i := range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			dir := filepath.Join(r.env.Dir, fmt.Sprintf("cut%d", i))
			for p := range work {
				r.weigh(dir, p)
			}
		})
	}
	err := r.points(ctx, events, work)
	close(work)
	wg.Wait()
	return err
}

// points makes the power cuts. A short run spreads them over the whole log.
func (r *replay) points(ctx context.Context, events []faultfs.Event, work chan<- point) error {
	var disk faultfs.Disk
	var floor [callers]int
	rnd := r.env.Rand(r.round<<32 | 1)
	seed := maphash.MakeSeed()
	seen := map[uint64]*memo{}
	share := float64(r.most) / float64(perEvent*len(events))
	for k, e := range events {
		if e.Kind == faultfs.Marked {
			if e.Mark.Durable {
				floor[e.Mark.Who] = e.Mark.N
			}
			continue
		}
		disk.Apply(e)
		if share < 1 && rnd.Float64() > share {
			continue
		}
		for variant := range perEvent {
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			loss := faultfs.Loss(min(variant, int(faultfs.LoseSome)))
			p := point{floor: floor, kept: loss == faultfs.LoseNothing, image: disk.Image(loss, rnd),
				where: fmt.Sprintf("%s round %d, event %d, variant %d", r.level, r.round, k, variant)}
			key := fingerprint(seed, p.image)
			if p.memo = seen[key]; p.memo == nil {
				p.memo = new(memo)
				seen[key] = p.memo
			}
			work <- p
		}
	}
	r.tally.images += len(seen)
	return nil
}

func fingerprint(seed maphash.Seed, image map[string][]byte) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, name := range slices.Sorted(maps.Keys(image)) {
		h.WriteString(name)
		maphash.WriteComparable(&h, len(image[name]))
		h.Write(image[name])
	}
	return h.Sum64()
}

func (r *replay) weigh(dir string, p point) {
	p.once.Do(func() { p.found = judge(dir, p.image) })
	lost := false
	for who, n := range p.floor {
		lost = lost || p.moves[who] < n
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.tally
	t.points++
	what := ""
	switch {
	case p.corrupt != nil:
		t.corrupt++
		what = "corrupt: " + p.corrupt.Error()
	case p.partial != "":
		t.partial++
		what = "partial: " + p.partial
	case lost:
		t.lost++
		what = fmt.Sprintf("lost: promised %v, found %v", p.floor, p.moves)
		if p.kept {
			t.missed++
		}
	}
	if what != "" && t.first == "" {
		t.first = p.where + ": " + what
	}
}
