package tradingcalendar

import (
	"errors"
	"strconv"

	"github.com/tidegate/engine/sdk"
)

// Codes of verdicts.
const (
	CodeClosed  = 1 // the market is closed at the row's instant
	CodeUnknown = 2 // no calendar is known for the row, or it does not reach to the instant
	CodeType    = 3 // an instant that is no integer, or of no year that a calendar has
)

// Rule is the policy; New makes one.
type Rule struct {
	calendars map[string]*calendar
	single    *calendar // the only market, where rows name none
	venues    sdk.Query
	unit      int64 // of instants, in a second
	columns   []columns
	market    map[int64]*calendar // of an instrument, as the query told in this batch
	keys      []byte
	names     map[*calendar]string
	msg       sdk.Message
}

// columns are where a hook's batches have what the rule reads; -1 for what is not there, where the instant is that of the batch.
type columns struct{ instant, venue, instrument int }

// New returns a rule to be configured.
func New() any { return &Rule{market: map[int64]*calendar{}} }

// Configure implements sdk.Configurer.
func (r *Rule) Configure(c *sdk.Config) error {
	r.calendars, r.names = map[string]*calendar{}, map[*calendar]string{}
	list := c.Section("calendars")
	for _, name := range list.Keys() {
		k := readCalendar(list.Section(name))
		r.calendars[name], r.names[k] = k, name
		r.single = k
	}
	if len(r.calendars) == 0 {
		c.Fail("calendars", "name at least one")
	}
	r.unit = map[string]int64{"ns": 1e9, "us": 1e6, "ms": 1e3, "s": 1}[c.OneOf("unit", "ns", "us", "ms", "s")]
	r.venues = c.Lookup("venues")
	names := c.Section("columns")
	for _, h := range c.Hooks() {
		k := columns{instant: -1, venue: -1, instrument: -1}
		if name := names.Text("instant", ""); name != "" {
			k.instant = c.Require(h, name)
		}
		if name := names.Text("venue", ""); name != "" {
			if names.Has("instrument") {
				c.Fail("columns", "venue and instrument are both set: one of them tells the calendar")
			}
			k.venue = c.Require(h, name)
		} else if name := names.Text("instrument", ""); name != "" {
			k.instrument = c.Require(h, name)
		}
		switch {
		case k.venue >= 0 || k.instrument >= 0:
			r.single = nil
		case len(r.calendars) > 1:
			c.Fail("columns", "there are several calendars: name the column of the venue, or of the instrument")
		}
		if k.instrument >= 0 && !r.venues.Known() {
			c.Fail("columns.instrument", "needs the query venues in capabilities.lookup")
		}
		r.columns = append(r.columns, k)
	}
	return nil
}

// Validate implements sdk.Validator.
func (r *Rule) Validate(b *sdk.Batch, v *sdk.Verdicts) error {
	k := r.columns[b.Hook().ID]
	if k.instrument >= 0 {
		if err := r.ask(b, k); err != nil {
			return err
		}
	}
	now := int64(0)
	if k.instant < 0 {
		now = floor(b.Now(), 1e9)
	}
	for row := range b.Len() {
		market, col := r.of(b, k, row)
		if market == nil {
			v.Reject(row, col, CodeUnknown, r.msg.Start("no calendar is known for ").Cell(b.Cell(row, col)).String())
			continue
		}
		at := now
		if k.instant >= 0 {
			c := b.Cell(row, k.instant)
			if c.Type() != sdk.Integer {
				v.Reject(row, k.instant, CodeType, "the instant is no integer")
				continue
			}
			if at = floor(c.Int(), r.unit); at < earliest || at > latest {
				v.Reject(row, k.instant, CodeType, "no instant of the years 1 to 9999: is the unit right?")
				continue
			}
		}
		switch {
		case !market.knows(at):
			v.Reject(row, k.instant, CodeUnknown, r.msg.Start("the calendar of ").Text(r.names[market]).Text(" does not reach to second ").Int(at).Text(": it has since and until").String())
		case !market.open(at):
			v.Reject(row, k.instant, CodeClosed, r.msg.Start(r.names[market]).Text(" is closed at second ").Int(at).Text(" (local ").Text(r.local(market, at)).Text(")").String())
		}
	}
	return nil
}

// The seconds of the years 1 to 9999: far enough from the ends of int64 that nothing added to them wraps around.
const earliest, latest = -62135596800, 253402300799

// of is the market of a row, and the column that says so.
func (r *Rule) of(b *sdk.Batch, k columns, row int) (*calendar, int) {
	switch {
	case k.venue >= 0:
		return r.calendars[b.Cell(row, k.venue).Text()], k.venue
	case k.instrument >= 0:
		if c := b.Cell(row, k.instrument); c.Type() == sdk.Integer {
			return r.market[c.Int()], k.instrument
		}
		return nil, k.instrument
	}
	return r.single, -1
}

// local writes an instant as a clock of the market shows it, such as fri 17:05.
func (r *Rule) local(m *calendar, unix int64) string {
	at := unix + m.offset(unix)
	d := floor(at, day)
	minute := (at - d*day) / 60
	two := func(v int64) string {
		if v < 10 {
			return "0" + strconv.FormatInt(v, 10)
		}
		return strconv.FormatInt(v, 10)
	}
	return weekdays()[mod(d+4, 7)] + " " + two(minute/60) + ":" + two(minute%60)
}

// ask learns the venues of all instruments of a batch at once.
func (r *Rule) ask(b *sdk.Batch, k columns) error {
	clear(r.market)
	r.keys = append(r.keys[:0], '[')
	for row := range b.Len() {
		c := b.Cell(row, k.instrument)
		if _, seen := r.market[c.Int()]; seen || c.Type() != sdk.Integer {
			continue
		}
		r.market[c.Int()] = nil
		if len(r.keys) > 1 {
			r.keys = append(r.keys, ',')
		}
		r.keys = sdk.AppendInt(r.keys, c.Int())
	}
	if len(r.market) == 0 {
		return nil
	}
	r.keys = append(r.keys, ']')
	rows, err := b.Lookup(r.venues, sdk.String(string(r.keys)))
	if err != nil {
		return err
	}
	if rows.Partial() {
		return errors.New("the query venues has more rows than its max_rows: raise it, or answer with one row an instrument")
	}
	for i := range rows.Len() {
		if id := rows.Cell(i, 0, 0); id.Type() == sdk.Integer {
			r.market[id.Int()] = r.calendars[rows.Cell(i, 0, 1).Text()]
		}
	}
	return nil
}
