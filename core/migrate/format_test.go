package migrate_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tidegate/engine/core/migrate"
)

const small = `-- migration: first table
-- compat: 0001          -- a remark
-- just words
-- +up
CREATE TABLE a (x INTEGER) STRICT;
-- +down
DROP TABLE a;
-- +verify
SELECT x FROM a WHERE x < 0;   -- any row = failure
SELECT ';' FROM a WHERE "odd;name" = 1 /* ; */
`

func TestParse(t *testing.T) {
	t.Parallel()
	m, err := migrate.Parse("0001_first.sql", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if m.Version != 1 || m.Name != "first table" || m.Compat != 1 || m.File != "0001_first.sql" {
		t.Errorf("header read as %+v", m)
	}
	if m.Up != "CREATE TABLE a (x INTEGER) STRICT;\n" || m.Down != "DROP TABLE a;\n" {
		t.Errorf("up %q, down %q", m.Up, m.Down)
	}
	want := []string{"SELECT x FROM a WHERE x < 0", "-- any row = failure\nSELECT ';' FROM a WHERE \"odd;name\" = 1 /* ; */"}
	if len(m.Verify) != 2 || m.Verify[0] != want[0] || m.Verify[1] != want[1] {
		t.Errorf("verify %q, want %q", m.Verify, want)
	}
}

func TestChecksumIgnoresWhatEditorsChange(t *testing.T) {
	t.Parallel()
	sum := func(text string) string {
		t.Helper()
		m, err := migrate.Parse("0001_first.sql", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return m.Checksum
	}
	base := sum(small)
	if !strings.HasPrefix(base, "n1-sha256:") {
		t.Errorf("checksum %q has no algorithm tag", base)
	}
	same := map[string]string{
		"windows line ends": strings.ReplaceAll(small, "\n", "\r\n"),
		"old mac line ends": strings.ReplaceAll(small, "\n", "\r"),
		"byte order mark":   "\uFEFF" + small,
		"trailing space":    strings.ReplaceAll(small, ";\n", "; \t\n"),
		"no final newline":  strings.TrimRight(small, "\n"),
		"empty lines after": small + "\n\n",
	}
	for name, text := range same {
		if sum(text) != base {
			t.Errorf("%s changed the checksum", name)
		}
	}
	if sum(strings.Replace(small, "x < 0", "x < 1", 1)) == base {
		t.Error("changed SQL kept the checksum")
	}
	if sum(strings.Replace(small, "CREATE TABLE a", " CREATE TABLE a", 1)) == base {
		t.Error("leading space, which a string literal may hold, kept the checksum")
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, file, text, says string }{
		{"no version", "first.sql", small, "no version"},
		{"version zero", "0000_first.sql", small, "no version"},
		{"signed version", "+001_first.sql", small, "no version"},
		{"no words", "0001_.sql", small, "no version"},
		{"no name", "0001_a.sql", strings.Replace(small, "migration:", "", 1), "no name"},
		{"two names", "0001_a.sql", "-- migration: x\n" + small, "one name"},

		{"compat above itself", "0001_a.sql", strings.Replace(small, "compat: 0001", "compat: 0002", 1), "compat"},
		{"compat no number", "0001_a.sql", strings.Replace(small, "compat: 0001", "compat: one", 1), "compat"},
		{"sections swapped", "0001_a.sql", strings.Replace(small, "-- +down", "-- +up", 1), "out of order"},
		{"unknown section", "0001_a.sql", strings.Replace(small, "-- +verify", "-- +check", 1), "unknown section"},
		{"SQL before sections", "0001_a.sql", "SELECT 1;\n" + small, "before the first section"},
		{"nothing to apply", "0001_a.sql", strings.Replace(small, "CREATE TABLE a (x INTEGER) STRICT;", "-- ;", 1), "nothing to apply"},
		{"no way back", "0001_a.sql", strings.Replace(small, "DROP TABLE a;", "", 1), "taken back"},
		{"binary", "0001_a.sql", small + "\x00", "not UTF-8"},
		{"latin-1", "0001_a.sql", small + "\xff", "not UTF-8"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := migrate.Parse(c.file, []byte(c.text))
			var fe *migrate.FormatError
			if !errors.As(err, &fe) || !strings.Contains(fe.Msg, c.says) || fe.Remedy == "" {
				t.Fatalf("got %v, want a FormatError about %q with a remedy", err, c.says)
			}
		})
	}
}

// set builds a file system with a right sum file.
func set(t *testing.T, files map[string]string) fstest.MapFS {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	sum, err := migrate.Sum(fsys)
	if err != nil {
		t.Fatal(err)
	}
	fsys[migrate.SumFile] = &fstest.MapFile{Data: sum}
	return fsys
}

func TestLoadReportsEveryConflictAtOnce(t *testing.T) {
	t.Parallel()
	fsys := set(t, map[string]string{"0001_a.sql": small, "0002_b.sql": small, "0002_c.sql": small, "0005_d.sql": small})
	fsys["0001_a.sql"].Data = []byte(strings.Replace(small, "STRICT", "", 1))
	delete(fsys, "0005_d.sql")
	fsys["0004_e.sql"] = &fstest.MapFile{Data: []byte(small)}
	_, err := migrate.Load(fsys)
	if !errors.Is(err, migrate.ErrConflict) {
		t.Fatalf("got %v", err)
	}
	var all *migrate.ConflictError
	if !errors.As(err, &all) {
		t.Fatalf("got %T", err)
	}
	for _, says := range []string{"have the same number", "0003 is missing before 0004_e.sql", "0001_a.sql differs", "0004_e.sql is not listed", "lists 0005_d.sql, which is missing"} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("no word about %q in:\n%v", says, err)
		}
	}
	for _, c := range all.Conflicts {
		if c.Code != migrate.BadSet || c.Remedy == "" {
			t.Errorf("%v: code %s, remedy %q", c, c.Code, c.Remedy)
		}
	}
}

func TestLoadWantsSums(t *testing.T) {
	t.Parallel()
	fsys := set(t, map[string]string{"0001_a.sql": small})
	if s, err := migrate.Load(fsys); err != nil || s.Latest() != 1 {
		t.Fatalf("a sound set: %v", err)
	}
	for name, sum := range map[string]string{
		"is missing":                  "",
		"method that this program":    "0001_a.sql n9-blake3:00\n",
		"is damaged or repeated":      string(fsys[migrate.SumFile].Data) + "0001_a.sql n1-sha256:00\n",
		"differs from its line":       "0001_a.sql n1-sha256:00\n",
		"no migration found":          "-",
		"lists 0009_x.sql, which is ": string(fsys[migrate.SumFile].Data) + "0009_x.sql n1-sha256:00\n",
	} {
		bad := fstest.MapFS{"0001_a.sql": fsys["0001_a.sql"], migrate.SumFile: {Data: []byte(sum)}}
		if sum == "" {
			delete(bad, migrate.SumFile)
		}
		if sum == "-" {
			delete(bad, "0001_a.sql")
		}
		if _, err := migrate.Load(bad); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("want %q, got %v", name, err)
		}
	}
	if _, err := migrate.Load(nil); err == nil {
		t.Error("a nil file system was accepted")
	}
	if _, err := migrate.Load(os.DirFS(filepath.Join(t.TempDir(), "missing"))); err == nil {
		t.Error("a missing folder was accepted")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("0001_a.sql", small)
	f.Add("0002_b.sql", "-- migration: b\n-- +up\nSELECT 1;\n-- +down\nSELECT '\n-- +verify\n/*")
	f.Fuzz(func(t *testing.T, name, text string) {
		m, err := migrate.Parse(name, []byte(text))
		if err != nil {
			var fe *migrate.FormatError
			if !errors.As(err, &fe) || fe.Remedy == "" {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		if m.Version < 1 || m.Version > 9999 || m.Compat > m.Version || m.Name == "" || strings.TrimSpace(m.Up) == "" || strings.TrimSpace(m.Down) == "" {
			t.Fatalf("accepted %+v", m)
		}
		for _, q := range m.Verify {
			if strings.TrimSpace(q) == "" {
				t.Fatal("an empty verify query")
			}
		}
		// What a checkout on another system does to the file must not change it.
		again, err := migrate.Parse(name, []byte("\uFEFF"+strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")))
		if err == nil && again.Checksum != m.Checksum && !strings.ContainsAny(text, "\r\uFEFF") {
			t.Fatalf("line ends changed the checksum")
		}
	})
}
