package retainbystate

import (
	"errors"
	"strconv"

	"github.com/tidegate/engine/sdk"
)

// Policy is the policy; New makes one.
type Policy struct {
	states  sdk.Query
	rules   map[string]rule
	columns []int          // of the key in each hook's batches
	state   map[int64]rule // of the keys of a batch
	keys    []byte
}

// rule is what a state means; the zero rule is nothing.
type rule struct {
	action string
	code   uint32
	why    string
	told   bool // by the query, for a key
}

// New returns a policy to be configured.
func New() any { return &Policy{state: map[int64]rule{}} }

// Configure implements sdk.Configurer.
func (p *Policy) Configure(c *sdk.Config) error {
	p.rules = map[string]rule{}
	states := c.Section("states")
	for i, name := range states.Keys() {
		p.rules[name] = rule{action: states.OneOf(name, "keep", "archive", "delete", "hold"), code: uint32(i + 1), why: "state " + name}
	}
	if len(p.rules) == 0 {
		c.Fail("states", "name at least one")
	}
	if p.states = c.Lookup("states"); !p.states.Known() {
		c.Fail("", "the query states is missing in capabilities.lookup")
	}
	for _, h := range c.Hooks() {
		p.columns = append(p.columns, c.Require(h, c.Text("column", "account_id")))
	}
	return nil
}

// Retain implements sdk.Retainer. A row whose key has no state, or a state that nobody named, is kept.
func (p *Policy) Retain(b *sdk.Batch, a *sdk.Actions) error {
	col := p.columns[b.Hook().ID]
	if err := p.ask(b, col); err != nil {
		return err
	}
	for row := range b.Len() {
		key := b.Cell(row, col)
		if key.Type() != sdk.Integer {
			continue
		}
		switch r := p.state[key.Int()]; r.action {
		case "archive":
			a.Archive(row, r.code, "")
		case "delete":
			a.Delete(row, r.code, "")
		case "hold":
			a.Hold(row, r.code, r.why)
		}
	}
	return nil
}

// most is how many keys are asked about at once: fewer than the rows that any answer may have.
const most = 1024

// ask learns the states of all keys of a batch.
func (p *Policy) ask(b *sdk.Batch, col int) error {
	clear(p.state)
	keys := 0
	p.keys = append(p.keys[:0], '[')
	for row := range b.Len() {
		key := b.Cell(row, col)
		if _, seen := p.state[key.Int()]; seen || key.Type() != sdk.Integer {
			continue
		}
		p.state[key.Int()] = rule{}
		if keys > 0 {
			p.keys = append(p.keys, ',')
		}
		p.keys = sdk.AppendInt(p.keys, key.Int())
		if keys++; keys == most {
			if err := p.look(b); err != nil {
				return err
			}
			keys, p.keys = 0, append(p.keys[:0], '[')
		}
	}
	if keys == 0 {
		return nil
	}
	return p.look(b)
}

// look asks about the keys at hand. A state that is not told might be one that holds its rows, so an answer that was cut is none, and neither is one that tells two.
func (p *Policy) look(b *sdk.Batch) error {
	p.keys = append(p.keys, ']')
	rows, err := b.Lookup(p.states, sdk.String(string(p.keys)))
	if err != nil {
		return err
	}
	if rows.Partial() {
		return errors.New("the query states has more rows than its max_rows: raise it, or answer with one row a key")
	}
	for i := range rows.Len() {
		key := rows.Cell(i, 0, 0)
		if key.Type() != sdk.Integer {
			continue
		}
		is := p.rules[rows.Cell(i, 0, 1).Text()]
		is.told = true
		if was := p.state[key.Int()]; was.told && was != is {
			return errors.New("the query states tells two states for the key " + strconv.FormatInt(key.Int(), 10) + ": answer with one row a key")
		}
		p.state[key.Int()] = is
	}
	return nil
}
