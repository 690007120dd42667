// Package retry says what a failure of the store means for the call that met it: whether it may be run again, where and how often, what
// it counts against, and whether the connection or the whole database has to be taken out of use. Decide is that table, and it is pure:
// lanes and the root package ask it and act. Delays, the budget and the bounds of one call's retries are here too.
package retry

import "github.com/tidegate/engine/core/sqlite"

// Phase is what was being done when the store failed.
type Phase uint8

// The phases.
const (
	Open       Phase = iota // a connection was being opened
	Begin                   // a write transaction was being started; nothing of the caller's had run
	Read                    // a statement that reads, outside a write transaction
	Write                   // a statement of a write transaction, before its COMMIT
	Commit                  // the COMMIT
	Checkpoint              // the log was being copied into the database, after the acknowledgement
)

// String returns the phase in lower case.
func (p Phase) String() string {
	names := [...]string{"open", "begin", "read", "write", "commit", "checkpoint"}
	if int(p) < len(names) {
		return names[p]
	}
	return "unknown"
}

// Again says how often what failed may be run once more.
type Again uint8

// The answers. All but Never hold only while the deadline and the budget allow it.
const (
	Never       Again = iota
	Once              // one more run, at once
	Thrice            // up to three more runs, each after a delay
	WithBackoff       // as often as fits into half of what was left until the deadline, each after a delay
)

// String returns the answer in lower case.
func (a Again) String() string {
	names := [...]string{"never", "once", "up to 3 times", "with backoff"}
	if int(a) < len(names) {
		return names[a]
	}
	return "unknown"
}

// Most is the greatest number of further runs; 0 for Never, -1 where only time bounds it.
func (a Again) Most() int {
	switch a {
	case Once:
		return 1
	case Thrice:
		return 3
	case WithBackoff:
		return -1
	}
	return 0
}

// Where says what is run again, and on which connection.
type Where uint8

// The places.
const (
	Nowhere       Where = iota
	Statement           // the same statement on the same connection: BEGIN, or COMMIT itself
	Transaction         // the whole transaction from its start
	NewConnection       // the whole transaction or read, on a connection that was opened after the failure
	Analytics           // the read, on the analytics lane, whose connections may use more memory
)

// String returns the place in lower case.
func (w Where) String() string {
	names := [...]string{"–", "the same statement", "the whole transaction", "a new connection", "the analytics lane"}
	if int(w) < len(names) {
		return names[w]
	}
	return "unknown"
}

// Domain is what a failure counts against: the breaker of that domain opens when there are too many.
type Domain uint8

// The domains.
const (
	NoDomain    Domain = iota // never counted
	Storage                   // the device under the database
	Writing                   // space and permission to write
	Opening                   // opening connections
	Fingerprint               // the statement itself, by its fingerprint
)

// String returns the name of the domain's breaker.
func (d Domain) String() string {
	names := [...]string{"none", "storage", "write", "open", "fingerprint"}
	if int(d) < len(names) {
		return names[d]
	}
	return "unknown"
}

// Decision is what to do about a failure. The zero value is: never again, nobody's fault but the statement's.
type Decision struct {
	Again      Again
	Where      Where
	Domain     Domain
	Discard    bool // the connection must not be used on
	Unknown    bool // it cannot be told from here whether the transaction was committed
	Trip       bool // one is enough to open the domain's breaker; it must be verified before it closes
	Quarantine bool // nothing may be written until an operator has looked
}

// Extended result codes that mean something else than their class says.
const (
	codeReadOnlyRecovery = 8 | 1<<8 // the log needs recovery and this connection may not do it; the next one may find it done
	codeReadOnlyCantInit = 8 | 5<<8 // the shared memory is not initialised yet
	codeCorruptVTab      = 11 | 1<<8
)

// Decide looks a failure up. code is SQLite's extended result code, 0 where SQLite was not asked.
func Decide(class sqlite.ErrorClass, code int, phase Phase) Decision {
	switch class {
	case sqlite.Busy:
		return busy(phase)
	case sqlite.BusySnapshot:
		if phase == Checkpoint {
			return Decision{}
		}
		return Decision{Again: Thrice, Where: Transaction}
	case sqlite.Schema, sqlite.Protocol:
		return once(phase)
	case sqlite.ReadOnly:
		switch code {
		case codeReadOnlyRecovery, codeReadOnlyCantInit:
			return once(phase)
		case 0: // the engine's own refusal: nobody's disk is at fault
			return Decision{}
		}
		return Decision{Domain: Writing}
	case sqlite.Full:
		return Decision{Domain: Writing}
	case sqlite.Interrupt:
		return Decision{Domain: Fingerprint} // where it was not the caller or an operator: see Of
	case sqlite.OutOfMemory, sqlite.Poisoned:
		return memory(phase)
	case sqlite.IO:
		return device(phase)
	case sqlite.Fsync:
		return Decision{Domain: Storage, Discard: true, Trip: true, Unknown: phase == Commit}
	case sqlite.CantOpen, sqlite.Moved:
		return unopened(phase)
	case sqlite.Corrupt, sqlite.NotADB:
		return damaged(code, phase)
	case sqlite.Fenced:
		return Decision{Discard: true, Unknown: phase == Commit}
	}
	return Decision{}
}

// busy waits for another program's lock. After a COMMIT that met one the transaction still stands, so COMMIT itself is tried again.
func busy(phase Phase) Decision {
	switch phase {
	case Begin, Commit:
		return Decision{Again: WithBackoff, Where: Statement}
	case Open, Read:
		return Decision{Again: WithBackoff, Where: NewConnection}
	case Write:
		return Decision{Again: WithBackoff, Where: Transaction}
	}
	return Decision{}
}

func once(phase Phase) Decision {
	switch phase {
	case Begin:
		return Decision{Again: Once, Where: Statement}
	case Open, Read:
		return Decision{Again: Once, Where: NewConnection}
	case Write:
		return Decision{Again: Once, Where: Transaction}
	case Commit:
		// The transaction was rolled back with the connection: these codes come before anything is written to the log.
		return Decision{Again: Once, Where: Transaction}
	}
	return Decision{}
}

func memory(phase Phase) Decision {
	d := Decision{Domain: Fingerprint, Discard: true, Unknown: phase == Commit}
	if phase == Read {
		d.Again, d.Where = Once, Analytics
	}
	return d
}

func device(phase Phase) Decision {
	d := Decision{Domain: Storage, Discard: true}
	switch phase {
	case Open, Begin, Read, Write:
		d.Again, d.Where = Once, NewConnection
	case Commit:
		d.Unknown = true
	}
	return d
}

func unopened(phase Phase) Decision {
	d := Decision{Domain: Opening, Discard: true}
	switch phase {
	case Open, Begin, Read, Write:
		d.Again, d.Where = WithBackoff, NewConnection
	case Commit:
		d.Unknown = true
	}
	return d
}

// damaged takes the whole database out of use for writers. Two kinds of damage are smaller: a file that could not be opened as a database
// has no writer yet (that of a connection beside one that is open is asked for as what a read has met), and what a virtual table says about its own index is repaired by rebuilding that index.
func damaged(code int, phase Phase) Decision {
	if code == codeCorruptVTab {
		return Decision{}
	}
	return Decision{Discard: true, Quarantine: phase != Open, Unknown: phase == Commit}
}
