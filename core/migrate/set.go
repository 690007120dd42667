package migrate

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"sort"
)

// Component is the component that the application's own migrations belong to.
// Others are kept apart from it in the history.
const Component = "main"

// Set is a checked, ordered list of migrations of one component. It does not change after
// [Load] and is safe for concurrent use.
type Set struct {
	component string
	list      []*Migration
}

// LoadOption changes what [Load] makes of its files.
type LoadOption func(*loading)

type loading struct {
	component string
	coded     []GoMigration
	loose     bool
}

// InComponent loads the migrations of a plug-in. Its tables' names begin with p_<name>_, which the migrations cannot step out of.
func InComponent(name string) LoadOption { return func(l *loading) { l.component = name } }

// WithGo adds migrations written in Go; their versions and those of the files are one sequence.
func WithGo(list ...GoMigration) LoadOption { return func(l *loading) { l.coded = list } }

// WithoutSums loads files whose sum file is missing or out of date: for the tools that write it.
func WithoutSums() LoadOption { return func(l *loading) { l.loose = true } }

var componentName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// Load reads every *.sql file at the root of fsys and its sum file.
//
// # Errors
//
// A [*FormatError] for a file that cannot be read as a migration; a
// [*ConflictError] with every gap, duplicate number and wrong checksum.
func Load(fsys fs.FS, options ...LoadOption) (*Set, error) {
	l := loading{component: Component}
	for _, o := range options {
		o(&l)
	}
	if fsys == nil {
		return nil, errors.New("migrate: no file system given; pass one that holds the migration files")
	}
	if !componentName.MatchString(l.component) {
		return nil, fmt.Errorf("migrate: component %q: a name has lower-case letters, digits and dashes, 31 at most", l.component)
	}
	list, err := parseAll(fsys)
	if err != nil {
		return nil, err
	}
	files := slices.Clone(list) // sorting below would otherwise put code among them
	for i := range l.coded {
		m, err := l.coded[i].migration()
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	if len(list) == 0 {
		return nil, conflicts([]*Conflict{{Code: BadSet, Component: l.component, Detail: "no migration found", Remedy: "pass a file system with files like 0001_what_it_does.sql at its root"}})
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].Version < list[j].Version })
	for _, m := range list {
		m.Component = l.component
	}
	bad := checkNumbers(list)
	if !l.loose && len(files) > 0 {
		more, err := sums(fsys, files)
		if err != nil {
			return nil, err
		}
		bad = append(bad, more...)
	}
	for _, c := range bad {
		c.Component = l.component
	}
	if err := conflicts(bad); err != nil {
		return nil, err
	}
	return &Set{component: l.component, list: list}, nil
}

func sums(fsys fs.FS, files []*Migration) ([]*Conflict, error) {
	content, err := fs.ReadFile(fsys, SumFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []*Conflict{{Code: BadSet, Detail: SumFile + " is missing", Remedy: "write it, and embed it beside the migration files", Command: []string{"sum"}}}, nil
	case err != nil:
		return nil, fmt.Errorf("migration sums: %w", err)
	}
	return checkSum(content, files), nil
}

// checkNumbers wants 1, 2, 3 … in a list sorted by version; a squashed set begins where its first file ends.
func checkNumbers(list []*Migration) []*Conflict {
	var out []*Conflict
	next := 1
	if list[0].Squashes != "" {
		next = list[0].Version
	}
	for i, m := range list {
		switch {
		case i > 0 && m.Version == list[i-1].Version:
			out = append(out, &Conflict{Code: BadSet, Version: m.Version, Detail: m.File + " and " + list[i-1].File + " have the same number",
				Remedy: "give the one that was not released the next free number, and write the sums again"})
			continue
		case m.Version > next:
			out = append(out, &Conflict{Code: BadSet, Version: m.Version, Detail: fmt.Sprintf("%04d is missing before %s", next, m.File),
				Remedy: "restore the missing file, or renumber what was not released"})
		}
		if i > 0 && m.Squashes != "" {
			out = append(out, &Conflict{Code: BadSet, Version: m.Version, Detail: m.File + " stands for what came before it, but is not the first file",
				Remedy: "remove the files before it"})
		}
		next = m.Version + 1
	}
	return out
}

// Component is whose migrations these are.
func (s *Set) Component() string { return s.component }

// Migrations returns the set in order. The elements must not be changed.
func (s *Set) Migrations() []*Migration { return append([]*Migration(nil), s.list...) }

// Latest is the version a database has once the whole set is applied.
func (s *Set) Latest() int { return s.list[len(s.list)-1].Version }

// Floor is the version below which the set cannot take a database up: 0, or what a squashed set stands for.
func (s *Set) Floor() int { return s.list[0].Version - 1 }
