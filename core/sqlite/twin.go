package sqlite

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
)

// Twin opens another database with the functions, collations, extensions and sizes of this one, but without its test faults: a clone to
// rehearse on, or a schema in memory.
//
// # Errors
//
// Those of Open.
func (s *Store) Twin(ctx context.Context, loc Location) (*Store, error) {
	opt := s.opt
	opt.Faults = nil
	opt.Create = true // whether this database may be made says nothing about another; loc can say so
	return Open(ctx, loc, opt)
}

// RestoreFrom replaces the whole content of the database by that of the file at path, in one transaction that other programs see
// whole or not at all. The connection must be outside a transaction.
//
// # Errors
//
// Class Busy when somebody else writes; Corrupt when the file does not pass quick_check; IO, Full. The database is unchanged then.
func (c *Conn) RestoreFrom(path string) (err error) {
	if err := c.enter("restore"); err != nil {
		return err
	}
	defer c.leave("restore", &err)
	full, err := vfsPath(path)
	if err != nil {
		return &Error{Class: CantOpen, Op: "restore", Msg: path + " cannot be found", Cause: err}
	}
	if _, err := os.Stat(full); err != nil {
		return &Error{Class: CantOpen, Op: "restore", Msg: path + " cannot be opened", Cause: err}
	}
	slashed := filepath.ToSlash(full)
	if slashed[0] != '/' {
		slashed = "/" + slashed
	}
	uri := (&url.URL{Scheme: "file", Path: slashed, RawQuery: "vfs=os"}).String()
	if err := checkCopy(uri); err != nil {
		return err
	}
	if err := c.raw.Restore("main", uri+"&immutable=1"); err != nil {
		return c.wrap("restore", err)
	}
	c.store.gen.Add(1)
	return nil
}
