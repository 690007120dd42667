package health

// Check is one question and its answer.
type Check struct {
	// Name is stable: read, write, file, wal, queue, connections, breakers, quarantine, rules, migration, disk, snapshot, foreign, telemetry, alerts.
	Name string
	// OK says whether the answer is good.
	OK bool
	// Ready says whether work can be taken all the same: a disk that is filling up wants an operator, and refuses nobody yet. It is true where OK is.
	Ready bool
	// Detail is what was found.
	Detail string
	// Remedy is what to do; "" when OK.
	Remedy string
}

// Good is the answer that all is well.
func Good(name, detail string) Check { return Check{Name: name, OK: true, Ready: true, Detail: detail} }

// Warning is the answer that something has to be done while work goes on.
func Warning(name, detail, remedy string) Check {
	return Check{Name: name, Ready: true, Detail: detail, Remedy: remedy}
}

// Failure is the answer that no work should be sent here.
func Failure(name, detail, remedy string) Check {
	return Check{Name: name, Detail: detail, Remedy: remedy}
}

// Level sums checks up in a word.
type Level uint8

// The levels.
const (
	// OK says that every check is well.
	OK Level = iota
	// Degraded says that the database can be read and something else is wrong: the checks say what.
	Degraded
	// Down says that not even reading works.
	Down
)

// String returns the level in lower case.
func (l Level) String() string {
	switch l {
	case OK:
		return "ok"
	case Degraded:
		return "degraded"
	}
	return "down"
}

// LevelOf is what checks come to.
func LevelOf(checks []Check) Level {
	level := OK
	for _, c := range checks {
		switch {
		case c.OK:
		case c.Name == "read":
			return Down
		default:
			level = Degraded
		}
	}
	return level
}

// ReadyOf reports whether work can be taken.
func ReadyOf(checks []Check) bool {
	for _, c := range checks {
		if !c.Ready {
			return false
		}
	}
	return true
}
