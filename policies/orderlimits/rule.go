package orderlimits

import (
	"errors"
	"math/bits"

	"github.com/tidegate/engine/sdk"
)

// Codes of verdicts.
const (
	CodeQty       = 1 // more than max_qty, or less than min_qty
	CodeNotional  = 2 // more than max_notional
	CodePrice     = 3 // outside of min_price and max_price
	CodeBand      = 4 // further than band_bps from the reference
	CodeReference = 5 // nothing to compare the price with
	CodeType      = 6 // a value that is no integer
)

// Rule is the policy; New makes one.
type Rule struct {
	limits  limits
	columns []columns // of the hooks
	marks   sdk.Query
	useMark bool // the band is around the stored mark and not around a column
	strict  bool // an order without a reference is rejected
	book    map[int64]int64
	odd     map[int64]bool // instruments whose mark is no integer
	keys    []byte
	msg     sdk.Message
}

// columns are where a hook's batches have what the rule reads; -1 for a column that is not there.
type columns struct{ account, instrument, qty, price, reference int }

// New returns a rule without limits, to be configured.
func New() any { return &Rule{book: map[int64]int64{}, odd: map[int64]bool{}} }

// Configure implements sdk.Configurer.
func (r *Rule) Configure(c *sdk.Config) error {
	names := c.Section("columns")
	for _, h := range c.Hooks() {
		r.columns = append(r.columns, columns{
			account:    h.Column(names.Text("account", "account_id")),
			instrument: h.Column(names.Text("instrument", "instrument_id")),
			qty:        c.Require(h, names.Text("qty", "qty")),
			price:      c.Require(h, names.Text("price", "limit_px")),
			reference:  h.Column(names.Text("reference", "arrival_px")),
		})
	}
	r.useMark = c.OneOf("reference", "column", "mark") == "mark"
	r.strict = c.Bool("require_reference", true)
	r.marks = c.Lookup("marks")
	if r.useMark && !r.marks.Known() {
		c.Fail("reference", "mark needs the query marks in capabilities.lookup")
	}
	r.limits.read(c)
	for i, h := range c.Hooks() {
		k := r.columns[i]
		if r.limits.byAccount && k.account < 0 {
			c.Fail("limits", "some name an account, and hook "+h.Table+" has no such column")
		}
		if (r.limits.byInstrument || r.useMark) && k.instrument < 0 {
			c.Fail("limits", "instruments are told apart, and hook "+h.Table+" has no such column")
		}
	}
	return nil
}

// Validate implements sdk.Validator. A row that goes is over no limit.
func (r *Rule) Validate(b *sdk.Batch, v *sdk.Verdicts) error {
	if b.Op() == sdk.Delete {
		return nil
	}
	k := r.columns[b.Hook().ID]
	if r.useMark {
		if err := r.loadMarks(b, k); err != nil {
			return err
		}
	}
	for row := range b.Len() {
		r.row(b, v, k, row)
	}
	return nil
}

// row judges one row. Only the first of its faults is told: the rejection is the same.
func (r *Rule) row(b *sdk.Batch, v *sdk.Verdicts, k columns, row int) {
	q, ok := b.Int(row, k.qty)
	if !ok {
		v.Reject(row, k.qty, CodeType, "the quantity is no integer")
		return
	}
	p, priced := b.Int(row, k.price)
	if !priced && !b.Cell(row, k.price).IsNull() {
		v.Reject(row, k.price, CodeType, "the price is no integer")
		return
	}
	account, ok := b.Int(row, k.account)
	if !ok && r.limits.byAccount { // it would be held to the limits of all alone
		v.Reject(row, k.account, CodeType, "the account is no integer, and limits are set by account")
		return
	}
	instrument, ok := b.Int(row, k.instrument)
	if !ok && (r.limits.byInstrument || r.useMark) {
		v.Reject(row, k.instrument, CodeType, "the instrument is no integer, and limits or marks are set by instrument")
		return
	}
	l := r.limits.of(account, instrument)
	switch {
	case q > l.maxQty || l.oneSided() && magnitude(q) > uint64(l.maxQty):
		v.Reject(row, k.qty, CodeQty, r.msg.Start("qty ").Int(q).Text(" is over the limit of ").Int(l.maxQty).String())
		return
	case q < l.minQty:
		v.Reject(row, k.qty, CodeQty, r.msg.Start("qty ").Int(q).Text(" is under the minimum of ").Int(l.minQty).String())
		return
	case priced && (p > l.maxPrice || p < l.minPrice):
		v.Reject(row, k.price, CodePrice, r.msg.Start("price ").Int(p).Text(" is not within ").Int(l.minPrice).Text(" and ").Int(l.maxPrice).String())
		return
	}
	if l.maxNotional != unlimited || l.band != unlimited {
		reference, known := r.reference(b, k, row, instrument)
		switch {
		case known:
		case r.useMark && r.odd[instrument]:
			v.Reject(row, k.instrument, CodeType, "the mark of the instrument is no integer: let the query marks answer in the units of the price")
			return
		case !r.useMark && !b.Cell(row, k.reference).IsNull():
			v.Reject(row, k.reference, CodeType, "the reference price is no integer")
			return
		}
		r.worth(v, k, row, l, order{q, p, priced, reference, known})
	}
}

// order is what an order's worth is made of.
type order struct {
	qty, price int64
	priced     bool
	reference  int64
	known      bool
}

// worth judges what needs to know the price of the market. An order without a price is worth what the market says.
func (r *Rule) worth(v *sdk.Verdicts, k columns, row int, l *limit, o order) {
	if !o.known && (!o.priced || l.band != unlimited) && r.strict {
		v.Reject(row, k.price, CodeReference, "the order has nothing to measure its price with: set the reference price, or require_reference: false")
		return
	}
	at := o.reference
	if o.priced {
		at = o.price
	}
	switch {
	case l.maxNotional != unlimited && (o.known || o.priced) && over(o.qty, at, l.maxNotional):
		v.Reject(row, k.qty, CodeNotional, r.msg.Start("qty ").Int(o.qty).Text(" at ").Int(at).Text(" is worth more than the limit of ").Int(l.maxNotional).String())
	case l.band != unlimited && o.known && o.priced && outside(o.price, o.reference, l.band):
		v.Reject(row, k.price, CodeBand, r.msg.Start("price ").Int(o.price).Text(" is more than ").Int(l.band).Text(" bps from ").Int(o.reference).String())
	}
}

// reference is the price of the market for a row.
func (r *Rule) reference(b *sdk.Batch, k columns, row int, instrument int64) (int64, bool) {
	if r.useMark {
		mark, ok := r.book[instrument]
		return mark, ok
	}
	return b.Int(row, k.reference)
}

// magnitude is |v|, also of the smallest integer.
func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// over reports whether |qty × price| > most, in 128 bits: the product of two large orders must not wrap around to a small one.
func over(qty, price, most int64) bool {
	hi, lo := bits.Mul64(magnitude(qty), magnitude(price))
	return hi > 0 || lo > uint64(most)
}

// outside reports whether |price - reference| × 10,000 > |reference| × band, in 128 bits.
func outside(price, reference, band int64) bool {
	distance := uint64(price) - uint64(reference)
	if price < reference {
		distance = uint64(reference) - uint64(price)
	}
	hi, lo := bits.Mul64(distance, 10_000)
	hi2, lo2 := bits.Mul64(magnitude(reference), uint64(band))
	return hi > hi2 || hi == hi2 && lo > lo2
}

// loadMarks asks for the marks of all instruments of a batch at once.
func (r *Rule) loadMarks(b *sdk.Batch, k columns) error {
	clear(r.book)
	r.keys = append(r.keys[:0], '[')
	for row := range b.Len() {
		id := b.Cell(row, k.instrument)
		if _, known := r.book[id.Int()]; known || id.Type() != sdk.Integer {
			continue
		}
		r.book[id.Int()] = 0
		if len(r.keys) > 1 {
			r.keys = append(r.keys, ',')
		}
		r.keys = sdk.AppendInt(r.keys, id.Int())
	}
	clear(r.book) // what has no mark must not be there
	clear(r.odd)
	r.keys = append(r.keys, ']')
	rows, err := b.Lookup(r.marks, sdk.String(string(r.keys)))
	if err != nil {
		return err
	}
	if rows.Partial() {
		return errors.New("the query marks has more rows than its max_rows: raise it, or answer with one row an instrument")
	}
	for i := range rows.Len() {
		id, mark := rows.Cell(i, 0, 0).Int(), rows.Cell(i, 0, 1)
		switch {
		case mark.Type() == sdk.Integer:
			r.book[id] = mark.Int()
		case !mark.IsNull():
			r.odd[id] = true
		}
	}
	return nil
}
