package retainbysize

import (
	"errors"
	"math/bits"

	"github.com/tidegate/engine/sdk"
)

// Code is the code of the policy's actions.
const Code = 1

// Policy is the policy; New makes one.
type Policy struct {
	size, cutoff       sdk.Query
	maxBytes, lowBytes int64 // 0: not by bytes
	maxRows            int64 // 0: not by rows
	delete             bool
	columns            []columns
	only               map[string]bool
}

// columns are where a hook's batches have what the policy reads.
type columns struct{ key, state int }

// New returns a policy to be configured.
func New() any { return &Policy{} }

// Configure implements sdk.Configurer.
func (p *Policy) Configure(c *sdk.Config) error {
	p.maxBytes, p.maxRows = c.Int("max_bytes", 0), c.Int("max_rows", 0)
	p.lowBytes = c.Int("low_bytes", p.maxBytes/10*9)
	p.delete = c.OneOf("action", "archive", "delete") == "delete"
	switch {
	case p.maxBytes == 0 && p.maxRows == 0:
		c.Fail("", "set max_bytes or max_rows")
	case p.maxBytes < 0 || p.maxRows < 0:
		c.Fail("", "max_bytes and max_rows are not negative")
	case p.maxBytes > 0 && (p.lowBytes <= 0 || p.lowBytes > p.maxBytes):
		c.Fail("low_bytes", "is not within 1 and max_bytes")
	}
	for _, q := range []struct {
		name string
		to   *sdk.Query
	}{{"size", &p.size}, {"cutoff", &p.cutoff}} {
		if *q.to = c.Lookup(q.name); !q.to.Known() {
			c.Fail("", "the query "+q.name+" is missing in capabilities.lookup")
		}
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
		k := columns{key: c.Require(h, c.Text("key", "id")), state: -1}
		if name != "" {
			k.state = c.Require(h, name)
		}
		p.columns = append(p.columns, k)
	}
	if len(c.Hooks()) != 1 {
		c.Fail("", "the policy serves one hook: load it once for each table")
	}
	return nil
}

// Retain implements sdk.Retainer. It asks how large the table is and where the rows to be kept begin, so its answer is the same in whatever pieces the rows come,
// and asking again before the rows are gone takes no more of them.
func (p *Policy) Retain(b *sdk.Batch, a *sdk.Actions) error {
	rows, err := b.Lookup(p.size)
	if err != nil {
		return err
	}
	bytes, count := rows.Cell(0, 0, 0), rows.Cell(0, 0, 1)
	if rows.Len() != 1 || bytes.Type() != sdk.Integer || count.Type() != sdk.Integer || bytes.Int() < 0 || count.Int() < 0 {
		return errors.New("the query size has to answer with one row of two integers: bytes and rows")
	}
	keep := p.keep(bytes.Int(), count.Int())
	if keep >= count.Int() {
		return nil
	}
	cut, err := b.Lookup(p.cutoff, sdk.Int(keep))
	switch {
	case err != nil:
		return err
	case cut.Len() == 0:
		return nil
	case cut.Len() != 1 || cut.Cell(0, 0, 0).Type() != sdk.Integer:
		return errors.New("the query cutoff has to answer with one integer: the largest key that is not kept")
	}
	last := cut.Cell(0, 0, 0).Int()
	k := p.columns[b.Hook().ID]
	for row := range b.Len() {
		key := b.Cell(row, k.key)
		if key.Type() != sdk.Integer || key.Int() > last || k.state >= 0 && !p.only[b.Cell(row, k.state).Text()] {
			continue
		}
		if p.delete {
			a.Delete(row, Code, "")
		} else {
			a.Archive(row, Code, "")
		}
	}
	return nil
}

// keep is how many rows may stay, if all rows are of the same size.
func (p *Policy) keep(bytes, rows int64) int64 {
	keep := rows
	if p.maxRows > 0 {
		keep = min(keep, p.maxRows)
	}
	if p.maxBytes > 0 && bytes > p.maxBytes {
		hi, lo := bits.Mul64(uint64(rows), uint64(p.lowBytes)) // low < bytes, so that the quotient is less than rows
		n, _ := bits.Div64(hi, lo, uint64(bytes))
		keep = min(keep, int64(n))
	}
	return keep
}
