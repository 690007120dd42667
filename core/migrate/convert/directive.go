package convert

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/sqltext"
)

// Directive is one conversion, as a migration's header asks for it. The zero value is no conversion; [Parse] makes one. It does not
// change and is safe for concurrent use.
type Directive struct {
	Table, Column string
	From, To      string // declared types; "" is a column without one, written as NONE
	Codec         string // with its arguments, such as dec(6)
	Quarantine    bool   // what cannot be converted is kept aside instead of aborting
	KeepPosition  bool   // rebuild the table so that the column stays where it is

	null    rule
	loss    sqlite.Value // what the column gets in place of a quarantined value
	mapping mapping
}

// rule says what becomes of NULL.
type rule struct {
	abort bool
	value sqlite.Value // Null keeps it
}

// DirectiveError says what is wrong with the text of a conversion.
type DirectiveError struct {
	Text   string
	Reason string
	Remedy string
}

// Error names the directive and what to write instead.
func (e *DirectiveError) Error() string {
	return fmt.Sprintf("conversion %q: %s; %s", e.Text, e.Reason, e.Remedy)
}

// Parse reads what stands behind "-- convert:" in a migration:
//
//	table.column FROM -> TO using codec(arguments) [null=keep|abort|value(x)] [on_loss=abort|quarantine|quarantine(x)] [position=end|keep]
//
// # Errors
//
// A [*DirectiveError] for everything it does not know: a word that is skipped could be the one that keeps the data.
func Parse(text string) (*Directive, error) {
	p := &reader{text: text, tokens: sqltext.Tokenize(text)}
	d, err := p.directive()
	if err != nil {
		return nil, err
	}
	return d, nil
}

// String is the directive in its full form.
func (d *Directive) String() string {
	s := fmt.Sprintf("%s.%s %s -> %s using %s null=%s", word(d.Table), word(d.Column), typeName(d.From), typeName(d.To), d.Codec, d.nullWord())
	switch {
	case !d.Quarantine:
		s += " on_loss=abort"
	case d.loss.Type == sqlite.Null:
		s += " on_loss=quarantine"
	default:
		s += " on_loss=quarantine(" + literal(d.loss) + ")"
	}
	if d.KeepPosition {
		s += " position=keep"
	}
	return s
}

func (d *Directive) nullWord() string {
	switch {
	case d.null.abort:
		return "abort"
	case d.null.value.Type != sqlite.Null:
		return "value(" + literal(d.null.value) + ")"
	}
	return "keep"
}

func word(name string) string {
	if t := sqltext.Tokenize(name); len(t) == 1 && sqltext.WordByte(name[0]) && t[0].Text == name {
		return name
	}
	return sqltext.QuoteName(name)
}

func typeName(t string) string {
	if t == "" {
		return "NONE"
	}
	return t
}

// reader walks over the tokens of a directive.
type reader struct {
	text   string
	tokens []sqltext.Token
	at     int
}

func (p *reader) fail(remedy, format string, args ...any) error {
	return &DirectiveError{Text: strings.TrimSpace(p.text), Reason: fmt.Sprintf(format, args...), Remedy: remedy}
}

const shape = "write table.column FROM -> TO using codec(arguments) null=keep on_loss=abort"

func (p *reader) next() (sqltext.Token, bool) {
	if p.at == len(p.tokens) {
		return sqltext.Token{}, false
	}
	p.at++
	return p.tokens[p.at-1], true
}

func (p *reader) take(sign string) bool {
	if p.at < len(p.tokens) && p.tokens[p.at].Is(sign) {
		p.at++
		return true
	}
	return false
}

func (p *reader) directive() (*Directive, error) {
	d := &Directive{}
	table, ok1 := p.next()
	dot := p.take(".")
	column, ok2 := p.next()
	if !ok1 || !dot || !ok2 {
		return nil, p.fail(shape, "does not begin with table.column")
	}
	d.Table, d.Column = table.Name(), column.Name()
	if strings.HasPrefix(strings.ToLower(d.Table), "_tg_") || strings.HasPrefix(strings.ToLower(d.Table), "sqlite_") {
		return nil, p.fail("name a table of yours", "%s is not a table of the application", d.Table)
	}
	var err error
	if d.From, err = p.typeUntil("-", ">"); err != nil {
		return nil, err
	}
	if d.To, err = p.typeUntil("using"); err != nil {
		return nil, err
	}
	name, ok := p.next()
	if !ok {
		return nil, p.fail(shape, "names no codec")
	}
	args, err := p.arguments()
	if err != nil {
		return nil, err
	}
	d.Codec = strings.ToLower(name.Text)
	if len(args) > 0 {
		shown := make([]string, len(args))
		for i, a := range args {
			shown[i] = a.text
		}
		d.Codec += "(" + strings.Join(shown, ",") + ")"
	}
	var reason string
	if d.mapping, reason = newMapping(strings.ToLower(name.Text), args, affinityOf(d.From), affinityOf(d.To)); reason != "" {
		return nil, p.fail("see the list of codecs in docs/migrations.md", "%s", reason)
	}
	if err := p.options(d); err != nil {
		return nil, err
	}
	to := affinityOf(d.To)
	d.null.value, d.loss = stored(d.null.value, to), stored(d.loss, to)
	return d, nil
}

// stored is a constant as a column of the type keeps it.
func stored(v sqlite.Value, a affinity) sqlite.Value {
	switch {
	case a == asReal && v.Type == sqlite.Integer:
		return real(float64(v.Int))
	case a == asText && (v.Type == sqlite.Integer || v.Type == sqlite.Float):
		return textValue(literal(v))
	}
	return v
}

// typeUntil reads a declared type up to the tokens that end it.
func (p *reader) typeUntil(ends ...string) (string, error) {
	start := p.at
	for p.at < len(p.tokens) {
		if p.tokens[p.at].Is(ends[0]) && (len(ends) == 1 || p.at+1 < len(p.tokens) && p.tokens[p.at+1].Is(ends[1])) {
			if p.at == start {
				return "", p.fail("write NONE for a column without a type", "a type is missing")
			}
			t := p.text[p.tokens[start].Start:p.tokens[p.at-1].End]
			p.at += len(ends)
			if strings.EqualFold(t, "NONE") {
				t = ""
			}
			return t, nil
		}
		p.at++
	}
	return "", p.fail(shape, "%q is missing", strings.Join(ends, ""))
}

// argument of a codec: a word, a number or a string, or two of them with an equals sign between.
type argument struct {
	text        string // as written
	left, right string // without quotes; right is "" where there is no equals sign
	pair        bool
}

func (p *reader) arguments() ([]argument, error) {
	if !p.take("(") {
		return nil, nil
	}
	var out []argument
	for {
		start := p.at
		for p.at < len(p.tokens) && p.tokens[p.at].Text != "," && p.tokens[p.at].Text != ")" {
			p.at++
		}
		if p.at == len(p.tokens) {
			return nil, p.fail("close the parenthesis", "the arguments do not end")
		}
		if p.at > start {
			out = append(out, p.argument(p.tokens[start:p.at]))
		}
		p.at++
		if p.tokens[p.at-1].Text == ")" {
			return out, nil
		}
	}
}

func (p *reader) argument(tokens []sqltext.Token) argument {
	span := func(t []sqltext.Token) string {
		if len(t) == 0 {
			return ""
		}
		return sqltext.Unquote(p.text[t[0].Start:t[len(t)-1].End])
	}
	a := argument{text: p.text[tokens[0].Start:tokens[len(tokens)-1].End]}
	for i, t := range tokens {
		if t.Text == "=" {
			a.left, a.right, a.pair = span(tokens[:i]), span(tokens[i+1:]), true
			return a
		}
	}
	a.left = span(tokens)
	return a
}

func (p *reader) options(d *Directive) error {
	seen := map[string]bool{}
	for p.at < len(p.tokens) {
		key, _ := p.next()
		if !p.take("=") {
			return p.fail(shape, "%q is no option", key.Text)
		}
		value, ok := p.next()
		name := strings.ToLower(key.Text)
		if !ok || seen[name] {
			return p.fail(shape, "option %s has no value or stands there twice", name)
		}
		seen[name] = true
		args, err := p.arguments()
		if err != nil {
			return err
		}
		switch choice := name + "=" + strings.ToLower(value.Text); {
		case choice == "null=keep", choice == "on_loss=abort", choice == "position=end":
		case choice == "null=abort":
			d.null.abort = true
		case choice == "null=value" && len(args) == 1:
			d.null.value = parseLiteral(args[0].text)
		case choice == "on_loss=quarantine" && len(args) <= 1:
			d.Quarantine = true
			if len(args) == 1 {
				d.loss = parseLiteral(args[0].text)
			}
		case choice == "position=keep":
			d.KeepPosition = true
		default:
			return p.fail("options are null=keep|abort|value(x), on_loss=abort|quarantine|quarantine(x), position=end|keep", "%q is no option", choice)
		}
	}
	return nil
}

// parseLiteral reads a constant as SQL writes it. A word without quotes is text.
func parseLiteral(s string) sqlite.Value {
	if strings.EqualFold(s, "null") {
		return sqlite.Value{}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return integer(n)
	}
	if f, ok := parseReal([]byte(s)); ok {
		return real(f)
	}
	return textValue(sqltext.Unquote(s))
}

// literal writes a value as SQL does; numbers and text only are exact and short.
func literal(v sqlite.Value) string {
	switch v.Type {
	case sqlite.Integer:
		return strconv.FormatInt(v.Int, 10)
	case sqlite.Float:
		return string(appendReal(nil, v.Float))
	case sqlite.Text:
		return sqltext.QuoteText(string(v.Bytes))
	case sqlite.Blob:
		return fmt.Sprintf("x'%x'", v.Bytes)
	}
	return "NULL"
}
