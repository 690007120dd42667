package replay_test

import (
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/internal/desk/market"
	"github.com/tidegate/engine/internal/desk/replay"
	"github.com/tidegate/engine/internal/shared"
)

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

const trades = `[[1570752011620,"1",null,"sell",0.00141342,23.0,0.0325],[1570752011620,"2",null,"buy",0.0014150,5.0,0.1],[1570752099000,"3",null,"sell",0.0014,1.5,0.1]]`

func TestLoadKeepsEveryDigit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, replay.TradesFile, trades)
	list, err := replay.Load(dir)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d recordings, %v", len(list), err)
	}
	start := time.Date(2026, 9, 1, 10, 0, 30, 0, time.UTC)
	source := list[0].From(start)
	var prints []market.Event
	var bars []market.Event
	last := int64(0)
	for range 3 * list[0].Len() {
		e, ok := source.Next()
		if !ok {
			t.Fatal("the replay ended")
		}
		switch e.Kind {
		case market.PrintEvent:
			prints = append(prints, e)
		case market.BarEvent:
			bars = append(bars, e)
			continue
		case market.QuoteEvent:
			if e.Quote.Bid >= e.Quote.Ask {
				t.Errorf("crossed quote %+v", e.Quote)
			}
		}
		if e.TS < last || e.TS < start.UnixNano() {
			t.Errorf("time went from %d to %d", last, e.TS)
		}
		last = e.TS
	}
	if len(prints) != 9 || prints[0].Print != (market.Print{Px: 141342, Qty: 23_000_000, Side: -1}) || prints[1].Print.Px != 141500 {
		t.Errorf("prints %+v", prints)
	}
	if prints[0].TS != prints[1].TS || prints[0].Seq == prints[1].Seq {
		t.Error("a repeated timestamp was not kept, or not told apart")
	}
	if len(bars) < 3 || bars[0].Bar.Volume != 28_000_000 || bars[0].TS%int64(time.Minute) != 0 {
		t.Errorf("bars %+v", bars)
	}
}

func TestLoadRefusesDamage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, text, says string }{
		"a price with digits to lose": {replay.TradesFile, `[[1,"1",null,"sell",0.001413421,23.0,1]]`, "lost"},
		"no side":                     {replay.TradesFile, `[[1,"1",null,null,0.001,23.0,1]]`, "side"},
		"short row":                   {replay.TradesFile, `[[1,"1"]]`, "fields"},
		"no JSON":                     {replay.TradesFile, `{`, "EOF"},
		"no trade":                    {replay.TradesFile, `[]`, "no record"},
		"two lists":                   {replay.TradesFile, trades + trades, "more than one list"},
		"bad bar":                     {replay.BarsFile, "timestamp,open,high,low,close,volume\n2021-12-31 23:01:00.000000,a,1,1,1,1\n", "line 2"},
		"bad time":                    {replay.BarsFile, "timestamp,open,high,low,close,volume\nyesterday,1,1,1,1,1\n", "line 2"},
		"bad quote":                   {replay.QuotesFile, "20200101 170000065,1.1212,x,0\n", "line 1: ask"},
		"short quote time":            {replay.QuotesFile, "20200101,1.1212,1.13,0\n", "line 1: time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, c.file, c.text)
			if _, err := replay.Load(dir); err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.file) {
				t.Errorf("got %v, want %q and the file's name", err, c.says)
			}
		})
	}
	dir := t.TempDir()
	if list, err := replay.Load(dir); err != nil || len(list) != 0 {
		t.Errorf("an empty folder: %d, %v", len(list), err)
	}
	// A bit that has flipped shows in the checksum at the file's end, and nowhere else.
	for file, text := range map[string]string{replay.TradesFile: trades, replay.QuotesFile: "20200101 170000065,1.121200,1.121720,0\n"} {
		flipped := t.TempDir()
		write(t, flipped, file, text)
		path := filepath.Join(flipped, file)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		whole[len(whole)-8]++
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := replay.Load(flipped); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s with a wrong checksum: %v", file, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, replay.BarsFile), []byte("not gzip"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := replay.Load(dir); err == nil {
		t.Error("a file that is not gzip was accepted")
	}
}

func TestSharedRecordings(t *testing.T) {
	t.Parallel()
	list, err := replay.Load(shared.Path(t, "data"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"XRP/ETH": 12_477, "BTC-PERP": 45_031, "EUR/USD": 9_500}
	for _, r := range list {
		n := 0
		source := r.From(time.Unix(0, 0))
		for range r.Len() {
			e, _ := source.Next()
			if r.Listing.Symbol == "XRP/ETH" && e.Kind == market.PrintEvent || r.Listing.Symbol == "BTC-PERP" && e.Kind == market.BarEvent ||
				r.Listing.Symbol == "EUR/USD" && e.Kind == market.QuoteEvent {
				n++
			}
			if e.Kind == market.QuoteEvent && (e.Quote.Bid > e.Quote.Ask || e.Quote.Bid%r.Listing.Tick != 0 || e.Quote.Ask%r.Listing.Tick != 0) {
				t.Fatalf("%s: crossed or off the tick: %+v", r.Listing.Symbol, e.Quote)
			}
		}
		if n != want[r.Listing.Symbol] {
			t.Errorf("%s: %d records, want %d", r.Listing.Symbol, n, want[r.Listing.Symbol])
		}
		delete(want, r.Listing.Symbol)
	}
	if len(want) > 0 {
		t.Errorf("not there: %v", want)
	}
}

func TestMergeKeepsTheOrderOfTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, replay.TradesFile, trades)
	write(t, dir, replay.QuotesFile, "20200101 170000065,1.121200,1.121720,0\n20200101 170010447,1.121200,1.121920,0\n20200101 170010447,1.121200,1.121910,0\n")
	list, err := replay.Load(dir)
	if err != nil || len(list) != 2 {
		t.Fatalf("%d, %v", len(list), err)
	}
	start := time.Unix(0, 0)
	m := market.Merge(list[0].From(start), list[1].From(start))
	last, seen := int64(0), map[int64]int{}
	for range 200 {
		e, ok := m.Next()
		if !ok {
			t.Fatal("the merge ended")
		}
		if e.Kind != market.BarEvent {
			if e.TS < last {
				t.Fatal("time went back")
			}
			last = e.TS
		}
		seen[e.Instrument]++
	}
	if len(seen) != 2 {
		t.Errorf("instruments %v", seen)
	}
	if _, ok := market.Merge().Next(); ok {
		t.Error("nothing merged gave an event")
	}
}
