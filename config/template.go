package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/engine"
)

// templateWidth is where comments are broken.
const templateWidth = 100

// Template returns a commented YAML file with every setting in it, at its default and commented out, so that a later version's
// better default is not held back by a copy of today's.
func Template() []byte {
	var b strings.Builder
	b.WriteString("# Configuration of Tidegate. Every setting is here, commented out, with its default: take the # of a line away to\n" +
		"# set it. Environment variables (" + Variable("writer.queue_timeout") + "=2s) and flags are stronger than this file.\n" +
		"# `engine config check` finds mistakes, `engine config print` shows what holds and why, `engine config schema` is for editors.\n")
	defaults := Defaults()
	var open []string
	for _, st := range table() {
		path := split(st.key)
		sections := path[:len(path)-1]
		for depth, name := range sections {
			if depth >= len(open) || open[depth] != name {
				fmt.Fprintf(&b, "\n%s%s:\n", strings.Repeat("  ", depth), name)
				open = append(open[:depth:depth], name)
			}
		}
		open = open[:len(sections):len(sections)]
		indent := strings.Repeat("  ", len(sections))
		b.WriteString("\n")
		for _, line := range wrap(st.doc, templateWidth-len(indent)) {
			fmt.Fprintf(&b, "%s# %s\n", indent, line)
		}
		fmt.Fprintf(&b, "%s#%s: %s\n", indent, path[len(path)-1], st.yaml(&defaults))
	}
	return []byte(b.String())
}

// yaml is the value as a scalar or a flow list of YAML.
func (st setting) yaml(s *Settings) string {
	switch v := st.get(s).(type) {
	case string:
		return quoted(v)
	case int64, time.Duration:
		return st.text(s)
	case []engine.Quota:
		return "[" + strings.Join(quotaTexts(v), ", ") + "]"
	case []engine.RowCheck:
		if len(v) == 0 {
			return "[]"
		}
		return rowCheckText(v) // JSON is YAML
	case []engine.AlertRule:
		if len(v) == 0 {
			return "[]"
		}
		return alertRuleText(v)
	case []Builtin:
		if len(v) == 0 {
			return "[]"
		}
		return builtinText(v)
	case []AlertSink, []AlertEndpoint:
		if text := st.text(s); text != "" {
			return text
		}
		return "[]"
	case []string:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = quoted(item)
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	return st.text(s)
}

// quoted puts quotes around what is not plainly a word.
func quoted(text string) string {
	for i, r := range text {
		if 'a' <= r && r <= 'z' || i > 0 && (r == '/' || r == '.' || r == '_') {
			continue
		}
		return strconv.Quote(text)
	}
	if text == "" || text == "true" || text == "false" || text == "null" || text == "yes" || text == "no" {
		return strconv.Quote(text)
	}
	return text
}

// wrap breaks a text between words.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
