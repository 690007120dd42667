package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// Component is the component that the application's own migrations belong to.
// Others are kept apart from it in the history.
const Component = "main"

// Conn is what a migration needs from a connection that nobody else uses
// meanwhile; *sqlite.Conn is one.
type Conn interface {
	// Exec runs one control statement past the guard: BEGIN, COMMIT, PRAGMA.
	Exec(sql string) error
	// Script runs statements one by one and calls each before every one.
	Script(sql string, each func(stmt string) error) error
	// QueryInt and QueryText return the first column of the first row.
	QueryInt(sql string) (int64, error)
	QueryText(sql string) (string, error)
	// Autocommit reports whether no transaction is open.
	Autocommit() bool
}

// Set is a checked, ordered list of migrations. It does not change after
// [Load] and is safe for concurrent use.
type Set struct {
	list []*Migration
}

// Load reads every *.sql file at the root of fsys and its sum file.
//
// # Errors
//
// A [*FormatError] for a file that cannot be read as a migration; a
// [*ConflictError] with every gap, duplicate number and wrong checksum.
func Load(fsys fs.FS) (*Set, error) {
	if fsys == nil {
		return nil, errors.New("migrate: no file system given; pass one that holds the migration files")
	}
	list, err := parseAll(fsys)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, conflicts([]*Conflict{{Code: BadSet, Detail: "no migration found", Remedy: "pass a file system with files like 0001_what_it_does.sql at its root"}})
	}
	bad := checkNumbers(list)
	content, err := fs.ReadFile(fsys, SumFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		bad = append(bad, &Conflict{Code: BadSet, Detail: SumFile + " is missing", Remedy: "embed it beside the migration files"})
	case err != nil:
		return nil, fmt.Errorf("migration sums: %w", err)
	default:
		bad = append(bad, checkSum(content, list)...)
	}
	if err := conflicts(bad); err != nil {
		return nil, err
	}
	return &Set{list: list}, nil
}

// checkNumbers wants 1, 2, 3 … in a list sorted by file name.
func checkNumbers(list []*Migration) []*Conflict {
	var out []*Conflict
	next := 1
	for i, m := range list {
		switch {
		case i > 0 && m.Version == list[i-1].Version:
			out = append(out, &Conflict{Code: BadSet, Version: m.Version, Detail: m.File + " and " + list[i-1].File + " have the same number",
				Remedy: "renumber the one that was not released"})
			continue
		case m.Version > next:
			out = append(out, &Conflict{Code: BadSet, Version: m.Version, Detail: fmt.Sprintf("%04d is missing before %s", next, m.File),
				Remedy: "restore the missing file, or renumber what was not released"})
		}
		next = m.Version + 1
	}
	return out
}

// Migrations returns the set in order. The elements must not be changed.
func (s *Set) Migrations() []*Migration { return append([]*Migration(nil), s.list...) }

// Latest is the version a database has once the whole set is applied.
func (s *Set) Latest() int { return s.list[len(s.list)-1].Version }

// Status says where a database stands against a set.
type Status struct {
	Current   int          // highest applied version; 0 for none
	Latest    int          // of the program's set; lower than Current where a newer program was here
	Pending   []*Migration // in the order they will run
	Epoch     int64        // user_version: goes up with every change of the schema
	Conflicts []*Conflict  // reasons not to start; nil is good
}

// Err returns a [*ConflictError] when there are conflicts, else nil.
func (s Status) Err() error { return conflicts(s.Conflicts) }

// Status reads the database's history. It takes no lock and writes nothing.
func (s *Set) Status(ctx context.Context, conn Conn) (Status, error) {
	if err := ctx.Err(); err != nil {
		return Status{}, context.Cause(ctx)
	}
	st := Status{Latest: s.Latest()}
	var err error
	if st.Epoch, err = conn.QueryInt("PRAGMA user_version"); err != nil {
		return Status{}, fmt.Errorf("migrate: read the epoch: %w", err)
	}
	rows, managed, err := readHistory(conn)
	if err != nil {
		return Status{}, err
	}
	if !managed {
		st.Conflicts = s.unmanaged(conn, &err)
		st.Pending = s.Migrations()
		return st, err
	}
	s.compare(&st, rows)
	return st, nil
}

// unmanaged refuses to lay our schema over tables that somebody else made.
// A database with an application id has passed the identity check of whoever
// opened it.
func (s *Set) unmanaged(conn Conn, err *error) []*Conflict {
	var id, objects int64
	if id, *err = conn.QueryInt("PRAGMA application_id"); *err != nil {
		return nil
	}
	if objects, *err = conn.QueryInt("SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"); *err != nil {
		return nil
	}
	if id != 0 || objects == 0 {
		return nil
	}
	return []*Conflict{{Code: Unmanaged, Detail: fmt.Sprintf("the database holds %d objects that another program made", objects),
		Remedy: "adopt it with a baseline, or give the URL of a new database"}}
}

// compare finds what is pending and everything that does not fit.
func (s *Set) compare(st *Status, rows []applied) {
	have := make(map[int]applied, len(rows))
	floor, floorAt := 0, 0
	for _, a := range rows {
		have[a.Version] = a
		st.Current = max(st.Current, a.Version)
		if a.Version > s.Latest() && a.Compat > floor {
			floor, floorAt = a.Compat, a.Version
		}
	}
	if at := brokenLink(rows); at > 0 {
		st.Conflicts = append(st.Conflicts, &Conflict{Code: BadHistory, Version: at, Detail: "the row in " + historyTable + " was edited or lost",
			Remedy: "restore the table from a backup, or restore the whole database"})
	}
	for _, m := range s.list {
		a, ok := have[m.Version]
		switch {
		case !ok && m.Version < st.Current:
			st.Conflicts = append(st.Conflicts, &Conflict{Code: OutOfOrder, Version: m.Version, Detail: m.File + " is numbered before what is applied already",
				Remedy: fmt.Sprintf("give it a number above %04d", st.Current)})
		case !ok:
			st.Pending = append(st.Pending, m)
		case a.Checksum != m.Checksum:
			st.Conflicts = append(st.Conflicts, &Conflict{Code: Changed, Version: m.Version, Detail: m.File + " was edited after it had been applied",
				Remedy: "restore the file and put the change into a new migration"})
		}
	}
	if floor > s.Latest() {
		st.Conflicts = append(st.Conflicts, &Conflict{Code: Newer, Version: floorAt,
			Detail: fmt.Sprintf("the database is ahead and needs a program that knows version %04d; this one ends at %04d", floor, s.Latest()),
			Remedy: "start a newer program, or take the database back with migrate down"})
	}
}
