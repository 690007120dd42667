package sqlite

// Dial is asked and told about the opening of connections by Connect, so that its owner can stop trying while none can be opened. Its
// functions must be safe for concurrent use and must not block. The zero value is nobody.
type Dial struct {
	Before func() error    // its error, as it is, is what Connect returns, and nothing is opened
	After  func(err error) // how an attempt went that Before let through
}

// KeepLog makes closing a connection leave the write-ahead log where it is instead of copying it into the database. Safe for
// concurrent use.
func (s *Store) KeepLog(on bool) { s.keepLog.Store(on) }
