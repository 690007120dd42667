package lane

import "strconv"

// Class is what a call is for. The zero value is Normal.
type Class uint8

// The classes, in no order; see rank for who goes first.
const (
	Normal Class = iota
	Trade
	Signal
	Analytics
	Maintenance
	classes = 5
)

// rank lists the classes, first served first.
var rank = [classes]Class{Trade, Signal, Normal, Analytics, Maintenance}

// String is the name used in spans, statistics and errors.
func (c Class) String() string {
	switch c {
	case Normal:
		return "normal"
	case Trade:
		return "trade"
	case Signal:
		return "signal"
	case Analytics:
		return "analytics"
	case Maintenance:
		return "maintenance"
	}
	return "class " + strconv.Itoa(int(c))
}
