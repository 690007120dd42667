package alert

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Definition is a rule as somebody writes it.
type Definition struct {
	// Name is that of its alerts: letters, digits, - and _.
	Name string
	// Severity is that of its alerts.
	Severity Severity
	// When says when it fires, see docs/alerts.md.
	When string
	// Title is one line about what is wrong, Body what it means and what to do. {value} and {limit} stand for what was found and what may be,
	// {a.label} for a label of the group. An empty Title is the expression with its value.
	Title, Body string
}

// Rule is a definition that has been read. It is a value, and safe for concurrent use.
type Rule struct {
	Definition
	condition
	unit string
}

// Limit is what it may be, in Unit.
func (r *Rule) Limit() float64 { return r.limit }

// Unit is that of what the rule finds; "%" is a share.
func (r *Rule) Unit() string { return r.unit }

// For is how long it must be wrong before the rule fires; Window is how far back it looks at most.
func (r *Rule) For() time.Duration { return r.wait }

// Window is how far back the rule looks at most.
func (r *Rule) Window() time.Duration {
	longest := time.Duration(0)
	r.expr.each(func(e *expr) { longest = max(longest, e.window) })
	return longest
}

// Metrics are the names of those that the rule asks about.
func (r *Rule) Metrics() []string {
	var out []string
	r.expr.each(func(e *expr) { out = append(out, e.metric) })
	return out
}

// bad reports whether a value is on the wrong side of the limit, and good whether it is on the right side of what resolves.
func (c *condition) bad(v float64) bool {
	return c.above && v > c.limit || !c.above && v < c.limit || c.equal && v == c.limit
}

func (c *condition) good(v float64) bool {
	return c.above && v < c.resolve || !c.above && v > c.resolve || c.resolveEqual && v == c.resolve
}

// Compile reads definitions against the metrics that there are. Each mistake begins with the name of its rule.
func Compile(definitions []Definition, metrics []Metric) (rules []Rule, mistakes []string) {
	seen := map[string]bool{}
	for _, d := range definitions {
		switch {
		case !proper(d.Name):
			mistakes = append(mistakes, fmt.Sprintf("%q: a name has letters, digits, - and _, at most 64", d.Name))
		case seen[d.Name]:
			mistakes = append(mistakes, d.Name+": there are two rules of this name")
		case d.Severity > Critical:
			mistakes = append(mistakes, d.Name+": the severity is info, warning or critical")
		}
		seen[d.Name] = true
		c, err := parse(d.When)
		if err != nil {
			mistakes = append(mistakes, d.Name+": "+err.Error())
			continue
		}
		r := Rule{Definition: d, condition: c}
		if wrong := r.settle(metrics); wrong != nil {
			for _, w := range wrong {
				mistakes = append(mistakes, d.Name+": "+w)
			}
			continue
		}
		rules = append(rules, r)
	}
	return rules, mistakes
}

// Adjust gives a rule another limit, resolve limit, for, hold or least: text is what would stand behind its expression.
//
// # Errors
//
// What is wrong with the text.
func (r Rule) Adjust(text string) (Rule, error) {
	c, err := adjust(r.condition, text)
	if err != nil {
		return r, err
	}
	r.condition = c
	if r.expr.do != absent {
		r.When = r.text()
	}
	if wrong := r.expr.misfit(); wrong != "" {
		return r, fmt.Errorf("%s", wrong)
	}
	return r, nil
}

// text is the rule as it is now: the expression as it was written, and all that was said of it, adjusted or not.
func (r *Rule) text() string {
	expression := r.When
	if i := strings.IndexAny(expression, "<>"); i >= 0 {
		expression = expression[:i]
	}
	sign := func(above, equal bool) string {
		s := "<"
		if above {
			s = ">"
		}
		if equal {
			s += "="
		}
		return s
	}
	text := fmt.Sprintf("%s %s %s", strings.TrimSpace(expression), sign(r.above, r.equal), plainQuantity(r.limit, r.unit))
	if r.resolve != r.limit || r.resolveEqual == r.equal {
		text += fmt.Sprintf(" resolve %s %s", sign(!r.above, r.resolveEqual), plainQuantity(r.resolve, r.unit))
	}
	for _, c := range []struct {
		word string
		d    time.Duration
	}{{"for", r.wait}, {"hold", r.hold}} {
		if c.d > 0 {
			text += " " + c.word + " " + c.d.String()
		}
	}
	if r.least > 0 {
		text += fmt.Sprintf(" least %d", r.least)
	}
	return text
}

// plainQuantity writes a limit as parseQuantity reads it.
func plainQuantity(v float64, unit string) string {
	number := strconv.FormatFloat(v, 'g', -1, 64)
	switch {
	case unit == ofTime && v > 0 && v < math.MaxInt32:
		return time.Duration(math.Round(v * 1e9)).String()
	case unit == ofSize && v > 0:
		return strconv.FormatFloat(v, 'f', -1, 64) + "B"
	case unit == ofShare && v > 0:
		return strconv.FormatFloat(v*100, 'g', 6, 64) + "%"
	}
	return number
}

// settle looks up the metrics of the rule.
func (r *Rule) settle(metrics []Metric) (wrong []string) {
	r.expr.each(func(e *expr) {
		i := slices.IndexFunc(metrics, func(m Metric) bool { return m.Name == e.metric })
		if i < 0 {
			wrong = append(wrong, fmt.Sprintf("there is no metric %s%s", e.metric, nearest(e.metric, metrics)))
			return
		}
		if w := e.wrong(&metrics[i]); w != "" {
			wrong = append(wrong, w)
		}
	})
	if wrong != nil {
		return wrong
	}
	if e := r.expr; e.do == ratio && !slices.Equal(e.inner[0].by, e.inner[1].by) {
		return []string{"both sides of a ratio are grouped by the same labels"}
	}
	if w := r.expr.misfit(); w != "" {
		return []string{w}
	}
	r.unit = r.expr.resultUnit()
	return nil
}

// nearest names the metric that is meant where one is close.
func nearest(name string, metrics []Metric) string {
	best, at := len(name)/3+1, ""
	for _, m := range metrics {
		if d := distance(name, m.Name, best); d < best {
			best, at = d, m.Name
		}
	}
	if at == "" {
		return "; docs/observability-metrics.md lists them"
	}
	return ": is " + at + " meant?"
}

// distance is how many characters must be put in, taken out or changed; limit and above are the same.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		last := row[0]
		row[0] = i + 1
		for j := range b {
			step := last
			if a[i] != b[j] {
				step = min(last, row[j], row[j+1]) + 1
			}
			last, row[j+1] = row[j+1], step
		}
	}
	return row[len(b)]
}

func proper(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	for _, c := range []byte(name) {
		if !(c == '-' || c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z') {
			return false
		}
	}
	return true
}

// say fills in a title or a body.
func (r *Rule) say(text string, labels []Label, value float64) string {
	pairs := []string{"{value}", Quantity(value, r.unit), "{limit}", Quantity(r.limit, r.unit)}
	for _, l := range labels {
		pairs = append(pairs, "{"+l.Key+"}", l.Value)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// title is one line about what is wrong.
func (r *Rule) title(labels []Label, value float64) string {
	if r.Title != "" {
		return r.say(r.Title, labels, value)
	}
	return fmt.Sprintf("%s is %s, the limit is %s", r.Name, Quantity(value, r.unit), Quantity(r.limit, r.unit))
}
