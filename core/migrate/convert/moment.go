package convert

import (
	"fmt"
	"strings"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// clock is a way to write a point in time. digits is how many digits of a second it keeps.
type clock struct {
	name   string
	layout string // "" counts since 1970
	digits int
}

// clocks are the ways that codec time knows.
func clocks() []clock {
	return []clock{
		{"rfc3339", "2006-01-02T15:04:05", 9}, {"datetime", "2006-01-02 15:04:05", 9}, {"date", "2006-01-02", -1},
		{"unix_s", "", 0}, {"unix_ms", "", 3}, {"unix_us", "", 6}, {"unix_ns", "", 9},
	}
}

// timeMapping changes how a point in time is written: time(rfc3339, unix_ms). datetime and date are UTC, as SQLite has them.
func timeMapping(args []argument, from, to affinity) (mapping, string) {
	if len(args) != 2 {
		return mapping{}, "codec time takes two ways to write a time, as in time(rfc3339, unix_ms)"
	}
	var c [2]clock
	for i, side := range []affinity{from, to} {
		for _, known := range clocks() {
			if strings.EqualFold(args[i].text, known.name) {
				c[i] = known
			}
		}
		if c[i].name == "" {
			return mapping{}, fmt.Sprintf("time knows no %s, but rfc3339, datetime, date, unix_s, unix_ms, unix_us, unix_ns", args[i].text)
		}
		if c[i].layout == "" && side == asText || c[i].layout != "" && side != asText && side != asBlob && side != asNumeric {
			return mapping{}, fmt.Sprintf("%s does not go into a column of %s", c[i].name, side)
		}
	}
	step := func(from, to clock) function {
		return func(v sqlite.Value) (sqlite.Value, string) {
			t, reason := from.read(v)
			if reason != "" {
				return lost(reason)
			}
			return to.write(t)
		}
	}
	return mapping{step(c[0], c[1]), step(c[1], c[0])}, ""
}

// instant is seconds since 1970 and nanoseconds: wider than what 64 bits of nanoseconds reach.
type instant struct{ sec, nano int64 }

// firstSecond and endSecond are the years 0000 to 9999, which the texts can write.
const (
	firstSecond = -62167219200
	endSecond   = 253402300800
)

func (c clock) read(v sqlite.Value) (instant, string) {
	if c.layout == "" {
		if v.Type != sqlite.Integer {
			return instant{}, "it is no INTEGER of " + c.name
		}
		unit := int64(1)
		for range c.digits {
			unit *= 10
		}
		sec, rest := v.Int/unit, v.Int%unit
		if rest < 0 {
			sec, rest = sec-1, rest+unit
		}
		return instant{sec, rest * (1e9 / unit)}, ""
	}
	if v.Type != sqlite.Text {
		return instant{}, "it is no text of a time"
	}
	s := string(v.Bytes)
	t, err := time.Parse(c.pattern(s), s)
	if err != nil || strings.ContainsRune(s, ',') || !keepsDigits(s) {
		return instant{}, "it is no " + c.name
	}
	return instant{t.Unix(), int64(t.Nanosecond())}, ""
}

// pattern is the layout that a text is read with; RFC 3339 needs an offset.
func (c clock) pattern(s string) string {
	if c.name != "rfc3339" {
		return c.layout
	}
	if strings.HasSuffix(s, "z") || strings.Contains(s, "t") {
		return "" // lower case is allowed by the RFC and by nobody who reads it
	}
	return c.layout + "Z07:00"
}

// keepsDigits refuses more than nine digits behind the second, which time.Parse drops without a word.
func keepsDigits(s string) bool {
	_, behind, found := strings.Cut(s, ".")
	if !found {
		return true
	}
	n := 0
	for n < len(behind) && behind[n] >= '0' && behind[n] <= '9' {
		n++
	}
	return n <= 9
}

func (c clock) write(t instant) (sqlite.Value, string) {
	if c.layout != "" {
		if t.sec < firstSecond || t.sec >= endSecond {
			return lost("the year has not four digits")
		}
		at := time.Unix(t.sec, t.nano).UTC()
		switch {
		case c.name == "date" && (t.nano != 0 || t.sec%86400 != 0):
			return lost("it has a time of day, which a date cannot hold")
		case c.name == "date":
			return textBytes(at.AppendFormat(nil, c.layout)), ""
		}
		b := at.AppendFormat(nil, c.layout+".999999999")
		if c.name == "rfc3339" {
			b = append(b, 'Z')
		}
		return textBytes(b), ""
	}
	unit := int64(1)
	for range c.digits {
		unit *= 10
	}
	if t.nano%(1e9/unit) != 0 {
		return lost("it has more digits of a second than " + c.name + " keeps")
	}
	n := t.sec*unit + t.nano/(1e9/unit)
	if t.sec > 0 && n < 0 || t.sec < 0 && n > 0 || n/unit > t.sec+1 || n/unit < t.sec-1 {
		return lost("it is too far away for " + c.name)
	}
	return integer(n), ""
}
