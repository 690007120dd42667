// Package replay feeds recorded market data as if it happened now: trades of
// XRP/ETH, one-minute bars of BTC-PERP and quotes of EUR/USD.
//
// The recordings lie in different years. Each is moved to the start of the run
// and, when it ends, begins again behind its own end, so that time within an
// instrument only goes forward. Gaps, bursts and repeated timestamps stay as
// they are.
package replay

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strings"
	"time"

	"github.com/tidegate/engine/internal/desk/market"
	"github.com/tidegate/engine/internal/desk/money"
)

// The files a data folder may hold, and what is in them. The quotes are named
// after another pair than their prices show: 1.12 on the first of January 2020
// is the dollar price of a euro.
const (
	TradesFile = "xrp-eth-trades.json.gz"
	BarsFile   = "btc-perp-1m.csv.gz"
	QuotesFile = "usdjpy-quotes.csv.gz"
)

// Recording is the data of one instrument, in order of time. It is immutable
// and safe for concurrent use.
type Recording struct {
	Listing market.Listing
	events  []market.Event
}

// Len returns the number of events of one pass.
func (r *Recording) Len() int { return len(r.events) }

// Load reads the recordings in a folder. A missing file is left out; a folder
// that holds none gives an empty list.
//
// # Errors
//
// A file that is there and damaged is an error that names the line.
func Load(dir string) ([]*Recording, error) {
	sources := []struct {
		file, symbol string
		parse        func(io.Reader, market.Listing) ([]market.Event, error)
	}{
		{TradesFile, "XRP/ETH", parseTrades},
		{BarsFile, "BTC-PERP", parseBars},
		{QuotesFile, "EUR/USD", parseQuotes},
	}
	var out []*Recording
	for _, s := range sources {
		l, err := listing(s.symbol)
		if err != nil {
			return nil, err
		}
		events, err := readFile(dir+string(os.PathSeparator)+s.file, l, s.parse)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("replay %s: %w", s.file, err)
		}
		if len(events) == 0 {
			return nil, fmt.Errorf("replay %s: no record in it", s.file)
		}
		out = append(out, &Recording{Listing: l, events: events})
	}
	return out, nil
}

func listing(symbol string) (market.Listing, error) {
	for _, l := range market.Universe() {
		if l.Symbol == symbol {
			return l, nil
		}
	}
	return market.Listing{}, fmt.Errorf("replay: instrument %s is not in the universe", symbol)
}

func readFile(path string, l market.Listing, parse func(io.Reader, market.Listing) ([]market.Event, error)) ([]market.Event, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return parse(bufio.NewReader(z), l)
}

// parseTrades reads [[ms, "id", null, "side", price, amount, cost], …]. Each
// trade becomes a print and the quote it leaves behind: a buy shows the ask, a
// sell the bid.
func parseTrades(r io.Reader, l market.Listing) ([]market.Event, error) {
	d := json.NewDecoder(r)
	d.UseNumber() // a float would lose digits of the price
	var rows [][]any
	if err := d.Decode(&rows); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err == nil {
		return nil, errors.New("there is more than one list in it")
	} else if !errors.Is(err, io.EOF) { // also reads to the end, where the checksum is
		return nil, fmt.Errorf("after the list: %w", err)
	}
	var out []market.Event
	b := builder{listing: l}
	var q market.Quote
	for n, row := range rows {
		bad := func(what string, err error) error { return fmt.Errorf("trade %d: %s: %v", n+1, what, err) }
		if len(row) < 6 {
			return nil, bad("fields", errors.New("want at least 6"))
		}
		ms, err := integer(row[0])
		if err != nil {
			return nil, bad("time", err)
		}
		px, err := decimal(row[4], l.PriceScale)
		if err != nil {
			return nil, bad("price", err)
		}
		qty, err := decimal(row[5], l.QtyScale)
		if err != nil {
			return nil, bad("amount", err)
		}
		if px <= 0 || qty <= 0 {
			return nil, bad("trade", errors.New("price and amount must be positive"))
		}
		p := market.Print{Px: px, Qty: qty}
		switch row[3] {
		case "buy":
			p.Side, q.Ask = 1, px
			q.Bid = min(orElse(q.Bid, px-l.Tick), px-l.Tick)
		case "sell":
			p.Side, q.Bid = -1, px
			q.Ask = max(orElse(q.Ask, px+l.Tick), px+l.Tick)
		default:
			return nil, bad("side", errors.New("want buy or sell"))
		}
		q.BidQty, q.AskQty = qty, qty
		ts := ms * int64(time.Millisecond)
		out = append(out, b.print(ts, p), b.quote(ts, q))
	}
	return withBars(out, l)
}

func orElse(n, other int64) int64 {
	if n == 0 {
		return other
	}
	return n
}

func integer(v any) (int64, error) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, errors.New("not a number")
	}
	return n.Int64()
}

func decimal(v any, scale int) (int64, error) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, errors.New("not a number")
	}
	return money.ParseDecimal(n.String(), scale)
}

// parseBars reads timestamp,open,high,low,close,volume; the volume is money.
// Each bar is followed by the quote at its close.
func parseBars(r io.Reader, l market.Listing) ([]market.Event, error) {
	c := csv.NewReader(r)
	c.FieldsPerRecord, c.ReuseRecord = 6, true
	if _, err := c.Read(); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	b := builder{listing: l}
	var out []market.Event
	for n := 2; ; n++ {
		row, err := c.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		at, err := time.Parse("2006-01-02 15:04:05.999999", row[0])
		if err != nil {
			return nil, fmt.Errorf("line %d: time: %w", n, err)
		}
		var v [5]int64
		for i, s := range row[1:] {
			scale := l.PriceScale
			if i == 4 { // the volume is a sum of floats: digits behind the sixth are noise
				scale = 6
				if dot := strings.IndexByte(s, '.'); dot >= 0 {
					s = s[:min(len(s), dot+1+scale)]
				}
			}
			if v[i], err = money.ParseDecimal(s, scale); err != nil {
				return nil, fmt.Errorf("line %d: column %d: %w", n, i+2, err)
			}
		}
		bar := market.Bar{Span: time.Minute, Open: v[0], High: v[1], Low: v[2], Close: v[3], Notional: v[4]}
		// money at scale 6 over a price: quantity at its own scale
		if bar.Volume, err = money.MulDiv(v[4], pow10(l.PriceScale+l.QtyScale-6), max(v[3], 1)); err != nil {
			return nil, fmt.Errorf("line %d: volume: %w", n, err)
		}
		end := at.Add(time.Minute)
		bid := bar.Close - bar.Close%l.Tick // a few closes lie between ticks
		out = append(out,
			market.Event{Kind: market.BarEvent, Instrument: l.ID, TS: at.UnixNano(), Bar: bar},
			b.quote(end.UnixNano(), market.Quote{Bid: bid, Ask: bid + l.Tick, BidQty: l.Lot, AskQty: l.Lot}))
	}
}

func pow10(n int) int64 { return int64(math.Pow10(max(n, 0))) }

// parseQuotes reads "yyyymmdd hhmmssmmm,bid,ask,volume".
func parseQuotes(r io.Reader, l market.Listing) ([]market.Event, error) {
	c := csv.NewReader(r)
	c.FieldsPerRecord, c.ReuseRecord = 4, true
	b := builder{listing: l}
	var out []market.Event
	for n := 1; ; n++ {
		row, err := c.Read()
		if errors.Is(err, io.EOF) {
			return withBars(out, l)
		}
		if err != nil {
			return nil, err
		}
		if len(row[0]) != len("20060102 150405000") {
			return nil, fmt.Errorf("line %d: time of %d characters", n, len(row[0]))
		}
		at, err := time.Parse("20060102 150405.000", row[0][:15]+"."+row[0][15:])
		if err != nil {
			return nil, fmt.Errorf("line %d: time: %w", n, err)
		}
		bid, err := money.ParseDecimal(row[1], l.PriceScale)
		if err != nil {
			return nil, fmt.Errorf("line %d: bid: %w", n, err)
		}
		ask, err := money.ParseDecimal(row[2], l.PriceScale)
		if err != nil {
			return nil, fmt.Errorf("line %d: ask: %w", n, err)
		}
		out = append(out, b.quote(at.UnixNano(), market.Quote{Bid: bid, Ask: ask, BidQty: l.Lot, AskQty: l.Lot}))
	}
}

type builder struct {
	listing market.Listing
}

func (b *builder) print(ts int64, p market.Print) market.Event {
	return market.Event{Kind: market.PrintEvent, Instrument: b.listing.ID, TS: ts, Print: p}
}

func (b *builder) quote(ts int64, q market.Quote) market.Event {
	return market.Event{Kind: market.QuoteEvent, Instrument: b.listing.ID, TS: ts, Quote: q}
}

// withBars adds the one-minute bars that the events sum up to.
func withBars(events []market.Event, l market.Listing) ([]market.Event, error) {
	scale := 0
	for _, c := range market.Currencies() {
		if c.Code == l.Settle {
			scale = c.Scale
		}
	}
	contract, err := money.NewContract(l.PriceScale, l.QtyScale, scale, 1, 1)
	if err != nil {
		return nil, err
	}
	bars := market.NewBarBuilder(time.Minute, contract)
	out := make([]market.Event, 0, len(events)+len(events)/8)
	for _, e := range events {
		if bar, ok := bars.Add(e); ok {
			out = append(out, bar)
		}
		out = append(out, e)
	}
	return out, nil
}

// From returns the recording as a source that starts at a whole minute not
// before start and never ends.
func (r *Recording) From(start time.Time) market.Source {
	base := start.Add(time.Minute - 1).Truncate(time.Minute).UnixNano()
	first := r.events[0].TS - r.events[0].TS%int64(time.Minute)
	last := r.events[len(r.events)-1].TS
	length := last - first
	return &pass{events: r.events, shift: base - first, period: length - length%int64(time.Minute) + 2*int64(time.Minute)}
}

type pass struct {
	events        []market.Event
	shift, period int64
	at            int
	seq           int64
}

// Next implements [market.Source].
func (p *pass) Next() (market.Event, bool) {
	if p.at == len(p.events) {
		p.at = 0
		p.shift += p.period
	}
	e := p.events[p.at]
	p.at++
	p.seq++
	e.TS, e.Seq = e.TS+p.shift, p.seq
	return e, true
}
