package lane

import (
	"context"
	"errors"

	"github.com/tidegate/engine/core/sqlite"
)

// Enforcer judges what transactions change. It is safe for concurrent use.
type Enforcer interface {
	// Attach returns the warden of a writer's connection.
	Attach(conn *sqlite.Conn) Warden
}

// Warden is an Enforcer at one connection. Its methods are called while nobody else uses the connection, by whoever holds it at the time. They
// may ask foreign code, which must end by itself.
type Warden interface {
	// Begin is the begin of a transaction. It is judged by the rules of like where that is given, of a transaction that begins again, else by
	// the rules of now.
	Begin(like Warden) error
	// Before comes ahead of each statement.
	Before()
	// After comes when the statement has ended well, and returns why the transaction must not be committed, or nil. ddl says that the schema may
	// have changed.
	After(ctx context.Context, ddl bool) error
	// Again comes instead of After where the statement was judged before, on the same state.
	Again(ddl bool) error
	// Seal is the end of the transaction's work, ahead of its RELEASE.
	Seal(ctx context.Context) error
	// End is the end of the transaction, whatever became of it.
	End()
}

// guarded is a transaction's side of the enforcer.
type guarded struct {
	warden Warden // nil: nobody judges
	sealed bool   // the last word is spoken
}

// errUnsealed is an error of this package: no transaction is kept that its warden has not let pass.
var errUnsealed = errors.New("the transaction was not judged to its end")

// guard begins to watch a transaction.
func (s *shift) guard(t *Tx) error {
	e := s.w.lanes.cfg.Enforcer
	if e == nil {
		t.sealed = true
		return nil
	}
	like := t.warden
	if s.ward.conn != s.conn {
		s.ward = ward{conn: s.conn, warden: e.Attach(s.conn)}
	}
	t.warden = s.ward.warden
	return t.warden.Begin(like)
}

// ward is the warden of a connection.
type ward struct {
	conn   *sqlite.Conn
	warden Warden
}

// judge lets the warden look at what a statement did.
func (t *Tx) judge(ctx context.Context, ddl bool) error {
	if t.warden == nil {
		return nil
	}
	err := t.warden.After(ctx, ddl)
	if err != nil {
		t.dead = err
	}
	return err
}

// seal lets the warden look at the whole transaction. It is called by the holder of the turn.
func (t *Tx) seal(ctx context.Context) error {
	if t.sealed {
		return nil
	}
	if err := t.enter(); err != nil {
		return err
	}
	err := t.dead
	if err == nil && t.conn.Broken() == nil {
		if err = t.warden.Seal(ctx); err != nil {
			t.dead = err
		}
	}
	t.sealed = err == nil
	return t.exit(err)
}
