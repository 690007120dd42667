package adopt

import (
	"bytes"
	"fmt"
	"io/fs"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidegate/engine/internal/sqltext"
)

// source is one migration of another tool.
type source struct {
	version  int64
	name     string
	file     string
	up, down string
	notes    []string
}

var (
	plainFile  = regexp.MustCompile(`^(\d+)[_-](.+)\.sql$`)
	pairedFile = regexp.MustCompile(`^(\d+)_(.*)\.(up|down)\.sql$`)
)

// readSources reads the migrations of a folder in their order.
func readSources(fsys fs.FS, tool Tool) ([]source, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("adopt: read the folder: %w", err)
	}
	found := map[int64]*source{}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		name := e.Name()
		if tool == Goose && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && regexp.MustCompile(`^\d+_`).MatchString(name) {
			return nil, refuse("write it as SQL, or as a Go migration of the embedding program", "%s is a migration in Go", name)
		}
		content, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("adopt: %w", err)
		}
		if !utf8.Valid(content) || bytes.IndexByte(content, 0) >= 0 {
			if pairedFile.MatchString(name) || plainFile.MatchString(name) {
				return nil, refuse("save it as UTF-8 without NUL bytes", "%s is no text", name)
			}
			continue
		}
		if err := readSource(found, tool, name, text(content)); err != nil {
			return nil, err
		}
	}
	out := make([]source, 0, len(found))
	for _, s := range found {
		out = append(out, *s)
	}
	sort.Slice(out, func(i, k int) bool { return out[i].version < out[k].version })
	if len(out) == 0 {
		return nil, refuse("name the folder that holds them with --dir", "the folder has no migration of %s", tool)
	}
	return out, nil
}

func text(content []byte) string {
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.TrimPrefix(string(content), "\ufeff")) // as our parser reads it
}

func readSource(found map[int64]*source, tool Tool, name, content string) error {
	pattern := plainFile
	if tool == GolangMigrate {
		pattern = pairedFile
	}
	m := pattern.FindStringSubmatch(name)
	if m == nil || tool != GolangMigrate && pairedFile.MatchString(name) {
		return nil // not a migration of this tool
	}
	version, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || version < 0 {
		return refuse("rename it", "the number of %s does not fit 64 bits", name)
	}
	s := found[version]
	if s == nil {
		s = &source{version: version, name: m[2], file: name}
		found[version] = s
	} else if tool != GolangMigrate || s.name != m[2] {
		return refuse("renumber one of them with the old tool first", "%s and %s have the same number", s.file, name)
	}
	switch {
	case tool == Goose:
		return s.splitGoose(content)
	case tool == GolangMigrate && m[3] == "down":
		s.down = content
	default:
		s.up = content
	}
	return nil
}

// splitGoose takes a file apart at goose's annotations. Statements need none here: SQLite knows where a trigger ends.
func (s *source) splitGoose(content string) error {
	section := ""
	var up, down strings.Builder
	for i, line := range strings.Split(content, "\n") {
		word, annotated := annotation(line)
		switch {
		case !annotated:
			switch section {
			case "up":
				up.WriteString(line + "\n")
			case "down":
				down.WriteString(line + "\n")
			}
		case word == "up", word == "down":
			section = word
		case word == "statementbegin", word == "statementend":
		case word == "no transaction":
			s.notes = append(s.notes, "goose ran it outside of a transaction")
		case word == "envsub off":
		default:
			return refuse("write the values into the file", "%s line %d: -- +goose %s makes it depend on where it runs, or is unknown", s.file, i+1, word)
		}
	}
	if section == "" {
		return refuse("it has no -- +goose Up", "%s is no migration of goose", s.file)
	}
	s.up, s.down = up.String(), down.String()
	return nil
}

// annotation reads a line such as "-- +goose Up".
func annotation(line string) (word string, ok bool) {
	comment, ok := strings.CutPrefix(strings.TrimSpace(line), "--")
	if !ok {
		return "", false
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(comment), "+goose")
	if !ok {
		return "", false
	}
	return strings.ToLower(strings.Join(strings.Fields(rest), " ")), true
}

// clean takes out what our migrator refuses and has no need of, since all of a run is one transaction with foreign keys off: control of the
// transaction, and settings of the connection. Each one stays as a comment.
func clean(sql string) (out string, taken []string) {
	var b strings.Builder
	at := 0
	for _, s := range sqltext.Statements(sql) {
		switch s.Words(1)[0] {
		case "BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA", "VACUUM":
		default:
			continue
		}
		end := s.End
		if i := strings.IndexByte(sql[end:], ';'); i >= 0 && strings.TrimSpace(sql[end:end+i]) == "" {
			end += i + 1
		}
		what := strings.Join(strings.Fields(s.Text), " ")
		b.WriteString(sql[at:s.Start])
		b.WriteString("-- taken out: " + what + "\n")
		at = end
		taken = append(taken, what)
	}
	b.WriteString(sql[at:])
	return section(b.String()), taken
}

// section hides lines that our format would take for the begin of a section.
func section(sql string) string {
	lines := strings.Split(sql, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, "-- +") {
			lines[i] = "--  +" + l[len("-- +"):]
		}
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

// whole refuses text that would not mean the same inside a file of ours: one that ends within a comment or a string takes what follows
// along, and a string with a line like a section's would be cut.
func (s *source) whole() error {
	for _, sql := range []string{s.up, s.down} {
		tokens := sqltext.Tokenize(sql + "\nEND")
		if n := len(tokens); n == 0 || tokens[n-1].Text != "END" {
			return refuse("close it with the old tool first", "%s ends inside a comment or a string", s.file)
		}
		for _, t := range tokens {
			if strings.Contains(t.Text, "\n-- +") {
				return refuse("write the string otherwise", "%s has a string with a line that begins with -- +", s.file)
			}
		}
	}
	return nil
}
