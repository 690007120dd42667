package sdk

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Config is what the manifest says to the plug-in: its configuration, its hooks and its queries. The getters note what is wrong and go on, so that
// all the mistakes are told at once; the plug-in is refused then, whatever Configure returns. It belongs to one goroutine.
type Config struct {
	Object
	name, version string
	hooks         []Hook
	lookups       []string
	mistakes      []string
}

// Hook is a hook of the manifest.
type Hook struct {
	// ID is its number, from 0; Batch.Hook returns the same value.
	ID int
	// On is validate, retain or notify; Table and Columns are what the manifest names; When is statement or commit.
	On, Table, When string
	// Columns are those of its batches.
	Columns []string
}

// Column is the number of a column in the hook's batches; -1 where the manifest does not name it. Letter case does not count.
func (h Hook) Column(name string) int {
	for i, c := range h.Columns {
		if strings.EqualFold(c, name) {
			return i
		}
	}
	return -1
}

// Query is a query of the manifest. The zero value is none.
type Query struct{ number int }

// Known reports whether the manifest declares the query.
func (q Query) Known() bool { return q.number > 0 }

// Name and Version are those of the manifest.
func (c *Config) Name() string { return c.name }

// Version is the manifest's.
func (c *Config) Version() string { return c.version }

// Hooks are the hooks in the order of the manifest; not to be changed.
func (c *Config) Hooks() []Hook { return c.hooks }

// Hook is one of them; the zero Hook where there is none.
func (c *Config) Hook(i int) Hook {
	if i < 0 || i >= len(c.hooks) {
		return Hook{}
	}
	return c.hooks[i]
}

// Lookup finds a query by its name; not Known where the manifest does not declare it.
func (c *Config) Lookup(name string) Query {
	for i, l := range c.lookups {
		if l == name {
			return Query{i + 1}
		}
	}
	return Query{}
}

// Require finds a column of a hook, and notes a mistake where the manifest does not name it.
func (c *Config) Require(h Hook, column string) int {
	i := h.Column(column)
	if i < 0 {
		c.note("hooks[" + strconv.Itoa(h.ID) + "].columns: " + strconv.Quote(column) + " is missing: the plug-in reads it")
	}
	return i
}

func (c *Config) note(mistake string) {
	if len(c.mistakes) < 20 {
		c.mistakes = append(c.mistakes, mistake)
	}
}

func (c *Config) err() error {
	if len(c.mistakes) == 0 {
		return nil
	}
	return errors.New(strings.Join(c.mistakes, "; "))
}

// parseConfig reads the configuration document of the ABI.
func parseConfig(doc string) (*Config, error) {
	n, at, ok := parse(doc)
	if !ok || n.kind != isObject {
		return nil, errors.New("the configuration document is not JSON at " + strconv.Itoa(at))
	}
	c := &Config{}
	root := Object{c: c, n: &n}
	c.name, c.version = root.Text("name", ""), root.Text("version", "")
	for i, s := range root.Sections("schemas") {
		c.hooks = append(c.hooks, Hook{ID: i, On: s.Text("on", ""), Table: s.Text("table", ""), When: s.Text("when", ""), Columns: s.Texts("columns")})
		if id := s.Int("id", -1); id != int64(i) {
			s.Fail("id", "is "+strconv.FormatInt(id, 10)+", want "+strconv.Itoa(i))
		}
	}
	for i, l := range root.Sections("lookups") {
		c.lookups = append(c.lookups, l.Text("name", ""))
		if id := l.Int("id", -1); id != int64(i) {
			l.Fail("id", "is "+strconv.FormatInt(id, 10)+", want "+strconv.Itoa(i))
		}
	}
	c.Object = root.Section("config")
	c.path = "config"
	return c, c.err()
}

// Object is an object of the configuration. A getter returns its default where the key is missing or null, and where the value is of another kind, which is
// noted as a mistake.
type Object struct {
	c    *Config
	path string
	n    *node
}

// Fail notes a mistake about a key; "" is the object itself.
func (o Object) Fail(key, why string) { o.c.note(o.name(key) + ": " + why) }

func (o Object) name(key string) string {
	if o.path == "" || key == "" {
		return o.path + key
	}
	return o.path + "." + key
}

// Name is where the object stands in the manifest, such as config.limits[2].
func (o Object) Name() string { return o.path }

// Keys are the keys in their order.
func (o Object) Keys() []string {
	if o.n == nil {
		return nil
	}
	return o.n.keys
}

// Has reports whether the key is there and not null.
func (o Object) Has(key string) bool { return o.value(key) != nil }

func (o Object) value(key string) *node {
	if o.n == nil {
		return nil
	}
	if v := o.n.get(key); v != nil && v.kind != isNull {
		return v
	}
	return nil
}

func (o Object) want(key string, k kind) *node {
	v := o.value(key)
	if v == nil || v.kind == k || k == isTrue && v.kind == isFalse {
		return v
	}
	o.Fail(key, "is "+v.kind.String()+", want "+k.String())
	return nil
}

// Text is a text.
func (o Object) Text(key, missing string) string {
	if v := o.want(key, isText); v != nil {
		return v.text
	}
	return missing
}

// OneOf is a text out of words, of which the first is what a missing one means.
func (o Object) OneOf(key string, words ...string) string {
	t := o.Text(key, words[0])
	for _, w := range words {
		if t == w {
			return t
		}
	}
	o.Fail(key, strconv.Quote(t)+" is none of "+strings.Join(words, ", "))
	return words[0]
}

// Int is an integer.
func (o Object) Int(key string, missing int64) int64 {
	v := o.want(key, isNumber)
	if v == nil {
		return missing
	}
	i, err := strconv.ParseInt(v.text, 10, 64)
	if err != nil {
		o.Fail(key, v.text+" is no integer of 64 bits")
		return missing
	}
	return i
}

// Float is a number.
func (o Object) Float(key string, missing float64) float64 {
	v := o.want(key, isNumber)
	if v == nil {
		return missing
	}
	f, err := strconv.ParseFloat(v.text, 64)
	if err != nil {
		o.Fail(key, v.text+" is too large")
		return missing
	}
	return f
}

// Bool is true or false.
func (o Object) Bool(key string, missing bool) bool {
	if v := o.want(key, isTrue); v != nil {
		return v.kind == isTrue
	}
	return missing
}

// Duration is a text such as 90d, 36h, 15m or 1.5s; a day has 24 hours. There is one unit: s, m, h, d or w.
func (o Object) Duration(key string, missing time.Duration) time.Duration {
	v := o.want(key, isText)
	if v == nil {
		return missing
	}
	if d, ok := duration(v.text); ok {
		return d
	}
	o.Fail(key, strconv.Quote(v.text)+" is no duration such as 90d, 36h or 15m")
	return missing
}

func duration(s string) (time.Duration, bool) {
	if len(s) < 2 {
		return 0, false
	}
	unit := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}[s[len(s)-1]]
	f, err := strconv.ParseFloat(s[:len(s)-1], 64)
	if d := f * float64(unit); unit > 0 && err == nil && d >= 0 && d < 1<<63 {
		return time.Duration(d), true
	}
	return 0, false
}

// Section is an object; one without keys where it is missing.
func (o Object) Section(key string) Object {
	return Object{o.c, o.name(key), o.want(key, isObject)}
}

// Sections is a list of objects.
func (o Object) Sections(key string) []Object {
	var out []Object
	for i, v := range o.elements(key, isObject) {
		out = append(out, Object{o.c, o.name(key) + "[" + strconv.Itoa(i) + "]", v})
	}
	return out
}

// Texts is a list of texts.
func (o Object) Texts(key string) []string {
	var out []string
	for _, v := range o.elements(key, isText) {
		out = append(out, v.text)
	}
	return out
}

// Ints is a list of integers.
func (o Object) Ints(key string) []int64 {
	var out []int64
	for _, v := range o.elements(key, isNumber) {
		i, err := strconv.ParseInt(v.text, 10, 64)
		if err != nil {
			o.Fail(key, v.text+" is no integer of 64 bits")
			continue
		}
		out = append(out, i)
	}
	return out
}

func (o Object) elements(key string, k kind) []*node {
	list := o.want(key, isList)
	if list == nil {
		return nil
	}
	out := make([]*node, 0, len(list.list))
	for i := range list.list {
		if v := &list.list[i]; v.kind == k {
			out = append(out, v)
		} else {
			o.Fail(key+"["+strconv.Itoa(i)+"]", "is "+v.kind.String()+", want "+k.String())
		}
	}
	return out
}
