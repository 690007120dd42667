package migrate_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidegate/engine/core/migrate"
)

// typed does what the printed remedy of a conflict says, as engine migrate does.
func typed(t *testing.T, m *migrate.Migrator, line string) error {
	t.Helper()
	words := strings.Fields(line)
	if len(words) < 3 || words[0] != "engine" || words[1] != "migrate" {
		t.Fatalf("the remedy %q cannot be typed", line)
	}
	verb, args := words[2], words[3:]
	option := func(name string) string {
		if i := slices.Index(args, name); i >= 0 && i+1 < len(args) {
			return args[i+1]
		}
		return ""
	}
	number := func(name string) int {
		n, err := strconv.Atoi(option(name))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		return n
	}
	var err error
	switch verb {
	case "down":
		_, err = m.Down(t.Context(), migrate.DownOptions{To: number("--to"), Component: option("--component")})
	case "repair":
		opt := migrate.RepairOptions{Component: option("--component"), AdoptDrift: slices.Contains(args, "--adopt-drift"), Rechain: slices.Contains(args, "--rechain"), KeepRun: option("--keep-run")}
		if option("--accept") != "" {
			opt.Accept = number("--accept")
		}
		_, err = m.Repair(t.Context(), opt)
	case "baseline":
		_, err = m.Baseline(t.Context(), migrate.BaselineOptions{})
	case "restore":
		_, _, err = m.Restore(t.Context(), migrate.RestoreOptions{Run: option("--run")})
	default:
		t.Fatalf("%q: there is no such verb", line)
	}
	return err
}

// add is a migration that can be taken back.
func add(n int, column string) (string, string) {
	return step(n, "ALTER TABLE t ADD COLUMN "+column+" TEXT;", "ALTER TABLE t DROP COLUMN "+column+";", "")
}

func columns(t *testing.T, names ...string) fs.FS { return named(t, nil, names...) }

// named is columns with changes to the files.
func named(t *testing.T, change map[string]string, names ...string) fs.FS {
	t.Helper()
	files := map[string]string{}
	name, text := step(1, one, "DROP TABLE t;", "")
	files[name] = text
	for i, c := range names {
		name, text := add(i+2, c)
		files[name] = strings.Replace(text, fmt.Sprintf("step %d", i+2), "column "+c, 1)
	}
	for file, to := range change {
		from, to, _ := strings.Cut(to, " => ")
		files[file] = strings.Replace(files[file], from, to, 1)
	}
	return set(t, files)
}

func TestConflictsRefuseTheStart(t *testing.T) {
	t.Parallel()
	plain := func(names ...string) func(*testing.T) fs.FS {
		return func(t *testing.T) fs.FS { return columns(t, names...) }
	}
	demanding := func(t *testing.T) fs.FS {
		return named(t, map[string]string{"0003_step.sql": "compat: 0001 => compat: 0003"}, "a", "b")
	}
	edited := func(t *testing.T) fs.FS {
		return named(t, map[string]string{"0003_step.sql": "b TEXT => b TEXT /* words */"}, "a", "b")
	}
	cases := []struct {
		name    string
		first   func(*testing.T) fs.FS
		between string
		second  func(*testing.T) fs.FS
		want    []migrate.Code
	}{
		{"older program, additive change", plain("a", "b"), "", plain("a"), nil},
		{"older program, demanding change", demanding, "", plain("a"), []migrate.Code{migrate.Newer}},
		{"edited file", plain("a", "b"), "", edited, []migrate.Code{migrate.Changed}},
		{"edited file that would build another schema", plain("a", "b"), "", func(t *testing.T) fs.FS {
			return named(t, map[string]string{"0003_step.sql": "b TEXT => b INTEGER"}, "a", "b")
		}, []migrate.Code{migrate.Changed}},
		{"two branches", plain("a", "b"), "", plain("a", "c"), []migrate.Code{migrate.Diverged}},
		{"file put in before", plain("a", "b"), "", plain("a", "c", "b"), []migrate.Code{migrate.OutOfOrder}},
		{"index made by hand", plain("a"), "CREATE INDEX ta ON t (a)", plain("a", "b"), []migrate.Code{migrate.Drifted}},
		{"index made by hand, nothing pending", plain("a"), "CREATE INDEX ta ON t (a)", plain("a"), []migrate.Code{migrate.Drifted}},
		{"column dropped by hand", plain("a", "b"), "ALTER TABLE t DROP COLUMN b", plain("a", "b"), []migrate.Code{migrate.Drifted}},
		{"history edited", plain("a", "b"), "UPDATE _tg_migration SET down_sql = 'SELECT 1;' WHERE version = 3", plain("a", "b"), []migrate.Code{migrate.BadHistory}},
		{"history and file edited", plain("a", "b"), "UPDATE _tg_migration SET name = 'x' WHERE version = 2", edited, []migrate.Code{migrate.BadHistory, migrate.Changed}},
		{"drifted and two branches", plain("a", "b"), "CREATE INDEX ta ON t (a)", plain("a", "c"), []migrate.Code{migrate.Drifted, migrate.Diverged}},
		{"foreign", nil, "PRAGMA application_id = 0; CREATE TABLE customers (id INTEGER); INSERT INTO customers VALUES (5)", plain("a"), []migrate.Code{migrate.Unmanaged}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBase(t)
			if c.first != nil {
				up(t, b.migrator(load(t, c.first(t))))
			}
			if c.between != "" {
				b.exec(c.between)
			}
			before := b.content()
			m := b.migrator(load(t, c.second(t)))
			_, err := m.Up(t.Context())
			if got := codes(err); fmt.Sprint(got) != fmt.Sprint(c.want) || (err == nil) != (c.want == nil) {
				t.Fatalf("got %v %v, want %v", got, err, c.want)
			}
			if b.content() != before {
				t.Error("a refused start changed the database")
			}
			resolve(t, m, c.want)
			if rows := b.integer("SELECT sum(bal) FROM t"); rows != 7 {
				t.Errorf("the remedy changed the rows: %d", rows)
			}
		})
	}
}

// resolve types the printed remedies until none is left.
func resolve(t *testing.T, m *migrate.Migrator, want []migrate.Code) {
	t.Helper()
	for range len(want) {
		st, err := m.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(st.Conflicts) == 0 {
			break
		}
		c := st.Conflicts[0]
		if !strings.Contains(c.Error(), c.Typed()) || c.Remedy == "" {
			t.Errorf("the message does not say what to type: %v", c)
		}
		if err := typed(t, m, c.Typed()); err != nil {
			t.Fatalf("%s: typed %q: %v", c.Code, c.Typed(), err)
		}
	}
	if _, err := m.Up(t.Context()); err != nil {
		t.Errorf("after every remedy: %v", err)
	}
	if v, err := m.Verify(t.Context()); err != nil || !v.OK() {
		t.Errorf("after every remedy: %+v, %v", v, err)
	}
}

func TestEveryConflictIsAConflictError(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	up(t, b.migrator(load(t, columns(t, "a"))))
	_, err := b.migrator(load(t, columns(t, "z"))).Up(t.Context())
	var one *migrate.Conflict
	if !errors.Is(err, migrate.ErrConflict) || !errors.As(err, &one) || one.Version != 2 {
		t.Errorf("got %v", err)
	}
	if list := migrate.Codes(); len(list) != 11 || !slices.IsSorted(list) {
		t.Errorf("codes %v", list)
	}
}
