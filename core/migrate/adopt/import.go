package adopt

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/tidegate/engine/internal/sqltext"
)

// File is a migration in our format.
type File struct {
	Name    string // 0001_words.sql
	Content []byte
	From    string   // the file of the other tool; "" for what was added
	Foreign int64    // its number there
	Notes   []string // what was changed in it
}

// Imported is what becomes of a folder and a history.
type Imported struct {
	Files []File
	// At is the number of the last file whose work the database has already: the migrator takes it over there.
	At int
}

// NoWayBack is what stands under "-- +down" of a migration that came without a way back: it fails, so that nobody believes to have gone back.
const NoWayBack = "SELECT no_way_back_was_ever_written();"

// Import writes the migrations of a folder in our format. With a history, the files that it says are applied come first; behind them stands
// one that makes the table in which the tool kept it, since that is a part of the schema, too. A history of Version 0 with no table is that
// of a new database: only files.
//
// # Errors
//
// [ErrForeign] for what has no counterpart, each with what to do with the old tool first: migrations in Go, numbers applied out of order or
// without a file.
func Import(fsys fs.FS, h History) (Imported, error) {
	list, err := readSources(fsys, h.Tool)
	if err != nil {
		return Imported{}, err
	}
	done, err := applied(list, h)
	if err != nil {
		return Imported{}, err
	}
	var out Imported
	for i, s := range list {
		if i == done {
			out.history(h)
		}
		if len(out.Files) == maxFiles {
			return Imported{}, refuse("squash old ones with the old tool first", "there are more than %d migrations", maxFiles)
		}
		if err := s.whole(); err != nil {
			return Imported{}, err
		}
		out.Files = append(out.Files, s.rendered(len(out.Files)+1))
	}
	if done == len(list) {
		out.history(h)
	}
	out.At = done
	if h.Table != "" {
		out.At++
	}
	return out, nil
}

// maxFiles is what four digits can number.
const maxFiles = 9999

// history adds the file that makes the table of the other tool.
func (out *Imported) history(h History) {
	if h.Table == "" {
		return
	}
	n := len(out.Files) + 1
	up := strings.Join(h.Schema, ";\n\n") + ";"
	out.Files = append(out.Files, File{Name: fmt.Sprintf("%04d_%s.sql", n, slug(h.Table)),
		Content: render("the history that "+string(h.Tool)+" kept", nil, up, "DROP TABLE "+sqltext.QuoteName(h.Table)+";"), Notes: []string{"added: the table is a part of the schema"}})
}

// applied counts how many of the sources the history has.
func applied(list []source, h History) (int, error) {
	has := func(v int64) bool {
		if h.Applied != nil {
			return slices.Contains(h.Applied, v)
		}
		return v <= h.Version
	}
	n := 0
	for i, s := range list {
		switch {
		case !has(s.version):
		case n < i:
			return 0, refuse("apply or remove it with the old tool first, so that nothing is missing in between", "%s is applied, but %s before it is not", s.file, list[n].file)
		default:
			n++
		}
	}
	known := func(v int64) bool { return slices.ContainsFunc(list, func(s source) bool { return s.version == v }) }
	for _, v := range append(slices.Clone(h.Applied), h.Version) {
		if v > 0 && !known(v) {
			return 0, refuse("restore the file, or adopt the database without a history: engine migrate baseline", "version %d is applied, and the folder has no file of it", v)
		}
	}
	return n, nil
}

// rendered writes a source in our format.
func (s *source) rendered(n int) File {
	f := File{Name: fmt.Sprintf("%04d_%s.sql", n, slug(s.name)), From: s.file, Foreign: s.version, Notes: s.notes}
	up, taken := clean(s.up)
	down, takenDown := clean(s.down)
	for _, t := range append(taken, takenDown...) {
		f.Notes = append(f.Notes, "taken out: "+t)
	}
	if len(sqltext.Statements(up)) == 0 {
		up += "\nSELECT 1; -- the file holds no statement"
		f.Notes = append(f.Notes, "holds no statement")
	}
	if len(sqltext.Statements(down)) == 0 {
		down += "\n" + NoWayBack
		f.Notes = append(f.Notes, "has no way back")
	}
	name := strings.ReplaceAll(slug(s.name), "_", " ")
	if list := dropped(up); len(list) > 0 {
		f.Notes = append(f.Notes, "drops a table with its rows")
		name += "\n-- touches: " + strings.Join(list, ", ")
	}
	f.Content = render(name, append([]string{"from " + s.file}, f.Notes...), up, down)
	return f
}

// render writes a file of ours. The remarks hold no colon behind their first word, which would make them headers.
func render(name string, remarks []string, up, down string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "-- migration: %s\n", name)
	for _, r := range remarks {
		fmt.Fprintf(&b, "-- (%s)\n", strings.ReplaceAll(r, "\n", " "))
	}
	fmt.Fprintf(&b, "-- +up\n%s\n-- +down\n%s\n", terminated(up), terminated(down))
	return []byte(b.String())
}

// terminated ends the last statement, so that nothing that follows can belong to it.
func terminated(sql string) string {
	sql = strings.Trim(sql, "\n")
	list := sqltext.Statements(sql)
	if len(list) == 0 {
		return sql
	}
	last := list[len(list)-1]
	if strings.HasPrefix(strings.TrimSpace(sql[last.End:]), ";") {
		return sql
	}
	return sql[:last.End] + ";" + sql[last.End:]
}

// slug makes a file name of a name.
func slug(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	if len(words) == 0 {
		return "unnamed"
	}
	return strings.Join(words, "_")
}

// dropped lists all tables that a script changes where it also drops one for good. Our migrator lets no rows go that a file does not speak
// of, and the author of this one meant it; a table that is only rebuilt stays under the migrator's eyes.
func dropped(up string) []string {
	list := sqltext.Statements(up)
	var touched []string
	add := func(name string) {
		if name = strings.ToLower(name); name != "" && !slices.Contains(touched, name) && !strings.ContainsAny(name, ",\n") {
			touched = append(touched, name)
		}
	}
	gone, away, made := map[string]bool{}, map[string]string{}, map[string]bool{}
	lost, copied := false, map[string]bool{} // copied: its rows went somewhere before it was dropped
	for _, s := range list {
		switch w := strings.Join(s.Words(2), " "); w {
		case "DROP TABLE":
			i := 2
			if s.Has("IF", "EXISTS") {
				i = 4
			}
			name, _ := s.NameAt(i)
			gone[strings.ToLower(name)] = true
			lost = lost || !copied[strings.ToLower(name)] && !made[strings.ToLower(name)]
			add(name)
		case "ALTER TABLE":
			name, next := s.NameAt(2)
			add(name)
			if to, _ := s.NameAt(next + 2); next+1 < len(s.Tokens) && s.Tokens[next].Is("RENAME") && s.Tokens[next+1].Is("TO") {
				delete(gone, strings.ToLower(to))
				away[strings.ToLower(to)] = strings.ToLower(name)
				add(to)
			}
		default:
			for i, t := range s.Tokens {
				if (t.Is("FROM") || t.Is("JOIN")) && s.Tokens[0].Is("INSERT") {
					name, _ := s.NameAt(i + 1)
					copied[strings.ToLower(name)] = true
				}
				if k := i + 1; k < len(s.Tokens) && (t.Is("INTO") || t.Is("UPDATE") || t.Is("FROM") && i > 0 && s.Tokens[i-1].Is("DELETE")) && !s.Tokens[0].Is("CREATE") {
					name, _ := s.NameAt(k)
					add(name)
				}
			}
			if w == "CREATE TABLE" {
				name, _ := s.NameAt(2)
				if s.Has("IF", "NOT", "EXISTS") {
					name, _ = s.NameAt(5)
				}
				delete(gone, strings.ToLower(name))
				made[strings.ToLower(name)] = true
			}
		}
	}
	for old, name := range away { // the old one was renamed before the new one was made
		if made[name] {
			delete(gone, old)
		}
	}
	if len(gone) == 0 && !lost {
		return nil
	}
	return touched
}
