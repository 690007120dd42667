package sqldb

import (
	"context"
	"database/sql/driver"
	"sync"
)

// stmt is a prepared statement: its text, read once.
type stmt struct {
	conn *conn
	text *text
}

var (
	_ driver.StmtExecContext  = (*stmt)(nil)
	_ driver.StmtQueryContext = (*stmt)(nil)
)

// Close implements [driver.Stmt].
func (s *stmt) Close() error { return nil }

// NumInput implements [driver.Stmt]. The number of parameters is checked when they are bound, where named ones are known too.
func (s *stmt) NumInput() int { return -1 }

// ExecContext implements [driver.StmtExecContext].
func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.conn.exec(ctx, s.text, args)
}

// QueryContext implements [driver.StmtQueryContext].
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.query(ctx, s.text, args)
}

// Exec implements [driver.Stmt].
func (s *stmt) Exec(args []driver.Value) (driver.Result, error) {
	return s.ExecContext(context.Background(), named(args))
}

// Query implements [driver.Stmt].
func (s *stmt) Query(args []driver.Value) (driver.Rows, error) {
	return s.QueryContext(context.Background(), named(args))
}

func named(args []driver.Value) []driver.NamedValue {
	out := make([]driver.NamedValue, len(args))
	for i, a := range args {
		out[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	return out
}

// texts remembers what was compiled, so that database/sql, which prepares a statement once for each of its connections, does so for
// nothing.
type texts struct {
	mu sync.RWMutex
	m  map[string]*text
}

// maxTexts bounds texts; programs that prepare SQL built from literals would fill it for ever.
const maxTexts = 1024

func (k *texts) get(sql string) *text {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.m[sql]
}

func (k *texts) put(t *text) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.m == nil || len(k.m) >= maxTexts {
		k.m = make(map[string]*text)
	}
	k.m[t.sql] = t
}
