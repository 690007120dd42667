package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/engine"
)

// unit is a unit of size.
type unit struct {
	name  string
	bytes int64
}

// units lists the units of size, the largest that divides a size evenly is shown.
var units = []unit{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}}

var policies = map[string]engine.BindingsPolicy{"none": engine.BindingsNone, "shape": engine.BindingsShape, "hash": engine.BindingsHash, "full": engine.BindingsFull}

var durabilities = map[string]engine.Durability{"durable": engine.Durable, "relaxed": engine.Relaxed}

// parse reads the text of a value into the type of the setting's field. Errors repeat it only where it cannot be a secret.
func (st setting) parse(text string) (any, error) {
	var scratch Settings
	switch st.field(&scratch).(type) {
	case *bool:
		return parseBool(text)
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not a whole number", short(text))
		}
		return n, nil
	case *int64:
		return parseSize(text)
	case *time.Duration:
		return parseDuration(text)
	case *[]string:
		return parseList(text), nil
	case *[]engine.Quota:
		return parseQuotas(parseList(text))
	case *[]engine.RowCheck:
		return parseRowChecks(text)
	case *[]engine.AlertRule:
		return parseAlertRules(text)
	case *[]Builtin:
		return parseBuiltins(text)
	case *[]AlertSink:
		return parseSinks(text)
	case *[]AlertEndpoint:
		return parseEndpoints(text)
	case *engine.BindingsPolicy:
		if p, ok := policies[text]; ok {
			return p, nil
		}
		return nil, fmt.Errorf("must be one of %s", strings.Join(st.words, ", "))
	case *engine.Durability:
		if d, ok := durabilities[text]; ok {
			return d, nil
		}
		return nil, fmt.Errorf("must be one of %s", strings.Join(st.words, ", "))
	}
	if st.words != nil && !slices.Contains(st.words, text) {
		return nil, fmt.Errorf("must be one of %s", strings.Join(st.words, ", "))
	}
	return text, nil
}

// get returns the value in its Go type.
func (st setting) get(s *Settings) any {
	switch p := st.field(s).(type) {
	case *string:
		return *p
	case *bool:
		return *p
	case *int:
		return *p
	case *int64:
		return *p
	case *time.Duration:
		return *p
	case *[]string:
		return slices.Clone(*p)
	case *[]engine.Quota:
		return slices.Clone(*p)
	case *[]engine.RowCheck:
		return slices.Clone(*p)
	case *[]AlertSink:
		return slices.Clone(*p)
	case *[]AlertEndpoint:
		return slices.Clone(*p)
	case *[]engine.AlertRule:
		return slices.Clone(*p)
	case *[]Builtin:
		return slices.Clone(*p)
	case *engine.BindingsPolicy:
		return *p
	case *engine.Durability:
		return *p
	}
	return nil
}

// set fills the field with a value that get or parse returned.
func (st setting) set(s *Settings, v any) {
	switch p := st.field(s).(type) {
	case *string:
		*p, _ = v.(string)
	case *bool:
		*p, _ = v.(bool)
	case *int:
		*p, _ = v.(int)
	case *int64:
		*p, _ = v.(int64)
	case *time.Duration:
		*p, _ = v.(time.Duration)
	case *[]string:
		*p, _ = v.([]string)
	case *[]engine.Quota:
		*p, _ = v.([]engine.Quota)
	case *[]engine.RowCheck:
		*p, _ = v.([]engine.RowCheck)
	case *[]engine.AlertRule:
		*p, _ = v.([]engine.AlertRule)
	case *[]Builtin:
		*p, _ = v.([]Builtin)
	case *[]AlertSink:
		*p, _ = v.([]AlertSink)
	case *[]AlertEndpoint:
		*p, _ = v.([]AlertEndpoint)
	case *engine.BindingsPolicy:
		*p, _ = v.(engine.BindingsPolicy)
	case *engine.Durability:
		*p, _ = v.(engine.Durability)
	}
}

// text is the value as it is written.
func (st setting) text(s *Settings) string {
	switch v := st.get(s).(type) {
	case string:
		return v
	case int64:
		return formatSize(v)
	case time.Duration:
		return formatDuration(v)
	case []string:
		return strings.Join(v, ",")
	case []engine.Quota:
		return strings.Join(quotaTexts(v), ",")
	case []engine.RowCheck:
		return rowCheckText(v)
	case []AlertSink:
		return objectText(v)
	case []AlertEndpoint:
		return objectText(v)
	case []engine.AlertRule:
		return alertRuleText(v)
	case []Builtin:
		return builtinText(v)
	case engine.BindingsPolicy:
		return v.String()
	case engine.Durability:
		for name, d := range durabilities {
			if d == v {
				return name
			}
		}
		return fmt.Sprint(v)
	default:
		return fmt.Sprint(v)
	}
}

// short keeps a message readable when somebody puts a book where a number belongs.
func short(text string) string {
	const limit = 40
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return text
}

func parseBool(text string) (any, error) {
	switch text {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return nil, errors.New("must be true or false")
}

func parseDuration(text string) (any, error) {
	d, err := time.ParseDuration(text)
	switch {
	case err == nil && strings.TrimLeft(text, "+-0") == "": // ParseDuration lets a bare 0 pass
		return nil, fmt.Errorf("needs a unit: %ss", text)
	case err == nil:
		return d, nil
	}
	if _, e := strconv.ParseFloat(text, 64); e == nil {
		return nil, fmt.Errorf("%q needs a unit: ns, us, ms, s, m or h", short(text))
	}
	return nil, fmt.Errorf("%q is not a duration: write it as 50ms, 2s or 1m30s", short(text))
}

// formatDuration leaves out the units that are zero: 5m instead of 5m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func parseSize(text string) (any, error) {
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	name := text[len(digits):]
	n, err := strconv.ParseInt(strings.TrimRight(digits, " "), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is not a size: write a whole number and a unit, as 64MiB", short(text))
	}
	if name == "" {
		return nil, fmt.Errorf("%q needs a unit: B, KiB, MiB, GiB, kB, MB or GB", short(text))
	}
	for _, u := range units {
		if u.name != name {
			continue
		}
		if n > math.MaxInt64/u.bytes || n < math.MinInt64/u.bytes {
			return nil, fmt.Errorf("%q is larger than any file", short(text))
		}
		return n * u.bytes, nil
	}
	return nil, fmt.Errorf("%q: there is no unit %q: use B, KiB, MiB, GiB, kB, MB or GB", short(text), short(name))
}

func formatSize(n int64) string {
	for _, u := range units {
		if n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}

// parseList reads a list as the environment and flags have it.
func parseList(text string) []string {
	var out []string
	for _, piece := range strings.Split(text, ",") {
		if piece = strings.TrimSpace(piece); piece != "" {
			out = append(out, piece)
		}
	}
	return out
}
