package dailylimits

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/tidegate/engine/sdk"
)

// Codes of the rules.
const (
	CodeRows    = 1 // more rows than an account may have in a day
	CodeQty     = 2 // more quantity
	CodeAccount = 3 // the account is no integer, so that there is nothing to count it under
	CodeNumber  = 4 // the quantity is no integer
)

// Rule is the policy; New makes one.
type Rule struct {
	maxRows, maxQty int64 // 0: any
	offset          int64 // of the day's begin from midnight UTC, ns
	account, qty    []int // columns of each hook
	msg             sdk.Message

	of    []int64 // the distinct accounts of a batch
	done  map[int64]*done
	value [24]byte
}

// done is what an account has done in a day.
type done struct{ day, rows, qty int64 }

// Sizes in nanoseconds.
const (
	minute = int64(60e9)
	day    = 24 * 60 * minute
)

// New returns a rule without limits, to be configured.
func New() any { return &Rule{done: map[int64]*done{}} }

// Configure implements sdk.Configurer.
func (r *Rule) Configure(c *sdk.Config) error {
	r.maxRows, r.maxQty, r.offset = c.Int("max_rows", 0), c.Int("max_qty", 0), c.Int("day_begins_minutes", 0)*minute
	if r.maxRows <= 0 && r.maxQty <= 0 {
		c.Fail("max_rows", "set it, or max_qty, to more than 0: there is no limit")
	}
	columns := c.Section("columns")
	account, qty := columns.Text("account", "account_id"), columns.Text("qty", "qty")
	for _, h := range c.Hooks() {
		r.account = append(r.account, c.Require(h, account))
		r.qty = append(r.qty, c.Require(h, qty))
	}
	return nil
}

// Validate implements sdk.Validator.
func (r *Rule) Validate(b *sdk.Batch, v *sdk.Verdicts) error {
	account, qty := r.account[b.Hook().ID], r.qty[b.Hook().ID]
	if b.Op() == sdk.Delete {
		return nil // gives nothing back
	}
	today := floor(b.Now() - r.offset)
	r.of = r.of[:0]
	clear(r.done)
	for row := range b.Len() {
		who, n := b.Cell(row, account), b.Cell(row, qty)
		switch {
		case who.Type() != sdk.Integer:
			v.Reject(row, account, CodeAccount, "the account is no integer")
			continue
		case n.Type() != sdk.Integer:
			v.Reject(row, qty, CodeNumber, "the quantity is no integer")
			continue
		}
		more, units := int64(1), magnitude(n.Int())
		if b.Op() == sdk.Update {
			more, units = grown(who.Int(), b.Old(row, account), units, b.Old(row, qty))
			if more == 0 && units == 0 {
				continue
			}
		}
		d, err := r.load(b, who.Int(), today)
		if err != nil {
			return err
		}
		d.rows, d.qty = d.rows+more, add(d.qty, units)
		switch {
		case r.maxRows > 0 && more > 0 && d.rows > r.maxRows:
			v.Reject(row, account, CodeRows, r.msg.Start("row ").Int(d.rows).Text(" of the account today is over the limit of ").Int(r.maxRows).String())
		case r.maxQty > 0 && d.qty > r.maxQty:
			v.Reject(row, qty, CodeQty, r.msg.Start("with it the account has ").Int(d.qty).Text(" today, over the limit of ").Int(r.maxQty).String())
		}
	}
	return r.store(b)
}

// floor is the number of the day.
func floor(at int64) int64 {
	if at < 0 {
		return (at+1)/day - 1
	}
	return at / day
}

// grown is what a change adds to what its account has done: what the quantity has grown by; of a row that was another account's, the whole row.
func grown(account int64, before sdk.Cell, n int64, old sdk.Cell) (rows, qty int64) {
	if before.Type() != sdk.Integer || before.Int() != account || old.Type() != sdk.Integer {
		return 1, n
	}
	return 0, max(0, n-magnitude(old.Int()))
}

// magnitude is what a quantity counts for: what is negative as much as what is not. The smallest integer has no positive and counts as the largest.
func magnitude(n int64) int64 {
	switch {
	case n == math.MinInt64:
		return math.MaxInt64
	case n < 0:
		return -n
	}
	return n
}

// add stays at the end of the range: a sum that wraps around would be below every limit.
func add(sum, n int64) int64 {
	if sum > math.MaxInt64-n {
		return math.MaxInt64
	}
	return sum + n
}

// key of an account.
func key(account int64) string { return string(sdk.AppendInt([]byte("a"), account)) }

// errKept says that what was kept is not this policy's.
var errKept = errors.New("what is kept of an account is not of 24 bytes: another plug-in has had this name")

// load is what an account has done today. A clock that went back a day goes on in the later one.
func (r *Rule) load(b *sdk.Batch, account, today int64) (*done, error) {
	if d := r.done[account]; d != nil {
		return d, nil
	}
	raw, ok, err := b.Get(key(account))
	if err != nil {
		return nil, err
	}
	d := &done{day: today}
	if ok {
		if len(raw) != len(r.value) {
			return nil, errKept
		}
		was := done{int64(binary.LittleEndian.Uint64(raw)), int64(binary.LittleEndian.Uint64(raw[8:])), int64(binary.LittleEndian.Uint64(raw[16:]))}
		if was.day >= today {
			*d = was
		}
	}
	r.done[account] = d
	r.of = append(r.of, account)
	return d, nil
}

// store keeps what the accounts of the batch have done. Where the batch is rejected that goes with its transaction.
func (r *Rule) store(b *sdk.Batch) error {
	slices.Sort(r.of)
	for _, account := range r.of {
		d := r.done[account]
		binary.LittleEndian.PutUint64(r.value[:], uint64(d.day))
		binary.LittleEndian.PutUint64(r.value[8:], uint64(d.rows))
		binary.LittleEndian.PutUint64(r.value[16:], uint64(d.qty))
		if err := b.Put(key(account), r.value[:]); err != nil {
			return err
		}
	}
	b.Count("rows", float64(b.Len()))
	return nil
}
