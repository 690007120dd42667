package market

// Listing is an instrument with the price its simulation starts from.
type Listing struct {
	Instrument
	Start int64
	// Volatility is the standard deviation of a day's log return.
	Volatility float64
}

// Venues of the universe.
const (
	Nasdaq = "XNAS"
	Xetra  = "XETR"
	Crypto = "XCRY"
	Forex  = "XFXS"
)

// Currencies returns the currencies of the universe. The base currency of a
// spot instrument is never another's settlement currency: the asset leg and
// the cash leg of one account would then share a balance.
func Currencies() []Currency {
	return []Currency{
		{"USD", 6, "fiat"}, {"EUR", 6, "fiat"}, {"USDT", 6, "stable"}, {"ETH", 8, "crypto"},
		{"BTC", 8, "crypto"}, {"XRP", 6, "crypto"}, {"SOL", 8, "crypto"}, {"ADA", 6, "crypto"}, {"LTC", 8, "crypto"},
	}
}

// Universe returns the 40 instruments of the desk. Ids are stable.
func Universe() []Listing {
	var out []Listing
	add := func(l Listing) {
		l.ID = int64(len(out) + 1)
		out = append(out, l)
	}
	share := func(venue, symbol, ccy string, cents int64) {
		add(Listing{Instrument: Instrument{Venue: venue, Symbol: symbol, Kind: Equity, Quote: ccy, Settle: ccy,
			PriceScale: 4, QtyScale: 0, Tick: 100, Lot: 1}, Start: cents * 100, Volatility: 0.015})
	}
	for i, symbol := range []string{"ALFA", "BRVO", "CHRL", "DLTA", "ECHO", "FXTR", "GOLF", "HOTL", "INDA", "JULT", "KILO", "LIMA",
		"MIKE", "NOVM", "OSCR", "PAPA", "QBEC", "ROMO", "SIER", "TNGO"} {
		share(Nasdaq, symbol, "USD", 1_700+int64(i*i)*137)
	}
	for i, symbol := range []string{"UNIF", "VCTR", "WSKY", "XRAY", "YNKE", "ZULU"} {
		share(Xetra, symbol, "EUR", 2_300+int64(i)*2_911)
	}
	coin := func(base, quote string, baseScale, priceScale int, tick, lot, start int64) {
		add(Listing{Instrument: Instrument{Venue: Crypto, Symbol: base + "/" + quote, Kind: Spot, Base: base, Quote: quote, Settle: quote,
			PriceScale: priceScale, QtyScale: baseScale, Tick: tick, Lot: lot}, Start: start, Volatility: 0.04})
	}
	coin("BTC", "USDT", 8, 2, 1, 1_000, 46_319_00)
	coin("SOL", "USDT", 8, 4, 1, 1_000_000, 170_2500)
	coin("ADA", "USDT", 6, 5, 1, 1_000_000, 1_31040)
	coin("LTC", "USDT", 8, 3, 10, 1_000_000, 146_120)
	coin("XRP", "USDT", 6, 5, 1, 1_000_000, 82910)
	coin("XRP", "ETH", 6, 8, 1, 1_000_000, 141342)
	perp := func(base string, tick, lot, start int64) {
		add(Listing{Instrument: Instrument{Venue: Crypto, Symbol: base + "-PERP", Kind: Perp, CashSettled: true, Base: base, Quote: "USDT", Settle: "USDT",
			PriceScale: 4, QtyScale: 4, Tick: tick, Lot: lot}, Start: start, Volatility: 0.045})
	}
	perp("BTC", 10_000, 1, 46_319_0000)
	perp("SOL", 100, 100, 170_2500)
	perp("LTC", 100, 100, 146_1200)
	perp("ADA", 1, 10_000, 1_3104)
	pair := func(kind Kind, base, quote string, scale int, start int64) {
		add(Listing{Instrument: Instrument{Venue: Forex, Symbol: base + "/" + quote, Kind: kind, CashSettled: true, Base: base, Quote: quote, Settle: quote,
			PriceScale: scale, QtyScale: 0, Tick: 1, Lot: 1_000}, Start: start, Volatility: 0.005})
	}
	pair(FX, "EUR", "USD", 5, 1_12120)
	pair(CFD, "USDT", "USD", 5, 1_00010)
	pair(CFD, "ETH", "USD", 3, 3_678_000)
	pair(CFD, "XRP", "EUR", 5, 74_020)
	return out
}
