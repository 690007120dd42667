package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine/core/sqlite"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	wd, err := os.Getwd()
	must(t, err)
	rel := func(name string) string { return filepath.Join(wd, name) }
	for url, want := range map[string]sqlite.Location{
		"sqlite:///production_trading.db":    {Path: rel("production_trading.db")},
		"sqlite:///sub/dir/a.db":             {Path: rel("sub/dir/a.db")},
		"sqlite:////var/lib/a.db":            {Path: "/var/lib/a.db"},
		"sqlite+pysqlite:///a.db":            {Path: rel("a.db")},
		"sqlite3:///a.db":                    {Path: rel("a.db")},
		"SQLite:///a%20b%3F.db":              {Path: rel("a b?.db")},
		"sqlite://":                          {Memory: true},
		"sqlite:///":                         {Memory: true},
		"sqlite:///:memory:":                 {Memory: true},
		":memory:":                           {Memory: true},
		"file::memory:":                      {Memory: true},
		"file:any?mode=memory":               {Memory: true},
		"file:a.db":                          {Path: rel("a.db")},
		"file:/abs/a.db?mode=rw":             {Path: "/abs/a.db", MustExist: true},
		"file:///abs/a.db?mode=rwc":          {Path: "/abs/a.db"},
		"file://localhost/abs/a.db":          {Path: "/abs/a.db"},
		"file:/abs/a.db?mode=ro&immutable=1": {Path: "/abs/a.db", ReadOnly: true, MustExist: true, Immutable: true},
		"file:a.db?cache=private":            {Path: rel("a.db")},
		"sqlite:////abs/a.db?mode=ro":        {Path: "/abs/a.db", ReadOnly: true, MustExist: true},
		"plain.db":                           {Path: rel("plain.db")},
		"./dir/plain 100%.db":                {Path: rel("dir/plain 100%.db")},
		"/abs/plain.db":                      {Path: "/abs/plain.db"},
	} {
		got, err := sqlite.ParseURL(url)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", url, got, err, want)
		}
	}
	for url, remedy := range map[string]string{
		"":                                   "name a file",
		"postgres://me:hunter2@db/trade":     "use sqlite:///",
		"sqlite://host/a.db":                 "three slashes",
		"sqlite:a.db":                        "use sqlite:///",
		"file://server/share/a.db":           "use file:/absolute/path",
		"file:a.db?immutable=1":              "mode=ro",
		"file:a.db?mode=rw&immutable=1":      "mode=ro",
		"file:a.db?mode=append":              "use ro, rw, rwc or memory",
		"file:a.db?cache=shared":             "leave it out",
		"file:a.db?_pragma=synchronous(off)": "configuration",
		"file:a.db?nolock=1":                 "configuration",
		"file:a.db?vfs=unix-none":            "configuration",
		"sqlite:///a%zz.db":                  "%25",
		"sqlite:///a\x00b.db":                "remove it",
		"file:?mode=ro":                      "name a file",
		"file::memory:?mode=ro":              "leave mode out",
	} {
		loc, err := sqlite.ParseURL(url)
		e, ok := errors.AsType[*sqlite.URLError](err)
		if !ok {
			t.Errorf("%s: %+v, %v; want a *URLError", url, loc, err)
			continue
		}
		if !strings.Contains(e.Error(), remedy) || strings.Contains(e.Error(), "hunter2") {
			t.Errorf("%s: %v does not say %q, or shows the password", url, e, remedy)
		}
	}
	for loc, want := range map[sqlite.Location]string{
		{Path: "/a.db"}: "/a.db", {Memory: true}: ":memory:", {Path: "/a.db", ReadOnly: true}: "/a.db (read only)",
	} {
		if loc.String() != want {
			t.Errorf("%+v shows as %s", loc, loc)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"sqlite:///a.db", "file:a?mode=ro&immutable=1", "sqlite://", "a", "file:///C:/x.db", "file:%00", "sqlite:///%2e%2e/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		loc, err := sqlite.ParseURL(s)
		if err != nil {
			if _, ok := errors.AsType[*sqlite.URLError](err); !ok {
				t.Fatalf("%q: %T", s, err)
			}
			return
		}
		if loc.Memory == (loc.Path != "") || loc.Path != "" && !filepath.IsAbs(loc.Path) || loc.Immutable && !loc.ReadOnly || strings.ContainsRune(loc.Path, 0) {
			t.Fatalf("%q: %+v", s, loc)
		}
	})
}

// TestOddNames: what a URL of SQLite's own would take as syntax is a name here.
func TestOddNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a b.db", "100%.db", "q?mode=ro.db", "h#ash.db", "ä.db", "a&vfs=x.db", "semi;colon.db"} {
		dir := t.TempDir()
		s, err := tryOpen(sqlite.Location{Path: filepath.Join(dir, name)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		w := mustConnect(t, s, sqlite.Writer)
		must(t, run(w, "CREATE TABLE t(a)"))
		if _, err := os.Stat(filepath.Join(dir, name+"-wal")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		must(t, w.Close())
		must(t, s.Close())
	}
}
