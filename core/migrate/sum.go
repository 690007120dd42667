package migrate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"sort"
	"strings"
)

// SumFile is the name of the file that holds a set's checksums.
const SumFile = "engine.sum"

// sumTag names how a checksum is made: text normalised the first way, then
// SHA-256. Another way gets another tag, so that old checksums stay readable.
const sumTag = "n1-sha256:"

// normalise makes equal what editors and version control change without
// changing the SQL: byte order mark, line ends, space at the end of a line and
// empty lines at the end of the file.
func normalise(content []byte) string {
	text := strings.TrimPrefix(string(content), "\uFEFF")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " \t")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

func checksum(normalised string) string { return sumTag + digest(normalised) }

func digest(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

// Sum returns what the sum file of fsys should hold: a line per migration, in
// order. Two branches that both add the same number collide on it in git.
func Sum(fsys fs.FS) ([]byte, error) {
	list, err := parseAll(fsys)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for _, m := range list {
		fmt.Fprintf(&b, "%s %s\n", m.File, m.Checksum)
	}
	return []byte(b.String()), nil
}

func parseAll(fsys fs.FS) ([]*Migration, error) {
	names, err := fs.Glob(fsys, "*.sql")
	if err != nil {
		return nil, err
	}
	sort.Strings(names)
	var list []*Migration
	for _, name := range names {
		content, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("migration %s: %w", name, err)
		}
		m, err := Parse(name, content)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

// checkSum compares a sum file with the migrations beside it.
func checkSum(content []byte, list []*Migration) []*Conflict {
	var out []*Conflict
	bad := func(version int, detail string) {
		out = append(out, &Conflict{Code: BadSet, Version: version, Detail: detail,
			Remedy: "if the change is meant and was never released, write " + SumFile + " again; else restore the file", Command: []string{"sum"}})
	}
	want := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(normalise(content)), "\n") {
		name, sum, ok := strings.Cut(strings.TrimSpace(line), " ")
		if _, twice := want[name]; !ok || twice {
			bad(0, fmt.Sprintf("%s: line %q is damaged or repeated", SumFile, line))
			continue
		}
		want[name] = strings.TrimSpace(sum)
	}
	for _, m := range list {
		sum, ok := want[m.File]
		switch {
		case !ok:
			bad(m.Version, m.File+" is not listed in "+SumFile)
		case !strings.HasPrefix(sum, sumTag):
			bad(m.Version, m.File+": its line in "+SumFile+" was made by a method that this program does not know")
		case sum != m.Checksum:
			bad(m.Version, m.File+" differs from its line in "+SumFile)
		}
		delete(want, m.File)
	}
	gone := make([]string, 0, len(want))
	for name := range want {
		gone = append(gone, name)
	}
	sort.Strings(gone)
	for _, name := range gone {
		bad(0, SumFile+" lists "+name+", which is missing")
	}
	return out
}
