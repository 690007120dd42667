package sim_test

import (
	"fmt"
	"hash/fnv"
	"math"
	"testing"
	"time"

	"github.com/tidegate/engine/internal/desk/market"
	"github.com/tidegate/engine/internal/desk/sim"
)

func session(seed uint64) sim.Config {
	open := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	return sim.Config{Seed: seed, Listings: market.Universe(), Open: open, Close: open.Add(8 * time.Hour), Rate: 5, LostBars: 0.01}
}

func run(t *testing.T, cfg sim.Config) []market.Event {
	t.Helper()
	m, err := sim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var all []market.Event
	for e, ok := m.Next(); ok; e, ok = m.Next() {
		all = append(all, e)
	}
	return all
}

func digest(events []market.Event) uint64 {
	h := fnv.New64a()
	for _, e := range events {
		fmt.Fprintln(h, e)
	}
	return h.Sum64()
}

func TestSameSeedSameDay(t *testing.T) {
	t.Parallel()
	a, b, c := digest(run(t, session(1))), digest(run(t, session(1))), digest(run(t, session(2)))
	if a != b {
		t.Errorf("one seed gave %x and %x", a, b)
	}
	if a == c {
		t.Error("two seeds gave the same day")
	}
}

func TestDayLooksLikeADay(t *testing.T) {
	t.Parallel()
	cfg := session(3)
	events := run(t, cfg)
	length := cfg.Close.Sub(cfg.Open)
	want := cfg.Rate * length.Seconds()
	perMinute := make([]float64, int(length.Minutes()))
	byInstrument := map[int64]int{}
	last, arrivals := int64(0), 0.0
	lastSeq := map[int64]int64{}
	for _, e := range events {
		if e.Kind == market.BarEvent {
			continue
		}
		arrivals++
		byInstrument[e.Instrument]++
		if e.TS < last {
			t.Fatal("time went back")
		}
		last = e.TS
		if e.Seq != lastSeq[e.Instrument]+1 {
			t.Fatalf("instrument %d: seq %d after %d", e.Instrument, e.Seq, lastSeq[e.Instrument])
		}
		lastSeq[e.Instrument] = e.Seq
		perMinute[int(time.Duration(e.TS-cfg.Open.UnixNano())/time.Minute)]++
	}
	if math.Abs(arrivals-want)/want > 0.15 {
		t.Errorf("%v arrivals, want about %v", arrivals, want)
	}
	hour := func(h int) (sum float64) {
		for _, n := range perMinute[h*60 : h*60+60] {
			sum += n
		}
		return sum
	}
	if open, noon, close := hour(0), hour(4), hour(7); open < 1.5*noon || close < 1.5*noon {
		t.Errorf("no U: %v at the open, %v at noon, %v at the close", open, noon, close)
	}
	// Self-excitement: a Poisson process has a variance of its mean.
	var mean, variance float64
	middle := perMinute[180:300]
	for _, n := range middle {
		mean += n / float64(len(middle))
	}
	for _, n := range middle {
		variance += (n - mean) * (n - mean) / float64(len(middle))
	}
	if variance < 2*mean {
		t.Errorf("arrivals do not cluster: mean %.1f, variance %.1f a minute", mean, variance)
	}
	if first, tenth := byInstrument[1], byInstrument[10]; first < 5*tenth {
		t.Errorf("no Zipf: %d events of the first instrument, %d of the tenth", first, tenth)
	}
}

func TestQuotesAndPrintsAreTradable(t *testing.T) {
	t.Parallel()
	listings := map[int64]market.Listing{}
	for _, l := range market.Universe() {
		listings[l.ID] = l
	}
	persistent, prints := 0, 0
	signs := map[int64]int{}
	for _, e := range run(t, session(4)) {
		l := listings[e.Instrument]
		switch e.Kind {
		case market.QuoteEvent:
			q := e.Quote
			if q.Bid <= 0 || q.Bid >= q.Ask || q.Bid%l.Tick != 0 || q.Ask%l.Tick != 0 || q.BidQty%l.Lot != 0 || q.BidQty <= 0 {
				t.Fatalf("%s: quote %+v", l.Symbol, q)
			}
		case market.PrintEvent:
			p := e.Print
			if p.Px <= 0 || p.Px%l.Tick != 0 || p.Qty <= 0 || p.Qty%l.Lot != 0 || p.Side*p.Side != 1 {
				t.Fatalf("%s: print %+v", l.Symbol, p)
			}
			prints++
			if signs[e.Instrument] == p.Side {
				persistent++
			}
			signs[e.Instrument] = p.Side
		}
	}
	if share := float64(persistent) / float64(prints); share < 0.65 || share > 0.85 {
		t.Errorf("%.2f of trades repeat the sign of the last", share)
	}
}

func TestBarsSumUpTheirPrints(t *testing.T) {
	t.Parallel()
	cfg := session(5)
	type key struct{ instrument, start int64 }
	volume, bars := map[key]int64{}, map[key]market.Bar{}
	events := run(t, cfg)
	for _, e := range events {
		switch e.Kind {
		case market.PrintEvent:
			volume[key{e.Instrument, e.TS - e.TS%int64(time.Minute)}] += e.Print.Qty
		case market.BarEvent:
			b := e.Bar
			if b.Low > b.Open || b.Low > b.Close || b.High < b.Open || b.High < b.Close || e.TS%int64(time.Minute) != 0 {
				t.Fatalf("bar %+v", b)
			}
			k := key{e.Instrument, e.TS}
			if _, twice := bars[k]; twice {
				t.Fatal("a bar came twice")
			}
			bars[k] = b
		}
	}
	for k, b := range bars {
		if volume[k] != b.Volume {
			t.Fatalf("bar of volume %d over prints of %d", b.Volume, volume[k])
		}
	}
	cfg.LostBars = 0
	whole := 0
	for _, e := range run(t, cfg) {
		if e.Kind == market.BarEvent {
			whole++
		}
	}
	if len(bars) >= whole || len(bars) < whole*95/100 {
		t.Errorf("%d of %d bars arrived with 1 %% lost", len(bars), whole)
	}
}

func TestSplitMovesThePrice(t *testing.T) {
	t.Parallel()
	m, err := sim.New(session(6))
	if err != nil {
		t.Fatal(err)
	}
	var before, after int64
	for n := 0; n < 4000; n++ {
		e, ok := m.Next()
		if !ok {
			break
		}
		if n == 2000 {
			m.Split(1, 2, 1)
		}
		if e.Instrument == 1 && e.Kind == market.QuoteEvent {
			if n < 2000 {
				before = e.Quote.Mid()
			} else if after == 0 && n > 2002 {
				after = e.Quote.Mid()
			}
		}
	}
	if ratio := float64(before) / float64(after); ratio < 1.9 || ratio > 2.1 {
		t.Errorf("price went from %d to %d", before, after)
	}
}
