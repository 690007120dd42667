package engine

import (
	"database/sql"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/tidegate/engine/core/sqlite"
)

// Scan copies the current row into dest: one destination a column, or a single pointer to a struct whose fields are
// matched by name (the tag `db:"name"`, else the field's name in snake_case; `db:"-"` leaves one out).
//
// Destinations are pointers to integers, floats, bool, string, []byte, any and [time.Time], to a pointer to one of these
// (NULL becomes nil), to named types of them, and [sql.Scanner]s. A conversion that would lose something is an error. A time
// is read from TEXT (ISO 8601, with space or T, as SQLAlchemy and SQLite's own functions write it), from INTEGER (seconds,
// milli-, micro- or nanoseconds since 1970, told apart by magnitude) and from REAL (Julian day); without a zone it is UTC.
//
// # Errors
//
// [ErrArgs] names the column and the types, never the value. The rows stay usable.
func (r *Rows) Scan(dest ...any) error {
	if !r.has {
		return argErrorf("Scan without a row: call Next first")
	}
	row := r.cur.Row()
	if len(dest) == 1 {
		if v := reflect.ValueOf(dest[0]); v.Kind() == reflect.Pointer && !v.IsNil() && isRecord(v.Elem().Type()) && !isScanner(dest[0]) {
			return r.scanStruct(v.Elem(), row)
		}
	}
	if len(dest) != len(row) {
		return argErrorf("Scan: the row has %d columns (%s), %d destinations were given", len(row), strings.Join(r.Columns(), ", "), len(dest))
	}
	for i := range dest {
		v := &row[i]
		switch d := dest[i].(type) { // what most rows are made of, ahead of the general way
		case *int64:
			if v.Type == sqlite.Integer && d != nil {
				*d = v.Int
				continue
			}
		case *string:
			if v.Type == sqlite.Text && d != nil {
				*d = r.text.keep(v.Bytes)
				continue
			}
		}
		if why := assign(dest[i], v); why != "" {
			return argErrorf("Scan: column %d (%s): %s", i+1, r.Columns()[i], why)
		}
	}
	return nil
}

// textChunk hands out short strings from a common piece of memory: one allocation for some thirty of them. Who keeps one of them
// keeps the piece, which is why it is small.
type textChunk struct {
	free    []byte
	strings int // handed out
}

const (
	chunkBytes = 512
	// chunkAfter is how many strings come alone: a query for one row is not to allocate for thirty.
	chunkAfter  = 8
	chunkString = 32 // bytes; longer ones come alone
)

func (c *textChunk) keep(p []byte) string {
	if c.strings++; c.strings <= chunkAfter || len(p) > chunkString || len(p) == 0 {
		return string(p)
	}
	if len(p) > len(c.free) {
		c.free = make([]byte, chunkBytes)
	}
	n := copy(c.free, p)
	s := unsafe.String(unsafe.SliceData(c.free), n) // nobody writes there again
	c.free = c.free[n:]
	return s
}

func isScanner(d any) bool { _, ok := d.(sql.Scanner); return ok }

var timeType = reflect.TypeFor[time.Time]()

func isRecord(t reflect.Type) bool { return t.Kind() == reflect.Struct && t != timeType }

// assign stores v in dest, or says why it cannot.
func assign(dest any, v *sqlite.Value) string {
	switch d := dest.(type) {
	case *int64:
		if d != nil && v.Type == sqlite.Integer {
			*d = v.Int
			return ""
		}
	case *int:
		if d != nil && v.Type == sqlite.Integer && int64(int(v.Int)) == v.Int {
			*d = int(v.Int)
			return ""
		}
	case *float64:
		if d != nil && v.Type == sqlite.Float {
			*d = v.Float
			return ""
		}
	case *string:
		if d != nil && v.Type == sqlite.Text {
			*d = string(v.Bytes)
			return ""
		}
	case *[]byte:
		switch {
		case d == nil:
		case v.Type == sqlite.Null:
			*d = nil
			return ""
		case v.Type == sqlite.Text, v.Type == sqlite.Blob:
			*d = append([]byte{}, v.Bytes...)
			return ""
		}
	case *any:
		if d != nil {
			*d = v.Any()
			return ""
		}
	case sql.Scanner:
		if p := reflect.ValueOf(d); p.Kind() == reflect.Pointer && p.IsNil() {
			break
		}
		if err := d.Scan(scannable(dest, v)); err != nil {
			return "its Scan method refused " + v.Type.String()
		}
		return ""
	case nil:
		return "the destination is nil"
	}
	p := reflect.ValueOf(dest)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return "the destination must be a pointer that is not nil, got " + p.Type().String()
	}
	return set(p.Elem(), v)
}

// scannable gives sql.NullTime and its like a time, which they cannot make from text.
func scannable(dest any, v *sqlite.Value) any {
	switch dest.(type) {
	case *sql.NullTime, *sql.Null[time.Time]:
		if t, ok := toTime(v); ok {
			return t
		}
	}
	return v.Any()
}

// set stores v in a variable of any supported type.
func set(to reflect.Value, v *sqlite.Value) string {
	t := to.Type()
	if t.Kind() == reflect.Pointer {
		if v.Type == sqlite.Null {
			to.SetZero()
			return ""
		}
		fresh := reflect.New(t.Elem())
		if why := assign(fresh.Interface(), v); why != "" {
			return why
		}
		to.Set(fresh)
		return ""
	}
	if v.Type == sqlite.Null {
		return "it is NULL: scan into a pointer or a sql.Null type instead of " + t.String()
	}
	if t == timeType {
		at, ok := toTime(v)
		if !ok {
			return "its " + v.Type.String() + " is no time in a known form"
		}
		to.Set(reflect.ValueOf(at))
		return ""
	}
	ok := false
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		var n int64
		if n, ok = toInt(v); ok && !to.OverflowInt(n) {
			to.SetInt(n)
			return ""
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		var n int64
		if n, ok = toInt(v); ok && n >= 0 && !to.OverflowUint(uint64(n)) {
			to.SetUint(uint64(n))
			return ""
		}
	case reflect.Float32, reflect.Float64:
		var f float64
		if f, ok = toFloat(v); ok && (t.Kind() == reflect.Float64 || float64(float32(f)) == f) {
			to.SetFloat(f)
			return ""
		}
	case reflect.Bool:
		if v.Type == sqlite.Integer && (v.Int == 0 || v.Int == 1) {
			to.SetBool(v.Int == 1)
			return ""
		}
	case reflect.String:
		to.SetString(toText(v))
		return ""
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 && (v.Type == sqlite.Text || v.Type == sqlite.Blob) {
			to.SetBytes(append([]byte{}, v.Bytes...))
			return ""
		}
	case reflect.Interface:
		if t.NumMethod() == 0 {
			to.Set(reflect.ValueOf(v.Any()))
			return ""
		}
	}
	if ok {
		return "its value does not fit " + t.String()
	}
	return "its " + v.Type.String() + " does not convert to " + t.String() + " without loss"
}

func toInt(v *sqlite.Value) (int64, bool) {
	switch v.Type {
	case sqlite.Integer:
		return v.Int, true
	case sqlite.Float:
		if n := int64(v.Float); float64(n) == v.Float && math.Abs(v.Float) < 1<<53 {
			return n, true
		}
	case sqlite.Text:
		n, err := strconv.ParseInt(string(v.Bytes), 10, 64)
		return n, err == nil
	}
	return 0, false
}

func toFloat(v *sqlite.Value) (float64, bool) {
	switch v.Type {
	case sqlite.Float:
		return v.Float, true
	case sqlite.Integer:
		f := float64(v.Int)
		return f, f < 1<<63 && int64(f) == v.Int
	case sqlite.Text:
		s := string(v.Bytes)
		f, err := strconv.ParseFloat(s, 64)
		return f, err == nil && sameDecimal(s, strconv.FormatFloat(f, 'e', -1, 64))
	}
	return 0, false
}

// sameDecimal reports whether two decimal numbers are the same. Prices are stored as text because a float keeps sixteen
// digits or so: one that has more must not lose them quietly.
func sameDecimal(a, b string) bool {
	x, xExp, xOK := significant(a)
	y, yExp, yOK := significant(b)
	return xOK && yOK && x == y && xExp == yExp
}

// significant returns the digits of a decimal number without zeros around them and where its point is, counted from the
// first of them. The sign is left out: parsing does not change it.
func significant(s string) (digits string, exp int, ok bool) {
	mantissa, power, _ := strings.Cut(strings.ToLower(strings.TrimLeft(s, "+-")), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits = whole + fraction
	if strings.Trim(digits, "0123456789") != "" {
		return "", 0, false // hexadecimal, infinity and the like
	}
	exp = len(whole)
	if power != "" {
		n, err := strconv.Atoi(power)
		if err != nil {
			return "", 0, false
		}
		exp += n
	}
	trimmed := strings.TrimLeft(digits, "0")
	exp -= len(digits) - len(trimmed)
	if trimmed = strings.TrimRight(trimmed, "0"); trimmed == "" {
		exp = 0
	}
	return trimmed, exp, true
}

func toText(v *sqlite.Value) string {
	switch v.Type {
	case sqlite.Integer:
		return strconv.FormatInt(v.Int, 10)
	case sqlite.Float:
		return strconv.FormatFloat(v.Float, 'g', -1, 64)
	}
	return string(v.Bytes)
}

// timeLayouts are the forms of ISO 8601 that SQLite's functions, SQLAlchemy, Django, Rails and this engine write.
// Fractions of any length are accepted after the seconds.
var timeLayouts = [...]string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02T15:04:05",
	"2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 -0700 MST", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02",
}

func toTime(v *sqlite.Value) (time.Time, bool) {
	switch v.Type {
	case sqlite.Integer:
		switch n := v.Int; {
		case n > -1e11 && n < 1e11:
			return time.Unix(n, 0).UTC(), true
		case n > -1e14 && n < 1e14:
			return time.UnixMilli(n).UTC(), true
		case n > -1e17 && n < 1e17:
			return time.UnixMicro(n).UTC(), true
		default:
			return time.Unix(0, n).UTC(), true
		}
	case sqlite.Float:
		const epoch = 2440587.5 // the Julian day of 1970-01-01
		if v.Float < 0 || v.Float > 5373484.5 {
			return time.Time{}, false
		}
		return time.UnixMilli(int64(math.Round((v.Float - epoch) * 86400e3))).UTC(), true
	case sqlite.Text:
		s := strings.TrimSpace(string(v.Bytes))
		for _, layout := range timeLayouts {
			if t, err := time.Parse(layout, s); err == nil {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

// structPlan says which field takes which column.
type structPlan struct {
	t      reflect.Type
	fields [][]int
}

func (r *Rows) scanStruct(to reflect.Value, row []sqlite.Value) error {
	if r.plan == nil || r.plan.t != to.Type() {
		plan, err := planFor(to.Type(), r.Columns())
		if err != nil {
			return err
		}
		r.plan = plan
	}
	for i := range row {
		field := to.FieldByIndex(r.plan.fields[i])
		if why := assign(field.Addr().Interface(), &row[i]); why != "" {
			return argErrorf("Scan: column %d (%s) into %s: %s", i+1, r.Columns()[i], to.Type(), why)
		}
	}
	return nil
}

func planFor(t reflect.Type, columns []string) (*structPlan, error) {
	byName := map[string][]int{}
	for _, f := range reflect.VisibleFields(t) {
		name := f.Tag.Get("db")
		if !f.IsExported() || f.Anonymous || name == "-" {
			continue
		}
		if name == "" {
			name = snake(f.Name)
		}
		if _, taken := byName[strings.ToLower(name)]; !taken && reachable(t, f.Index) {
			byName[strings.ToLower(name)] = f.Index
		}
	}
	p := &structPlan{t: t}
	filled := map[string]bool{}
	for _, c := range columns {
		idx, ok := byName[strings.ToLower(c)]
		if !ok {
			return nil, argErrorf("Scan: %s has no field for column %q: add one, tag one with `db:%q`, or select fewer columns", t, c, c)
		}
		if filled[strings.ToLower(c)] {
			return nil, argErrorf("Scan: two columns are named %q and %s has one field for them: give one another name with AS", c, t)
		}
		filled[strings.ToLower(c)] = true
		p.fields = append(p.fields, idx)
	}
	return p, nil
}

// reachable reports whether a promoted field can be set without allocating an embedded pointer.
func reachable(t reflect.Type, index []int) bool {
	for _, i := range index[:len(index)-1] {
		if t = t.Field(i).Type; t.Kind() == reflect.Pointer {
			return false
		}
	}
	return true
}

// snake turns OrderID into order_id.
func snake(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		c := name[i]
		if upper(c) && i > 0 && (!upper(name[i-1]) || (i+1 < len(name) && !upper(name[i+1]) && name[i+1] != '_' && !digit(name[i+1]))) && name[i-1] != '_' {
			b.WriteByte('_')
		}
		if upper(c) {
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}

func upper(c byte) bool { return c >= 'A' && c <= 'Z' }
func digit(c byte) bool { return c >= '0' && c <= '9' }
