package sqlite

import "github.com/ncruces/go-sqlite3"

// Control is a statement of the engine's own that runs for every transaction of a group, so often that compiling it each
// time would cost more than the transaction's work.
type Control uint8

// The control statements. The savepoint is that of the transaction that is running.
const (
	Mark       Control = iota // SAVEPOINT
	Release                   // RELEASE: keep what was done since Mark
	BeginWrite                // BEGIN IMMEDIATE
	Commit                    // COMMIT
	beginRead
	endRead
	controls
)

func (k Control) sql() string {
	return [...]string{Mark: "SAVEPOINT _tg_job", Release: "RELEASE _tg_job", BeginWrite: "BEGIN IMMEDIATE", Commit: "COMMIT", beginRead: "BEGIN", endRead: "COMMIT"}[k]
}

// Control runs a control statement. Like Exec it passes the guard and is not interrupted.
func (c *Conn) Control(k Control) (err error) {
	if err := c.enter("control"); err != nil {
		return err
	}
	defer c.leave("control", &err)
	return c.runControl(k)
}

// runControl is Control from inside.
func (c *Conn) runControl(k Control) (err error) {
	c.guard.bypass++
	defer func() { c.guard.bypass-- }()
	c.ctx.masked.Add(1)
	defer func() { c.ctx.masked.Add(-1) }()
	s := c.control[k]
	if s == nil {
		if s, _, err = c.raw.PrepareFlags(k.sql(), sqlite3.PREPARE_PERSISTENT); err != nil {
			return c.wrap("control", err)
		}
		c.control[k] = s
	}
	err = s.Exec()
	c.settle()
	return c.wrap("control", err)
}
