package doubleentry

import (
	"math/bits"
	"unicode/utf8"

	"github.com/tidegate/engine/sdk"
)

// Codes of verdicts.
const (
	CodeUnbalanced = 1 // the amounts of a booking do not add up to zero
	CodeType       = 2 // an amount that is no integer, or a booking that has no key
)

// Rule is the policy; New makes one.
type Rule struct {
	columns []columns
	balance sdk.Query
	sums    map[entry]*sum
	order   []booked // what is in sums in the order in which it came, so that the same batch always gives the same answer
	free    []*sum
	keys    []byte
	msg     sdk.Message
}

// columns are where a hook's batches have what the rule reads; ccy is -1 where there is one currency.
type columns struct{ booking, ccy, amount int }

// entry is what has to balance. Text and integer keys are told apart.
type entry struct {
	number    int64
	text, ccy string
	isText    bool
}

// sum is what a batch adds to an entry, in 128 bits: sums of 64 bits could wrap around to zero.
type sum struct {
	hi, lo uint64
	row    int // the last one that adds to it
}

// booked is an entry with its sum.
type booked struct {
	entry
	*sum
}

// New returns a rule to be configured.
func New() any { return &Rule{sums: map[entry]*sum{}} }

// Configure implements sdk.Configurer.
func (r *Rule) Configure(c *sdk.Config) error {
	names := c.Section("columns")
	for _, h := range c.Hooks() {
		k := columns{booking: c.Require(h, names.Text("booking", "booking_id")), ccy: -1, amount: c.Require(h, names.Text("amount", "amount"))}
		if ccy := names.Text("currency", ""); ccy != "" {
			k.ccy = c.Require(h, ccy)
		}
		if h.When != "commit" {
			c.Fail("", "hook "+h.Table+" has to say when: commit: a statement alone need not balance")
		}
		r.columns = append(r.columns, k)
	}
	if len(c.Hooks()) != 1 {
		c.Fail("", "the rule serves one hook: load it once for each table")
	}
	if r.balance = c.Lookup("unbalanced"); !r.balance.Known() {
		c.Fail("", "the query unbalanced is missing in capabilities.lookup")
	}
	return nil
}

// Validate implements sdk.Validator. A transaction's inserts, updates and deletes come in calls of their own. If each of them adds nothing to any booking, all of
// them together do, and nothing needs to be asked; else the table says how the bookings stand now that the transaction has made all its changes.
func (r *Rule) Validate(b *sdk.Batch, v *sdk.Verdicts) error {
	k := r.columns[b.Hook().ID]
	defer r.reset() // its keys point into the batch
	for row := range b.Len() {
		if b.Op() == sdk.Update {
			if !r.add(b.Old(row, k.booking), b.Old(row, k.ccy), b.Old(row, k.amount), row, true) {
				v.Reject(row, k.amount, CodeType, "the row that was there has no integer amount or no booking: mend it by hand")
				continue
			}
		}
		if !r.add(b.Cell(row, k.booking), b.Cell(row, k.ccy), b.Cell(row, k.amount), row, b.Op() == sdk.Delete) {
			v.Reject(row, k.amount, CodeType, "the amount is no integer, or the booking or the currency is no key")
		}
	}
	if v.Len() > 0 {
		return nil
	}
	return r.ask(b, v, k)
}

func (r *Rule) reset() {
	for _, e := range r.order {
		r.free = append(r.free, e.sum)
	}
	clear(r.sums)
	r.order = r.order[:0]
}

// add adds an amount to its entry, or takes it away; false for values that cannot be booked. A text that is no UTF-8 is among them, since the query gets its keys as
// JSON and would be asked about another one, and so is an empty currency, which is what stands for none there.
func (r *Rule) add(booking, ccy, amount sdk.Cell, row int, minus bool) bool {
	e := entry{number: booking.Int(), isText: booking.Type() == sdk.Text}
	switch {
	case amount.Type() != sdk.Integer || booking.Type() != sdk.Integer && !e.isText:
		return false
	case r.columns[0].ccy >= 0 && (ccy.Type() != sdk.Text || ccy.Text() == "" || !utf8.ValidString(ccy.Text())):
		return false
	}
	if e.isText {
		if e.text = booking.Text(); !utf8.ValidString(e.text) {
			return false
		}
	}
	e.ccy = ccy.Text()
	s := r.sums[e]
	if s == nil {
		s = r.fresh()
		r.sums[e] = s
		r.order = append(r.order, booked{e, s})
	}
	v := amount.Int()
	hi, lo := uint64(v>>63), uint64(v)
	if minus {
		var borrow uint64
		s.lo, borrow = bits.Sub64(s.lo, lo, 0)
		s.hi, _ = bits.Sub64(s.hi, hi, borrow)
	} else {
		var carry uint64
		s.lo, carry = bits.Add64(s.lo, lo, 0)
		s.hi, _ = bits.Add64(s.hi, hi, carry)
	}
	s.row = row
	return true
}

func (r *Rule) fresh() *sum {
	if n := len(r.free); n > 0 {
		s := r.free[n-1]
		r.free = r.free[:n-1]
		*s = sum{}
		return s
	}
	return &sum{}
}

// ask looks at the bookings to which the batch adds something.
func (r *Rule) ask(b *sdk.Batch, v *sdk.Verdicts, k columns) error {
	r.keys = append(r.keys[:0], '[')
	var asked []booked
	for _, e := range r.order {
		if e.hi|e.lo == 0 {
			continue
		}
		asked = append(asked, e)
		if len(asked) > 1 {
			r.keys = append(r.keys, ',')
		}
		r.keys = append(r.keys, '[')
		if e.isText {
			r.keys = sdk.AppendJSON(r.keys, e.text)
		} else {
			r.keys = sdk.AppendInt(r.keys, e.number)
		}
		r.keys = append(r.keys, ',')
		r.keys = append(sdk.AppendJSON(r.keys, e.ccy), ']')
	}
	if len(asked) == 0 {
		return nil
	}
	r.keys = append(r.keys, ']')
	rows, err := b.Lookup(r.balance, sdk.String(string(r.keys)))
	if err != nil {
		return err
	}
	for i := range rows.Len() {
		at := rows.Cell(i, 0, 0)
		if at.Type() != sdk.Integer || uint64(at.Int()) >= uint64(len(asked)) {
			return queryError("the query answered with something that is no number of a booking: it must select json_each.key")
		}
		e := asked[at.Int()]
		m := r.msg.Start("booking ")
		if e.isText {
			m.Text(e.text)
		} else {
			m.Int(e.number)
		}
		if e.ccy != "" {
			m.Text(" in ").Text(e.ccy)
		}
		v.Reject(e.row, k.amount, CodeUnbalanced, m.Text(" does not balance: the amounts add up to ").Cell(rows.Cell(i, 0, 1)).String())
	}
	return nil
}

// queryError says what is wrong with a query.
type queryError string

// Error is what is wrong.
func (e queryError) Error() string { return string(e) }
