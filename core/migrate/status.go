package migrate

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/tidegate/engine/core/sqlite"
)

// Status says where a database stands against a program's migrations.
type Status struct {
	Current    int          // highest applied version of the main schema; 0 for none
	Latest     int          // of the program's main set; lower than Current where a newer program was here
	Pending    []*Migration // of all components, in the order they will run
	Epoch      int64        // user_version: goes up with every change of the schema
	Conflicts  []*Conflict  // reasons not to start; nil is good
	Components []ComponentStatus
	Unsettled  *Run // a run that ended between COMMIT and its probes; the next start resumes there
	// Adopts is true where the database has tables but no history: they become version 0 when the first migration is applied.
	Adopts bool
}

// ComponentStatus is where one component stands.
type ComponentStatus struct {
	Name            string
	Current, Latest int
	Pending         int
}

// Err returns a [*ConflictError] when there are conflicts, else nil.
func (s Status) Err() error { return conflicts(s.Conflicts) }

// view is what decisions are made from, read at one moment.
type view struct {
	entries []Entry
	managed bool
	runs    []Run
	epoch   int64
	appID   int64
	objects []object
	oldHash string // of the way before components, where an entry uses it
}

// look reads everything in one snapshot, or in the transaction that is open.
func look(conn *sqlite.Conn) (v *view, err error) {
	if conn.Autocommit() {
		if err := conn.Exec("BEGIN"); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, conn.Exec("COMMIT")) }()
	}
	v = &view{}
	if v.entries, v.managed, err = readHistory(conn, true); err != nil {
		return nil, err
	}
	if v.runs, err = readRuns(conn); err != nil {
		return nil, err
	}
	if v.epoch, err = conn.QueryInt("PRAGMA user_version"); err != nil {
		return nil, fmt.Errorf("migrate: read the epoch: %w", err)
	}
	if v.appID, err = conn.QueryInt("PRAGMA application_id"); err != nil {
		return nil, fmt.Errorf("migrate: read the identity: %w", err)
	}
	if v.objects, err = readObjects(conn); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(v.entries, func(e Entry) bool { return hasOldHash(e) }) {
		v.oldHash, err = oldHash(conn)
	}
	return v, err
}

func hasOldHash(e Entry) bool {
	return len(e.SchemaHash) > len(oldTag) && e.SchemaHash[:len(oldTag)] == oldTag
}

// components lists everybody who has or could have tables.
func (m *Migrator) components(v *view) []string {
	out := componentsOf(v.entries)
	for _, s := range m.cfg.Sets {
		if !slices.Contains(out, s.component) {
			out = append(out, s.component)
		}
	}
	return out
}

// schemaOf is a component's part of the schema.
func (m *Migrator) schemaOf(v *view, component string) []object {
	return ofComponent(v.objects, component, m.components(v))
}

// compare finds what is pending and everything that does not fit.
func (m *Migrator) compare(v *view) Status {
	st := Status{Epoch: v.epoch}
	if v.appID != sqlite.ApplicationID && !v.managed && len(v.objects) > 0 {
		st.Conflicts = append(st.Conflicts, &Conflict{Code: Unmanaged, Detail: fmt.Sprintf("the database holds %d objects that another program made", len(v.objects)),
			Remedy: "adopt it, which keeps a copy first, or give the URL of a new database", Command: []string{"baseline"}})
	}
	for i := range v.runs {
		switch r := &v.runs[i]; r.State {
		case RunCommitted, RunRestoring:
			st.Unsettled = r
		case RunFailed:
			c := &Conflict{Code: ProbeFailed, Version: r.To, Detail: "run " + r.ID + " failed (" + r.Note + ") and its snapshot could not be put back"}
			c.Remedy, c.Command = "put it back; or, where the migrated database is right or the snapshot is lost, keep it with engine migrate repair --keep-run "+r.ID, []string{"restore", "--run", r.ID}
			if sum, err := fileSum(r.Snapshot); err != nil || sum != r.SHA256 {
				c.Remedy, c.Command = "its snapshot is lost or was changed: look at the database, then keep it", []string{"repair", "--keep-run", r.ID}
			}
			st.Conflicts = append(st.Conflicts, c)
		}
	}
	for _, c := range componentsOf(v.entries) {
		st.Conflicts = append(st.Conflicts, m.checkComponent(v, c)...)
	}
	for _, s := range m.cfg.Sets {
		m.compareSet(v, s, &st)
	}
	st.Adopts = len(of(v.entries, Component)) == 0 && len(m.schemaOf(v, Component)) > 0
	m.checkOrder(v, &st)
	return st
}

// checkComponent finds an edited history and a schema that is not what the history says.
func (m *Migrator) checkComponent(v *view, component string) []*Conflict {
	entries := of(v.entries, component)
	if e, broken := brokenLink(entries); broken {
		return []*Conflict{{Code: BadHistory, Component: component, Version: e.Version, Detail: "the row in " + historyTable + " was edited or lost",
			Remedy: "restore a backup; or, once you have read the history and know that it is right, chain it again", Command: []string{"repair", "--rechain"}}}
	}
	last := entries[len(entries)-1]
	have := hashObjects(m.schemaOf(v, component))
	if hasOldHash(last) {
		have = v.oldHash
	}
	if have == last.SchemaHash {
		return nil
	}
	return []*Conflict{{Code: Drifted, Component: component, Version: last.Version, Detail: "the schema was changed by hand since this migration",
		Remedy: "see what differs with engine migrate diff and undo it, or take it into the history", Command: []string{"repair", "--adopt-drift"}}}
}

func (m *Migrator) compareSet(v *view, s *Set, st *Status) {
	entries := of(v.entries, s.component)
	have := make(map[int]Entry, len(entries))
	cs := ComponentStatus{Name: s.component, Latest: s.Latest()}
	for _, a := range entries {
		have[a.Version] = a
		cs.Current = max(cs.Current, a.Version)
	}
	add := func(c *Conflict) { c.Component = s.component; st.Conflicts = append(st.Conflicts, c) }
	if first := s.list[0]; first.Squashes != "" && cs.Current > 0 && cs.Current < first.Version {
		add(&Conflict{Code: BadSet, Version: first.Version, Detail: fmt.Sprintf("the files up to %04d were squashed, and the database is at %04d", first.Version, cs.Current),
			Remedy: "start a release that still has them once, then this one"})
		s.standing(cs, st)
		return
	}
	s.checkAhead(entries, add)
	misnumbered := false
	for _, mig := range s.list {
		a, ok := have[mig.Version]
		switch {
		case !ok && mig.Version <= cs.Current && misnumbered:
		case !ok && mig.Version < cs.Current && mig.Version > s.Floor():
			misnumbered = true
			add(&Conflict{Code: OutOfOrder, Version: mig.Version, Detail: mig.File + " is numbered before what is applied already",
				Remedy: fmt.Sprintf("give it a number above %04d, or take the later ones back", cs.Current), Command: downTo(mig.Version-1, s.component)})
		case !ok:
			st.Pending = append(st.Pending, mig)
			cs.Pending++
		case a.Checksum == mig.Checksum, mig.Squashes != "" && a.SchemaHash == mig.Squashes, misnumbered:
		default:
			c := s.mismatch(a, mig)
			misnumbered = c.Code != Changed
			add(c)
		}
	}
	s.standing(cs, st)
}

// standing enters where the component is.
func (s *Set) standing(cs ComponentStatus, st *Status) {
	if s.component == Component {
		st.Current, st.Latest = cs.Current, cs.Latest
	}
	st.Components = append(st.Components, cs)
}

// checkAhead refuses a program that the database has left behind.
func (s *Set) checkAhead(entries []Entry, add func(*Conflict)) {
	floor, at := 0, 0
	for _, a := range entries {
		if a.Version > s.Latest() && a.Compat > floor {
			floor, at = a.Compat, a.Version
		}
	}
	if floor > s.Latest() {
		add(&Conflict{Code: Newer, Version: at,
			Detail: fmt.Sprintf("the database is ahead and needs a program that knows version %04d; this one ends at %04d", floor, s.Latest()),
			Remedy: "start a newer program, or take the database back", Command: downTo(s.Latest(), s.component)})
	}
}

// mismatch says why the applied migration is not the one in the file.
func (s *Set) mismatch(a Entry, mig *Migration) *Conflict {
	for _, other := range s.list {
		if other.Checksum == a.Checksum {
			return &Conflict{Code: OutOfOrder, Version: a.Version, Detail: fmt.Sprintf("%s was put in before %s, which the database has applied as %04d", mig.File, other.File, a.Version),
				Remedy: "give the new file a number above what is applied, or take the later ones back", Command: downTo(a.Version-1, s.component)}
		}
	}
	if a.Name != mig.Name {
		return &Conflict{Code: Diverged, Version: a.Version, Detail: fmt.Sprintf("the database has another migration applied under this number: %q, not %q", a.Name, mig.Name),
			Remedy: "two branches added the same number: take theirs back and apply this one", Command: downTo(a.Version-1, s.component)}
	}
	return &Conflict{Code: Changed, Version: a.Version, Detail: mig.File + " was edited after it had been applied",
		Remedy:  "restore the file and put the change into a new migration; or, where the database is right all the same, accept the file (engine migrate diff shows both)",
		Command: acceptCommand(a.Version, s.component)}
}

func downTo(version int, component string) []string {
	return withComponent([]string{"down", "--to", strconv.Itoa(max(version, 0))}, component)
}

func acceptCommand(version int, component string) []string {
	return withComponent([]string{"repair", "--accept", strconv.Itoa(version)}, component)
}

func withComponent(command []string, component string) []string {
	if component == Component || component == "" {
		return command
	}
	return append(command, "--component", component)
}

// checkOrder finds plug-ins that build on a main schema which will not be there.
func (m *Migrator) checkOrder(v *view, st *Status) {
	reach := max(st.Current, st.Latest)
	for _, mig := range st.Pending {
		if mig.Needs > reach && mig.Component != Component {
			st.Conflicts = append(st.Conflicts, &Conflict{Code: WrongOrder, Component: mig.Component, Version: mig.Version,
				Detail: fmt.Sprintf("%s builds on version %04d of the main schema, which ends at %04d", mig.File, mig.Needs, reach),
				Remedy: "start a program with the newer main schema, or an older plug-in"})
		}
	}
}
