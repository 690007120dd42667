package alert

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// The dimensions of a quantity. A plain number fits everything.
const (
	dimensionless = ""
	ofTime        = "s"
	ofSize        = "By"
	ofShare       = "%"
)

// sizes are the units of bytes, those that end like others first.
var sizes = []struct {
	unit string
	by   float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}}

// parseQuantity reads a number with its unit: 50ms, 1h30m, 2d, 256MiB, 1%, 3. Times are given in seconds, shares as such.
func parseQuantity(text string) (v float64, dimension string, err error) {
	if v, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(v) && !math.IsInf(v, 0) {
		return v, dimensionless, nil
	}
	number := func(suffix string, by float64) bool {
		digits, ok := strings.CutSuffix(text, suffix)
		if !ok {
			return false
		}
		n, err := strconv.ParseFloat(digits, 64)
		v = n * by
		return err == nil && !math.IsNaN(v) && !math.IsInf(v, 0)
	}
	if number("%", 0.01) {
		return v, ofShare, nil
	}
	if number("d", 24*3600) {
		return v, ofTime, nil
	}
	for _, s := range sizes {
		if number(s.unit, s.by) {
			return v, ofSize, nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil {
		return d.Seconds(), ofTime, nil
	}
	return 0, "", fmt.Errorf("%q is no quantity: write a number with a unit such as 50ms, 2h, 7d, 256MiB or 1%%", text)
}

// Quantity writes a value in its unit for people: s as a time, By as a size, % as a share, others with the unit behind them.
func Quantity(v float64, unit string) string {
	switch {
	case math.IsNaN(v):
		return "nothing"
	case unit == ofTime && v >= never:
		return "a hundred years"
	}
	switch unit {
	case ofTime:
		return seconds(v)
	case ofSize:
		return size(v)
	case ofShare:
		return significant(v*100) + " %"
	case "", "1":
		return significant(v)
	}
	return significant(v) + " " + strings.Trim(unit, "{}")
}

func significant(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

func seconds(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0 s"
	case a < 1e-3:
		return significant(v*1e6) + " µs"
	case a < 1:
		return significant(v*1e3) + " ms"
	case a < 120:
		return significant(v) + " s"
	case a < 2*3600:
		return significant(v/60) + " min"
	case a < 48*3600:
		return significant(v/3600) + " h"
	}
	return significant(v/86400) + " d"
}

func size(v float64) string {
	for _, s := range []struct {
		unit string
		by   float64
	}{{" TiB", 1 << 40}, {" GiB", 1 << 30}, {" MiB", 1 << 20}, {" KiB", 1 << 10}} {
		if math.Abs(v) >= s.by {
			return significant(v/s.by) + s.unit
		}
	}
	return significant(v) + " B"
}
