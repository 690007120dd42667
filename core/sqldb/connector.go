package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// Begin says how a transaction starts that is not declared read only.
type Begin uint8

const (
	// Immediate takes the writer at BeginTx. It is the zero value.
	Immediate Begin = iota
	// ReadFirst reads from one snapshot until the first statement that writes, and takes the writer then.
	ReadFirst
)

// Limits of a transaction that a client holds open, where [Options] says nothing else.
const (
	DefaultHold = 5 * time.Second
	DefaultIdle = time.Second
)

// Options configure the sessions of a [Connector]. The zero value works.
type Options struct {
	// Begin is how a transaction starts.
	Begin Begin
	// Hold is how long a transaction may keep the writer; 0: DefaultHold.
	Hold time.Duration
	// Idle is how long it may keep it between two statements; 0: DefaultIdle.
	Idle time.Duration
	// Class is the admission class of every statement and transaction.
	Class lane.Class
	// Tenant is on whose behalf they are made, "" for nobody's; see [lane.Quotas].
	Tenant string
	// Relaxed commits are not synced; see [lane.JobOptions].
	Relaxed bool
	// Name stands for the sessions in errors, spans and statistics; may be empty.
	Name string
	// Keys finds out what is to be applied once; nil: nothing is.
	Keys Keys
}

// Host is what the driver needs of the engine around it. It is safe for concurrent use.
type Host interface {
	// Admit refuses a call, named for the error, that must not be made: the engine is closed, or ctx is that of a closure whose
	// end the call would wait for.
	Admit(ctx context.Context, call string) error
	// Arg makes an argument a value that can be bound without running foreign code. Name is "" for a positional one.
	Arg(v any, ordinal int, name string) (any, error)
	// Time reads a point in time; false when v is none.
	Time(v *sqlite.Value) (time.Time, bool)
	// Statement begins the record of one execution; write says which lane it is for.
	Statement(ctx context.Context, sql string, write bool) Statement
	// Transaction begins the record of a transaction.
	Transaction(ctx context.Context, readOnly bool) Transaction
	// Translate gives an error of the inner packages its public form. It leaves its own results as they are.
	Translate(err error) error
}

// Statement is the record of one execution.
type Statement interface {
	// Bound notes what is bound. The slice is good until End.
	Bound(args []any)
	// Allow is asked ahead of the execution; its error is why the statement must not run now.
	Allow() error
	// Again reports whether a read that failed before its first row is run once more, after it has waited for its time. It changes want
	// to say where.
	Again(ctx context.Context, err error, want *lane.ReadOptions) bool
	// End closes the record and returns the outcome's error in its public form. It is called once.
	End(ctx context.Context, o Outcome) error
}

// Outcome is how an execution ended.
type Outcome struct {
	Result lane.Result
	Report lane.Report // of a statement that was a transaction of its own
	Wrote  bool        // it ran on the writer
	Err    error
}

// Transaction is the record of a transaction.
type Transaction interface {
	// Context puts ctx, of one of its statements, under the transaction.
	Context(ctx context.Context) context.Context
	// End closes the record. It is called once.
	End(o TxOutcome)
}

// TxOutcome is how a transaction ended.
type TxOutcome struct {
	Report     lane.Report
	Statements int
	Committed  bool
	Err        error // in its public form
}

// Connector opens sessions. It implements [driver.Connector] and is safe for concurrent use.
type Connector struct {
	lanes *lane.Lanes
	host  Host
	opt   Options
	err   error // what is wrong with the options
	known texts
	shape shapes
	spare sync.Pool // of *reading
}

// New returns a connector on the lanes. With mistake not nil every use of it returns that error.
func New(lanes *lane.Lanes, host Host, opt Options, mistake error) *Connector {
	if opt.Hold == 0 {
		opt.Hold = DefaultHold
	}
	if opt.Idle == 0 {
		opt.Idle = DefaultIdle
	}
	return &Connector{lanes: lanes, host: host, opt: opt, err: mistake}
}

// Connect implements [driver.Connector]. It opens nothing and waits for nothing.
func (c *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	if c.err != nil {
		return nil, c.err
	}
	if err := c.host.Admit(ctx, "Conn"); err != nil {
		return nil, err
	}
	return &conn{Connector: c}, nil
}

// Driver implements [driver.Connector].
func (c *Connector) Driver() driver.Driver { return opener{} }

// opener is the driver of a database that is open already.
type opener struct{}

// Open refuses: there is no name under which an open engine could be found.
func (opener) Open(string) (driver.Conn, error) {
	return nil, errors.New("sqldb: the driver has no names of databases: open the engine and use its SQL method")
}

// read is what a statement outside a transaction asks of a lane of readers.
func (c *Connector) read() lane.ReadOptions {
	return lane.ReadOptions{Class: c.opt.Class, Tenant: c.opt.Tenant, Name: c.opt.Name}
}

// job is what a statement outside a transaction asks of the writer.
func (c *Connector) job() lane.JobOptions {
	return lane.JobOptions{Class: c.opt.Class, Tenant: c.opt.Tenant, Relaxed: c.opt.Relaxed, Name: c.opt.Name}
}
