package signal_test

import (
	"testing"

	"github.com/tidegate/engine/internal/desk/market"
	"github.com/tidegate/engine/internal/desk/signal"
)

func at(mid int64) market.Quote { return market.Quote{Bid: mid - 1, Ask: mid + 1} }

// sides feeds mids and returns the last signal's side, 0 for none.
func lastSide(s signal.Strategy, instrument int64, mids ...int64) (side int) {
	for _, m := range mids {
		side = 0
		if sig, ok := s.OnQuote(instrument, at(m)); ok {
			side = sig.Side
		}
	}
	return side
}

func ramp(from, step int64, n int) (mids []int64) {
	for i := range n {
		mids = append(mids, from+int64(i)*step)
	}
	return mids
}

func TestDirections(t *testing.T) {
	t.Parallel()
	cases := []struct {
		code signal.Code
		mids []int64
		want int
	}{
		{signal.CodeMomentum, ramp(100000, 50, 30), 1},
		{signal.CodeMomentum, ramp(100000, -50, 30), -1},
		{signal.CodeMomentum, ramp(100000, 0, 30), 0},
		{signal.CodeReversion, append(ramp(100000, 1, 25), 100500), -1},
		{signal.CodeReversion, append(ramp(100000, 1, 25), 99500), 1},
		{signal.CodeReversion, ramp(100000, 0, 30), 0},
		{signal.CodeReversion, ramp(100000, 100, 5), 0}, // not enough seen
		{signal.CodePairs, append(ramp(100000, 0, 5), 100500), -1},
		{signal.CodePairs, append(ramp(100000, 0, 5), 99500), 1},
		{signal.CodePairs, ramp(100000, 0, 5), 0},
	}
	for _, c := range cases {
		if got := lastSide(signal.New(c.code), 1, c.mids...); got != c.want {
			t.Errorf("%s over %v…: side %d, want %d", c.code, c.mids[:3], got, c.want)
		}
	}
}

func TestSignalsAreWellFormed(t *testing.T) {
	t.Parallel()
	for _, code := range signal.Codes() {
		s := signal.New(code)
		fired := 0
		for i := range int64(200) {
			mid := 100000 + (i*i*7919)%997
			for instrument := range int64(3) {
				sig, ok := s.OnQuote(instrument, at(mid))
				if !ok {
					continue
				}
				fired++
				if sig.Side*sig.Side != 1 || sig.Strength < 0 || sig.Strength > 1 || sig.RefPx != mid || sig.Passive != (code == signal.CodeMaker) {
					t.Fatalf("%s: %+v at %d", code, sig, mid)
				}
			}
		}
		if fired < 50 {
			t.Errorf("%s: only %d signals", code, fired)
		}
	}
}

func TestSlicerAndMakerTurnRound(t *testing.T) {
	t.Parallel()
	for _, code := range []signal.Code{signal.CodeSlicer, signal.CodeMaker} {
		sum, n := 0, 0
		s := signal.New(code)
		for range 480 {
			if sig, ok := s.OnQuote(1, at(500)); ok {
				sum += sig.Side
				n++
			}
		}
		if n == 0 || sum != 0 {
			t.Errorf("%s: %d signals sum to %d", code, n, sum)
		}
	}
}

func TestInstrumentsAreKeptApart(t *testing.T) {
	t.Parallel()
	s := signal.New(signal.CodeMomentum)
	for i := range int64(30) {
		s.OnQuote(1, at(100000+50*i))
		if _, ok := s.OnQuote(2, at(100000)); ok {
			t.Fatal("the trend of one instrument gave a signal for another")
		}
	}
}
