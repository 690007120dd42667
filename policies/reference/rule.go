package reference

import (
	"strconv"
	"unicode/utf8"

	"github.com/tidegate/engine/sdk"
)

// CodeType is the code of a key that is neither an integer nor a text of UTF-8; a reference that leads nowhere has its own code from the configuration.
const CodeType = 1000

// Rule is the policy; New makes one.
type Rule struct {
	refs []*ref
	msg  sdk.Message
}

// ref is one reference of the configuration.
type ref struct {
	query    sdk.Query
	columns  [][]int // of each hook; nil where the hook does not have them all
	code     uint32
	message  string
	warn     bool
	nullable bool

	keys  []byte           // the distinct keys of a batch as a list of JSON
	key   []byte           // one of them
	place map[string]int32 // of a key in the list
	of    []int32          // of each row: where its key is in the list, or less than 0
	lost  []bool           // of each key
}

// Rows without a key to look for.
const (
	noKey  = -1 // NULL, or not of this batch
	badKey = -2 // of a type that no key has, or a text that JSON cannot hold
)

// New returns a rule without references, to be configured.
func New() any { return &Rule{} }

// Configure implements sdk.Configurer.
func (r *Rule) Configure(c *sdk.Config) error {
	for i, o := range c.Sections("references") {
		f := &ref{
			query: c.Lookup(o.Text("lookup", "")), code: uint32(o.Int("code", int64(i+1))), message: o.Text("message", ""),
			warn: o.OneOf("action", "reject", "warn") == "warn", nullable: o.OneOf("null", "allow", "reject") == "allow", place: map[string]int32{},
		}
		names := o.Texts("columns")
		if len(names) == 0 {
			o.Fail("columns", "name at least one")
		}
		if !f.query.Known() {
			o.Fail("lookup", "no query of capabilities.lookup has this name")
		}
		if f.message == "" {
			o.Fail("message", "say what is wrong with a row whose key is not there")
		}
		used := false
		for _, h := range c.Hooks() {
			at := bind(h, names)
			f.columns = append(f.columns, at)
			used = used || at != nil
		}
		if !used {
			o.Fail("columns", "no hook has them all")
		}
		r.refs = append(r.refs, f)
	}
	if len(r.refs) == 0 {
		c.Fail("references", "name at least one")
	}
	return nil
}

func bind(h sdk.Hook, names []string) []int {
	at := make([]int, 0, len(names))
	for _, n := range names {
		i := h.Column(n)
		if i < 0 {
			return nil
		}
		at = append(at, i)
	}
	return at
}

// Validate implements sdk.Validator.
func (r *Rule) Validate(b *sdk.Batch, v *sdk.Verdicts) error {
	for _, f := range r.refs {
		at := f.columns[b.Hook().ID]
		if len(at) == 0 {
			continue
		}
		f.collect(b, at)
		if err := f.ask(b); err != nil {
			return err
		}
		for row, key := range f.of {
			switch {
			case key == badKey:
				r.bad(b, v, row, at)
			case key == noKey && !f.nullable:
				v.Reject(row, at[0], f.code, r.msg.Start(f.message).Text(": the key is NULL").String())
			case key >= 0 && f.lost[key] && f.warn:
				v.Warn(row, at[0], f.code, f.message)
			case key >= 0 && f.lost[key]:
				v.Reject(row, at[0], f.code, f.message)
			}
		}
	}
	return nil
}

// bad rejects a row for the column of its key that is none.
func (r *Rule) bad(b *sdk.Batch, v *sdk.Verdicts, row int, at []int) {
	for _, col := range at {
		switch c := b.Cell(row, col); {
		case c.Type() == sdk.Text && !utf8.ValidString(c.Text()):
			v.Reject(row, col, CodeType, "a key is no UTF-8, so it cannot be looked for")
			return
		case c.Type() == sdk.Float || c.Type() == sdk.Blob:
			v.Reject(row, col, CodeType, r.msg.Start("a key is neither an integer nor a text: ").Cell(c).String())
			return
		}
	}
}

// collect makes the list of the distinct keys, so that one query answers for a whole batch. As with a foreign key, one NULL makes the whole key one.
func (f *ref) collect(b *sdk.Batch, at []int) {
	clear(f.place)
	f.keys, f.of, f.lost = append(f.keys[:0], '['), f.of[:0], f.lost[:0]
	for row := range b.Len() {
		place := f.write(b, row, at)
		if place >= 0 {
			known, ok := f.place[string(f.key)]
			if !ok {
				known = int32(len(f.place))
				f.place[string(f.key)] = known
				if known > 0 {
					f.keys = append(f.keys, ',')
				}
				f.keys = append(f.keys, f.key...)
				f.lost = append(f.lost, false)
			}
			place = known
		}
		f.of = append(f.of, place)
	}
	f.keys = append(f.keys, ']')
}

// write writes the key of a row: a value, or a list of them.
func (f *ref) write(b *sdk.Batch, row int, at []int) int32 {
	f.key = f.key[:0]
	if len(at) > 1 {
		f.key = append(f.key, '[')
	}
	for i, col := range at {
		if i > 0 {
			f.key = append(f.key, ',')
		}
		switch c := b.Cell(row, col); c.Type() {
		case sdk.Integer:
			f.key = sdk.AppendInt(f.key, c.Int())
		case sdk.Text:
			if !utf8.ValidString(c.Text()) {
				return badKey
			}
			f.key = sdk.AppendJSON(f.key, c.Text())
		case sdk.Null:
			return noKey
		default:
			return badKey
		}
	}
	if len(at) > 1 {
		f.key = append(f.key, ']')
	}
	return 0
}

// ask marks the keys that are missing.
func (f *ref) ask(b *sdk.Batch) error {
	if len(f.lost) == 0 {
		return nil
	}
	missing, err := b.Lookup(f.query, sdk.String(string(f.keys)))
	if err != nil {
		return err
	}
	for i := range missing.Len() {
		c := missing.Cell(i, 0, 0)
		if c.Type() != sdk.Integer || uint64(c.Int()) >= uint64(len(f.lost)) {
			return queryError("the query answered with something that is no number of a key: it must select json_each.key. Keys asked for: " + strconv.Itoa(len(f.lost)))
		}
		f.lost[c.Int()] = true
	}
	return nil
}

// queryError says what is wrong with a query.
type queryError string

// Error is what is wrong.
func (e queryError) Error() string { return string(e) }
