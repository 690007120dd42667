package alert

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// condition is all that the text of a rule says:
//
//	p95(db.client.operation.duration{engine.class="signal"}[2m]) > 50ms resolve < 40ms for 1m hold 30s least 20
//
// expression, comparison with the limit, the limit that ends it, how long it lasts before it fires, how long it must be well before it ends, and
// how many values an expression of a histogram or a ratio must rest on.
type condition struct {
	expr  *expr
	above bool // the limit is exceeded upwards
	equal bool // the limit itself is wrong, too
	limit float64
	// resolve ends it, at the limit itself where resolveEqual is set.
	resolve      float64
	resolveEqual bool
	wait, hold   time.Duration
	least        int64
}

// most that the text of a rule may have; nothing that a person writes is longer.
const maxText = 4096

// parse reads the text of a rule.
func parse(text string) (c condition, err error) {
	p, err := newParser(text)
	if err != nil {
		return c, err
	}
	if c.expr, err = p.expression(); err != nil {
		return c, err
	}
	if c.expr.do == absent && !p.comparison() {
		c.above = true
		c.resolve, c.resolveEqual = 0, true
		err = p.clauses(&c)
		return c, err
	}
	if err = p.limit(&c); err == nil {
		err = p.clauses(&c)
	}
	return c, err
}

// adjust reads what follows the expression, for a rule that is there already: "> 80ms resolve < 60ms for 2m", or a part of that.
func adjust(c condition, text string) (condition, error) {
	p, err := newParser(text)
	if err != nil {
		return c, err
	}
	if p.done() {
		return c, fmt.Errorf("nothing is said: write something such as > 80ms resolve < 60ms for 2m")
	}
	if p.comparison() {
		above, e := c.above, *c.expr
		e.limits = nil
		c.expr = &e
		if err := p.limit(&c); err != nil {
			return c, err
		}
		if c.above != above {
			return c, fmt.Errorf("the rule compares the other way round: its limit cannot be turned over")
		}
	}
	err = p.clauses(&c)
	return c, err
}

// token is a piece of a text: a word, a string, a quantity or a sign.
type token struct {
	kind byte // 'w', '"', '0', or the sign itself
	text string
	at   int
}

type parser struct {
	tokens []token
	i      int
	end    int
}

func newParser(text string) (*parser, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("is %d bytes long, at most %d", len(text), maxText)
	}
	p := &parser{end: len(text)}
	for i := 0; i < len(text); {
		n, err := p.lex(text, i)
		if err != nil {
			return nil, err
		}
		i += n
	}
	return p, nil
}

// lex takes the token that begins at i, and says how long it is.
func (p *parser) lex(text string, i int) (int, error) {
	rest := text[i:]
	letter := func(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	span := func(of func(byte) bool) int {
		n := 1
		for n < len(rest) && of(rest[n]) {
			n++
		}
		return n
	}
	add := func(kind byte, n int) (int, error) {
		p.tokens = append(p.tokens, token{kind, rest[:n], i})
		return n, nil
	}
	switch c := rest[0]; {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		return 1, nil
	case letter(c):
		return add('w', span(func(c byte) bool { return letter(c) || digit(c) || c == '.' }))
	case digit(c):
		return add('0', span(func(c byte) bool { return letter(c) || digit(c) || c == '.' || c == '%' || c >= 0x80 })) // µs
	case c == '"':
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return 0, fmt.Errorf("the string at character %d has no end, or a wrong escape", i+1)
		}
		value, err := strconv.Unquote(quoted)
		if err != nil || !utf8.ValidString(value) {
			return 0, fmt.Errorf("the string at character %d is not text", i+1)
		}
		p.tokens = append(p.tokens, token{'"', value, i})
		return len(quoted), nil
	case strings.IndexByte("()[]{},=/<>!-", c) >= 0:
		return add(c, 1)
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return 0, fmt.Errorf("%q at character %d means nothing here", r, i+1)
}

func (p *parser) done() bool { return p.i == len(p.tokens) }

func (p *parser) next() token {
	if p.done() {
		return token{at: p.end}
	}
	p.i++
	return p.tokens[p.i-1]
}

// is takes a sign or a word if it comes next.
func (p *parser) is(text string) bool {
	if !p.done() && p.tokens[p.i].kind != '"' && p.tokens[p.i].text == text {
		p.i++
		return true
	}
	return false
}

func (p *parser) comparison() bool {
	return !p.done() && (p.tokens[p.i].kind == '<' || p.tokens[p.i].kind == '>')
}

func (p *parser) unexpected(t token, want string) error {
	if t.kind == 0 {
		return fmt.Errorf("ends where %s is wanted", want)
	}
	return fmt.Errorf("%q at character %d, where %s is wanted", t.text, t.at+1, want)
}

func (p *parser) want(sign string) error {
	if p.is(sign) {
		return nil
	}
	return p.unexpected(p.next(), strconv.Quote(sign))
}

// expression is a term, or two with a / between them.
func (p *parser) expression() (*expr, error) {
	e, err := p.term(true)
	if err != nil || !p.is("/") {
		return e, err
	}
	of, err := p.term(false)
	if err != nil {
		return nil, err
	}
	if e.do == drift || e.do == absent || e.do == full {
		return nil, fmt.Errorf("drift, absent and full are not divided")
	}
	return &expr{do: ratio, inner: []*expr{e, of}}, p.by(nil)
}

// term is function(selector), or a selector alone, which is its highest value.
func (p *parser) term(all bool) (*expr, error) {
	t := p.next()
	if t.kind != 'w' {
		return nil, p.unexpected(t, "a function or a metric")
	}
	if !p.is("(") {
		e := &expr{do: highest, metric: t.text}
		if err := p.selector(e); err != nil {
			return nil, err
		}
		return e, p.by(e)
	}
	e := &expr{}
	if err := e.named(t.text); err != nil {
		return nil, err
	}
	if !all && (e.do == drift || e.do == absent || e.do == full) {
		return nil, fmt.Errorf("%s cannot be what is divided by", t.text)
	}
	if e.do == drift {
		inner, err := p.term(false)
		if err != nil {
			return nil, err
		}
		e.inner = []*expr{inner}
		if p.is("/") {
			of, err := p.term(false)
			if err != nil {
				return nil, err
			}
			e.inner[0] = &expr{do: ratio, inner: []*expr{inner, of}}
		}
		return e, p.want(")")
	}
	return e, p.arguments(e)
}

// arguments are what stands in the brackets of a function, and by behind them.
func (p *parser) arguments(e *expr) error {
	t := p.next()
	if t.kind != 'w' {
		return p.unexpected(t, "a metric")
	}
	e.metric = t.text
	if err := p.selector(e); err != nil {
		return err
	}
	if e.do == full && p.is(",") {
		var err error
		if e.p, e.target, err = p.quantity(); err != nil {
			return err
		}
	}
	if err := p.want(")"); err != nil {
		return err
	}
	if err := e.windowed(); err != nil {
		return err
	}
	return p.by(e)
}

// named sets the function.
func (e *expr) named(name string) error {
	do, known := functions[name]
	if known {
		e.do = do
		return nil
	}
	if digits, ok := strings.CutPrefix(name, "p"); ok {
		if q, err := strconv.ParseFloat(digits, 64); err == nil && q > 0 && q <= 100 {
			e.do, e.p = quantile, q/100
			return nil
		}
	}
	return fmt.Errorf("there is no function %s: there are p50, p95, p99.9 and the like, absent, avg, drift, full, increase, max, mean, min, rate, sum", name)
}

// windowed says whether the function wants a window, and has it.
func (e *expr) windowed() error {
	switch e.do {
	case increase, rate, quantile, mean, absent, full:
		if e.window == 0 {
			return fmt.Errorf("%s wants a window behind it: [5m]", e.metric)
		}
	case sum:
		if e.window != 0 {
			return fmt.Errorf("sum is of the present values and takes no window: take avg")
		}
	}
	if e.do == absent && len(e.by) > 0 {
		return fmt.Errorf("what is absent has no labels to group by")
	}
	return nil
}

// selector is what stands behind the name of a metric.
func (p *parser) selector(e *expr) error {
	if p.is("{") {
		for {
			m, err := p.matcher()
			if err != nil {
				return err
			}
			e.match = append(e.match, m)
			if p.is("}") {
				break
			}
			if err := p.want(","); err != nil {
				return err
			}
		}
	}
	if !p.is("[") {
		return nil
	}
	d, err := p.duration()
	if err != nil {
		return err
	}
	if d < time.Second || d > 7*24*time.Hour {
		return fmt.Errorf("a window is from a second to seven days, not %v", d)
	}
	e.window = d
	return p.want("]")
}

// matcher is key="value", key!="value", and the same with several of them in brackets.
func (p *parser) matcher() (m matcher, err error) {
	t := p.next()
	if t.kind != 'w' {
		return m, p.unexpected(t, "a label")
	}
	m.key, m.not = t.text, p.is("!")
	if err := p.want("="); err != nil {
		return m, err
	}
	several := p.is("(")
	for {
		t := p.next()
		if t.kind != '"' {
			return m, p.unexpected(t, "a value in quotes")
		}
		m.values = append(m.values, t.text)
		if !several || p.is(")") {
			return m, nil
		}
		if err := p.want(","); err != nil {
			return m, err
		}
	}
}

// by reads what is grouped by; a nil e may have none.
func (p *parser) by(e *expr) error {
	if !p.is("by") {
		return nil
	}
	if e == nil || e.do == absent {
		return fmt.Errorf("by belongs to each side of a ratio, and absent has none")
	}
	if err := p.want("("); err != nil {
		return err
	}
	for {
		t := p.next()
		if t.kind != 'w' {
			return p.unexpected(t, "a label")
		}
		e.by = append(e.by, t.text)
		if p.is(")") {
			slices.Sort(e.by)
			e.by = slices.Compact(e.by)
			return nil
		}
		if err := p.want(","); err != nil {
			return err
		}
	}
}

func (p *parser) quantity() (float64, string, error) {
	sign := 1.0
	if p.is("-") {
		sign = -1
	}
	t := p.next()
	if t.kind != '0' {
		return 0, "", p.unexpected(t, "a quantity")
	}
	v, dimension, err := parseQuantity(t.text)
	return sign * v, dimension, err
}

func (p *parser) duration() (time.Duration, error) {
	v, dimension, err := p.quantity()
	if err != nil {
		return 0, err
	}
	if dimension != ofTime && v != 0 || v < 0 || v > math.MaxInt32 {
		return 0, fmt.Errorf("a time is wanted, such as 30s, 5m, 2h or 7d")
	}
	return time.Duration(v * float64(time.Second)), nil
}
