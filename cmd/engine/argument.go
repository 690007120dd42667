package main

import (
	"database/sql"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// arguments collects the values of --arg in order. A value may be a secret and the flag package repeats a value that it cannot read, so
// Set never fails: what was wrong waits in err for the verb to report.
type arguments struct {
	values []any
	err    error
}

// argumentHelp explains the notation in each verb's flags.
const argumentHelp = "bind a `value`, once for each placeholder: 42, 1.5, null, x'00ff', text, 'quoted text'; :name=value binds by name"

// String is what the flag package shows as default: nothing.
func (a *arguments) String() string { return "" }

// Set reads one value.
func (a *arguments) Set(s string) error {
	name, value, named := strings.Cut(s, "=")
	named = named && placeholder.MatchString(name)
	if !named {
		value = s
	}
	v, err := literal(value)
	if err != nil && a.err == nil {
		a.err = fmt.Errorf("value %d of --arg: %w", len(a.values)+1, err)
	}
	if named {
		v = sql.Named(name[1:], v)
	}
	a.values = append(a.values, v)
	return nil
}

var (
	placeholder = regexp.MustCompile(`^[:@$][A-Za-z_][A-Za-z0-9_]*$`)
	integer     = regexp.MustCompile(`^-?(?:0|[1-9][0-9]*)$`)
	decimal     = regexp.MustCompile(`^-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$`)
)

// literal gives a value its type by how it is written. What only looks like a number (007, 1.2.3) is text.
func literal(s string) (any, error) {
	switch {
	case strings.EqualFold(s, "null"):
		return nil, nil
	case len(s) >= 2 && s[0] == '\'' && s[len(s)-1] == '\'':
		return strings.ReplaceAll(s[1:len(s)-1], "''", "'"), nil
	case len(s) >= 3 && (s[0] == 'x' || s[0] == 'X') && s[1] == '\'' && s[len(s)-1] == '\'':
		blob, err := hex.DecodeString(s[2 : len(s)-1])
		if err != nil {
			return nil, fmt.Errorf("x'…' holds pairs of hexadecimal digits")
		}
		return blob, nil
	case integer.MatchString(s):
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("an integer has at most 64 bits: write '…' around it to bind it as text")
		}
		return n, nil
	case decimal.MatchString(s):
		x, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, fmt.Errorf("the number is too large: write '…' around it to bind it as text")
		}
		return x, nil
	}
	return s, nil
}
