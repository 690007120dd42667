package retainbyage

import (
	"math"
	"time"

	"github.com/tidegate/engine/sdk"
)

// Codes of actions.
const (
	CodeArchive = 1
	CodeDelete  = 2
)

// never is the age of what nobody set.
const never = time.Duration(math.MaxInt64)

// Policy is the policy; New makes one.
type Policy struct {
	archive, delete time.Duration
	unit            int64 // nanoseconds of an instant's unit
	columns         []columns
	only            map[string]bool
}

// columns are where a hook's batches have what the policy reads.
type columns struct{ instant, state int }

// New returns a policy to be configured.
func New() any { return &Policy{} }

// Configure implements sdk.Configurer.
func (p *Policy) Configure(c *sdk.Config) error {
	p.archive, p.delete = c.Duration("archive_after", never), c.Duration("delete_after", never)
	p.unit = map[string]int64{"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}[c.OneOf("unit", "ns", "us", "ms", "s")]
	switch {
	case p.archive == never && p.delete == never:
		c.Fail("", "set archive_after or delete_after")
	case p.archive <= 0 || p.delete <= 0:
		c.Fail("", "an age of nothing would take every row")
	case p.archive != never && p.delete <= p.archive:
		c.Fail("delete_after", "is not longer than archive_after")
	}
	only := c.Section("only")
	name := only.Text("column", "")
	p.only = map[string]bool{}
	for _, v := range only.Texts("values") {
		p.only[v] = true
	}
	if (name == "") != (len(p.only) == 0) {
		c.Fail("only", "column and values go together")
	}
	for _, h := range c.Hooks() {
		k := columns{instant: c.Require(h, c.Text("column", "ts_event")), state: -1}
		if name != "" {
			k.state = c.Require(h, name)
		}
		p.columns = append(p.columns, k)
	}
	return nil
}

// Retain implements sdk.Retainer. A row whose age cannot be told is kept.
func (p *Policy) Retain(b *sdk.Batch, a *sdk.Actions) error {
	k, now := p.columns[b.Hook().ID], b.Now()
	for row := range b.Len() {
		at := b.Cell(row, k.instant)
		if at.Type() != sdk.Integer || k.state >= 0 && !p.only[b.Cell(row, k.state).Text()] {
			continue
		}
		switch age := p.age(now, at.Int()); {
		case p.delete != never && age > p.delete:
			a.Delete(row, CodeDelete, "")
		case p.archive != never && age > p.archive:
			a.Archive(row, CodeArchive, "")
		}
	}
	return nil
}

// age is how long ago an instant is, at most never; 0 for one to come, and for one that the unit makes too large to be true: such a row is kept.
func (p *Policy) age(now, at int64) time.Duration {
	if at > math.MaxInt64/p.unit || at < math.MinInt64/p.unit {
		return 0
	}
	at *= p.unit
	if at >= now {
		return 0
	}
	if age := uint64(now) - uint64(at); age < uint64(never) {
		return time.Duration(age)
	}
	return never
}
