package shell

import (
	"strings"

	"github.com/tidegate/engine/internal/sqltext"
)

// collector puts lines together to statements. It reads each line once, so that a statement may have any number of them. Triggers end
// at "; END ;": their own statements end in semicolons too.
type collector struct {
	text  strings.Builder // of the statement that has begun
	begun bool
	open  string // what closes the literal or comment in which the last line ended
	rule  sqltext.Boundary
}

// add takes a line and returns the statements that it completes.
func (c *collector) add(line string) (done []string) {
	line += "\n"
	at, from := 0, 0
	if c.open != "" {
		at, c.open = sqltext.Closing(line, 0, c.open)
		if !c.begun {
			from = at
		}
	}
	for at < len(line) {
		to, k, open := sqltext.Scan(line, at)
		if open != "\n" {
			c.open = open
		}
		switch {
		case k == sqltext.End && !c.rule.Inside():
			if c.begun {
				c.text.WriteString(line[from:at])
				done = append(done, strings.TrimRight(c.text.String(), sqltext.Blanks))
			}
			c.reset()
			from = to
		case k == sqltext.Blank && !c.begun:
			from = to
		case k != sqltext.Blank:
			if !c.begun {
				c.begun, from = true, at
			}
			c.rule.Add(line[at:to], k)
		}
		at = to
	}
	if c.begun {
		c.text.WriteString(line[from:])
	}
	return done
}

// pending reports whether a statement, or a comment, waits for its end.
func (c *collector) pending() bool { return c.begun || c.open != "" }

// reset forgets what was not completed.
func (c *collector) reset() { *c = collector{} }

// rest is the statement that lacks nothing but its semicolon, "" when there is none; whole is false when it lacks more.
func (c *collector) rest() (sql string, whole bool) {
	if !c.begun {
		return "", c.open == ""
	}
	return strings.TrimRight(c.text.String(), sqltext.Blanks), c.open == "" && !c.rule.Inside()
}
