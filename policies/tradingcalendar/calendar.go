package tradingcalendar

import (
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/engine/sdk"
)

// span is a session in seconds of the local day on which it begins; to is more than a day where it ends on the next one.
type span struct{ from, to int64 }

// shift is from when on a zone has an offset, in seconds.
type shift struct{ from, offset int64 }

// calendar is one market.
type calendar struct {
	zone []shift
	week [7][]span
	days map[int64][]span // days of their own hours, since 1970; none: closed

	first, last int64 // local days that the calendar knows; since 1970
}

const day = 86400

// weekdays are the keys of a week, in the order of time.Weekday.
func weekdays() [7]string { return [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

// offset is the zone's at an instant. Ahead of the first shift it is that of the first.
func (c *calendar) offset(unix int64) int64 {
	i := sort.Search(len(c.zone), func(i int) bool { return c.zone[i].from > unix })
	return c.zone[max(0, i-1)].offset
}

// open reports whether an instant is within a session: one of its local day, or one of the day before that goes on past midnight.
func (c *calendar) open(unix int64) bool {
	local := unix + c.offset(unix)
	today := floor(local, day)
	second := local - today*day
	for back := int64(0); back <= 1; back++ {
		for _, s := range c.sessions(today - back) {
			if at := second + back*day; at >= s.from && at < s.to {
				return true
			}
		}
	}
	return false
}

// knows reports whether an instant is within the days that the calendar is for.
func (c *calendar) knows(unix int64) bool {
	d := floor(unix+c.offset(unix), day)
	return d >= c.first && d <= c.last
}

func (c *calendar) sessions(d int64) []span {
	if s, special := c.days[d]; special {
		return s
	}
	return c.week[mod(d+4, 7)] // 1 January 1970 was a Thursday
}

func floor(a, b int64) int64 {
	if a%b < 0 {
		return a/b - 1
	}
	return a / b
}

func mod(a, b int64) int64 { return ((a % b) + b) % b }

// readCalendar reads one market of the configuration.
func readCalendar(o sdk.Object) *calendar {
	c := &calendar{days: map[int64][]span{}, first: math.MinInt64, last: math.MaxInt64}
	known(o, "is unknown: a calendar has zone, week, holidays, days, always, since, until", "zone", "week", "holidays", "days", "always", "since", "until")
	for _, z := range o.Sections("zone") {
		known(z, "is unknown: a zone has from and offset", "from", "offset")
		from, offset := int64(-1<<62), z.Text("offset", "")
		if z.Has("from") {
			at, err := time.Parse(time.RFC3339, z.Text("from", ""))
			if err != nil {
				z.Fail("from", "is no instant such as 2026-03-08T07:00:00Z")
			}
			from = at.Unix()
		}
		if n := len(c.zone); n > 0 && c.zone[n-1].from >= from {
			z.Fail("from", "is not after the one before it")
		}
		seconds, ok := readOffset(offset)
		if !ok {
			z.Fail("offset", strconv.Quote(offset)+" is no offset such as -05:00")
		}
		c.zone = append(c.zone, shift{from, seconds})
	}
	if len(c.zone) == 0 {
		c.zone = []shift{{}}
	}
	if always := o.Bool("always", false); always {
		for i := range c.week {
			c.week[i] = []span{{0, day}}
		}
		if o.Has("week") {
			o.Fail("week", "has no meaning beside always")
		}
	}
	week := o.Section("week")
	for _, key := range week.Keys() {
		names := weekdays()
		i := slices.Index(names[:], key)
		if i < 0 {
			week.Fail(key, "is no day: they are "+strings.Join(names[:], ", "))
			continue
		}
		c.week[i] = readSpans(week, key)
	}
	for key, to := range map[string]*int64{"since": &c.first, "until": &c.last} {
		if !o.Has(key) {
			continue
		}
		d, ok := readDate(o.Text(key, ""))
		if !ok {
			o.Fail(key, "is no date such as \"2027-12-31\", in quotes")
		}
		*to = d
	}
	if c.first > c.last {
		o.Fail("until", "is before since")
	}
	for _, date := range o.Texts("holidays") {
		if d, ok := readDate(date); ok {
			c.days[d] = nil
		} else {
			o.Fail("holidays", strconv.Quote(date)+" is no date such as \"2026-12-25\", in quotes")
		}
	}
	special := o.Section("days")
	for _, date := range special.Keys() {
		d, ok := readDate(date)
		if _, twice := c.days[d]; !ok || twice {
			special.Fail(date, "is no date such as \"2026-11-27\", or is a holiday as well")
			continue
		}
		c.days[d] = readSpans(special, date)
	}
	return c
}

// known notes keys that nobody reads: a misspelt holiday would open the market. The schema of plugin.yaml cannot say what is in a map of any names.
func known(o sdk.Object, why string, keys ...string) {
	for _, k := range o.Keys() {
		if !slices.Contains(keys, k) {
			o.Fail(k, why)
		}
	}
}

func readSpans(o sdk.Object, key string) []span {
	var out []span
	for _, text := range o.Texts(key) {
		from, ok := readClock(text, 0)
		to, ok2 := readClock(text, 6)
		if len(text) != 11 || text[5] != '-' || !ok || !ok2 {
			o.Fail(key, strconv.Quote(text)+" is no session such as 09:30-16:00")
			continue
		}
		if to <= from {
			to += day
		}
		out = append(out, span{from, to})
	}
	return out
}

// readClock reads hh:mm at a place of a text, 24:00 included.
func readClock(s string, at int) (int64, bool) {
	if len(s) < at+5 || s[at+2] != ':' {
		return 0, false
	}
	h, err := strconv.ParseUint(s[at:at+2], 10, 8)
	m, err2 := strconv.ParseUint(s[at+3:at+5], 10, 8)
	if err != nil || err2 != nil || m > 59 || h*60+m > 24*60 {
		return 0, false
	}
	return int64(h*60+m) * 60, true
}

func readOffset(s string) (int64, bool) {
	if s == "Z" {
		return 0, true
	}
	if len(s) != 6 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	v, ok := readClock(s, 1)
	if s[0] == '-' {
		v = -v
	}
	return v, ok
}

func readDate(s string) (int64, bool) {
	t, err := time.Parse(time.DateOnly, s)
	return floor(t.Unix(), day), err == nil
}
