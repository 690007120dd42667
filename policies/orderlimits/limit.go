package orderlimits

import (
	"math"

	"github.com/tidegate/engine/sdk"
)

// unlimited is what a limit is that nobody set.
const unlimited = math.MaxInt64

// limit is what holds for an account and an instrument.
type limit struct {
	minQty, maxQty     int64
	maxNotional        int64
	minPrice, maxPrice int64
	band               int64 // basis points
}

func free() limit {
	return limit{minQty: math.MinInt64, maxQty: unlimited, maxNotional: unlimited, minPrice: math.MinInt64, maxPrice: unlimited, band: unlimited}
}

// oneSided reports that only the largest quantity was set, which bounds those below zero as well: in some books they are sales.
func (l *limit) oneSided() bool {
	return l.minQty == math.MinInt64 && l.maxQty >= 0 && l.maxQty != unlimited
}

// scope is what a limit of the configuration is about; 0 is any.
type scope struct{ account, instrument int64 }

// set is one limit of the configuration, of which only some parts are set.
type set struct {
	o sdk.Object
	limit
}

// apply lets the parts that are set replace those of l.
func (s *set) apply(l *limit) {
	for _, part := range []struct {
		key  string
		from int64
		to   *int64
	}{
		{"min_qty", s.minQty, &l.minQty}, {"max_qty", s.maxQty, &l.maxQty}, {"max_notional", s.maxNotional, &l.maxNotional},
		{"min_price", s.minPrice, &l.minPrice}, {"max_price", s.maxPrice, &l.maxPrice}, {"band_bps", s.band, &l.band},
	} {
		if s.o.Has(part.key) {
			*part.to = part.from
		}
	}
}

// limits finds what holds for an order. What was found is remembered, since orders come again and again for the same few: each pair has one place in a
// table, where another pair takes it over. A map would cost a module five times as much as all the rest of a row.
type limits struct {
	sets                    map[scope]*set
	found                   []remembered
	byAccount, byInstrument bool
}

type remembered struct {
	scope
	limit
	known bool
}

// places is the size of the table, a power of two.
const places = 1024

func (l *limits) read(c *sdk.Config) {
	l.sets, l.found = map[scope]*set{}, make([]remembered, places)
	for _, o := range c.Sections("limits") {
		f := free()
		s := &set{o: o, limit: limit{
			minQty: o.Int("min_qty", f.minQty), maxQty: o.Int("max_qty", f.maxQty), maxNotional: o.Int("max_notional", f.maxNotional),
			minPrice: o.Int("min_price", f.minPrice), maxPrice: o.Int("max_price", f.maxPrice), band: o.Int("band_bps", f.band),
		}}
		at := scope{o.Int("account", 0), o.Int("instrument", 0)}
		switch {
		case l.sets[at] != nil:
			o.Fail("", "there is a limit for this account and instrument already: put them together")
		case s.maxNotional < 0 || s.band < 0:
			o.Fail("", "max_notional and band_bps are not negative")
		case s.minQty > s.maxQty || s.minPrice > s.maxPrice:
			o.Fail("", "a minimum is over its maximum: no order could pass")
		}
		l.sets[at] = s
		l.byAccount = l.byAccount || at.account != 0
		l.byInstrument = l.byInstrument || at.instrument != 0
	}
	if len(l.sets) == 0 {
		c.Fail("limits", "name at least one")
	}
}

// of is what holds for an order: what is set for its account and instrument together counts before what is set for the account, that before the
// instrument's, and that before what is set for all.
func (l *limits) of(account, instrument int64) *limit {
	at := scope{account, instrument}
	r := &l.found[(uint64(account)*0x9E3779B97F4A7C15>>32^uint64(instrument))%places]
	if !r.known || r.scope != at {
		r.scope, r.limit, r.known = at, free(), true
		for _, s := range [...]scope{{}, {0, instrument}, {account, 0}, at} {
			if s := l.sets[s]; s != nil {
				s.apply(&r.limit)
			}
		}
	}
	return &r.limit
}
