package migrate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// TestOptions say how thoroughly [Migrator.Test] works.
type TestOptions struct {
	Dir  string // for the databases that it makes; "": the system's folder for temporary files
	From int    // first version that is tested; 0: all
	Rows int    // rows that are made per table, where its constraints let them
	// Seed fills a database at a version in place of generated rows; nil generates.
	Seed func(version int, exec func(sql string) error) error
}

// TestResult is what became of one migration.
type TestResult struct {
	Version    int
	Name       string
	Rows       map[string]int64 // what the tables held before it
	Statements int              // each was failed once and killed once
	Down       string           // why it could not be taken back; "" when it could
	Took       time.Duration
}

var errTrial = errors.New("failed on purpose")

// Test tries every migration of the main schema on databases of its own, with rows in the tables: it is failed and then killed at every statement,
// after which the content must be exactly that of before; then it is applied, verified, taken back and applied again. The database of the migrator
// is not touched.
//
// # Errors
//
// The first migration that does not stand it.
func (m *Migrator) Test(ctx context.Context, opt TestOptions) (results []TestResult, err error) {
	s := m.set(Component)
	if s == nil {
		return nil, errors.New("migrate: there are no migrations to test")
	}
	dir, err := os.MkdirTemp(opt.Dir, "tidegate-test-*")
	if err != nil {
		return nil, fmt.Errorf("migrate: test: %w", err)
	}
	defer os.RemoveAll(dir)
	for i, mig := range s.list {
		if mig.Version < opt.From {
			continue
		}
		t := &trial{m: m, opt: opt, mig: mig, path: filepath.Join(dir, fmt.Sprintf("%04d.db", mig.Version)), now: &Set{component: Component, list: s.list[:i+1]},
			result: TestResult{Version: mig.Version, Name: mig.Name}}
		if i > 0 {
			t.before = &Set{component: Component, list: s.list[:i]}
		}
		start := time.Now()
		if err := t.run(ctx); err != nil {
			return results, fmt.Errorf("migrate: test of %s: %w", mig.File, err)
		}
		t.result.Took = time.Since(start)
		results = append(results, t.result)
	}
	return results, nil
}

// trial is one migration on its databases.
type trial struct {
	m           *Migrator
	opt         TestOptions
	mig         *Migration
	path        string
	before, now *Set // up to the migration, without it and with it; before is nil for the first
	result      TestResult
}

// on runs fn with a migrator of the trial's database.
func (t *trial) on(ctx context.Context, path string, s *Set, change func(*Migrator), fn func(*Migrator) error) (err error) {
	store, err := t.m.store.Twin(ctx, sqlite.Location{Path: path})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	cfg := DefaultConfig()
	cfg.Rehearse, cfg.Logger, cfg.HashBudget = false, t.m.log, t.m.cfg.HashBudget
	if s != nil {
		cfg.Sets = []*Set{s}
	}
	clone, err := New(store, cfg)
	if err != nil {
		return err
	}
	if change != nil {
		change(clone)
	}
	return fn(clone)
}

func (t *trial) run(ctx context.Context) error {
	if err := t.prepare(ctx); err != nil {
		return err
	}
	h := newHasher(0)
	before, err := t.content(ctx, h, t.path)
	if err != nil {
		return err
	}
	for at := 1; ; at++ {
		reached := false
		for _, kill := range []bool{false, true} {
			if reached, err = t.stopAt(ctx, at, kill); err != nil {
				return err
			}
			now, err := t.content(ctx, h, t.path)
			if err != nil {
				return err
			}
			if reached && now != before {
				return fmt.Errorf("stopped at statement %d (killed: %v) it left something else than before", at, kill)
			}
			if !reached {
				break // it has run to its end
			}
		}
		if !reached {
			break
		}
		t.result.Statements = at
	}
	return t.backAndForth(ctx)
}

// prepare makes the database as it is before the migration, with rows.
func (t *trial) prepare(ctx context.Context) error {
	return t.on(ctx, t.path, t.before, nil, func(m *Migrator) error {
		if t.before != nil {
			if _, err := m.Up(ctx); err != nil {
				return err
			}
		}
		return m.with(ctx, func(conn *sqlite.Conn) error {
			if t.opt.Seed != nil {
				if err := t.opt.Seed(t.mig.Version-1, func(sql string) error { return conn.Script(sql, nil) }); err != nil {
					return err
				}
			} else if err := generate(conn, t.opt.Rows); err != nil {
				return err
			}
			a, err := takeAccount(conn)
			if err == nil {
				t.result.Rows = a.named()
			}
			return err
		})
	})
}

// stopAt fails the run at a statement, or takes its connection away as the end of a process would. The last call applies the migration.
func (t *trial) stopAt(ctx context.Context, at int, kill bool) (reached bool, err error) {
	err = t.on(ctx, t.path, t.now, func(m *Migrator) {
		m.stop = func(conn *sqlite.Conn, n int) error {
			if n != at {
				return nil
			}
			reached = true
			if kill {
				return conn.Fence()
			}
			return errTrial
		}
	}, func(m *Migrator) error {
		_, err := m.Up(ctx)
		return err
	})
	if ctx.Err() != nil {
		return reached, context.Cause(ctx)
	}
	if reached && (errors.Is(err, errTrial) || sqlite.ClassOf(err) == sqlite.Fenced) {
		return true, nil
	}
	return reached, err
}

// backAndForth takes the applied migration back and applies it again.
func (t *trial) backAndForth(ctx context.Context) error {
	return t.on(ctx, t.path, t.now, nil, func(m *Migrator) error {
		_, err := m.Down(ctx, DownOptions{To: t.mig.Version - 1, AllowDataLoss: true})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			t.result.Down = err.Error()
			return nil
		}
		_, err = m.Up(ctx)
		return err
	})
}

// content is a print of the schema and of every row.
func (t *trial) content(ctx context.Context, h *hasher, path string) (string, error) {
	var b strings.Builder
	err := t.on(ctx, path, nil, nil, func(m *Migrator) error {
		return m.with(ctx, func(conn *sqlite.Conn) error {
			objects, err := readObjects(conn)
			if err != nil {
				return err
			}
			b.WriteString(hashObjects(objects))
			tables, err := readTables(conn)
			if err != nil {
				return err
			}
			for _, name := range slices.Sorted(maps.Keys(tables)) {
				p, err := h.hash(ctx, conn, tables[name].Name, tables[name].Columns, everyRow)
				if err != nil && !tables[name].Virtual {
					return err
				}
				fmt.Fprint(&b, name, p)
			}
			return nil
		})
	})
	return b.String(), err
}

var literals = regexp.MustCompile(`'([^'\n]*)'`)

// generate puts rows into every table as far as its constraints let them: parents before children, texts from what the table's own
// definition quotes. A table whose rules are stricter stays empty, and the result says so.
func generate(conn *sqlite.Conn, rows int) error {
	tables, err := readTables(conn)
	if err != nil {
		return err
	}
	for range 3 { // children find parents in a later round
		for _, name := range slices.Sorted(maps.Keys(tables)) {
			t := tables[name]
			if t.Virtual {
				continue
			}
			sql, err := conn.QueryText("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = " + quote(t.Name))
			if err != nil {
				return err
			}
			words := []string{"'text'"}
			for _, l := range literals.FindAllStringSubmatch(sql, -1) {
				words = append(words, quote(l[1]))
			}
			if err := generateTable(conn, t, words, rows); err != nil {
				return err
			}
		}
	}
	return nil
}

func generateTable(conn *sqlite.Conn, t table, words []string, rows int) error {
	type column struct{ typ, parent, key string }
	var columns []column
	err := ownRows(conn, `SELECT lower(x.type), coalesce(k."table", ''), coalesce(k."to", (SELECT p.name FROM pragma_table_info(k."table") p WHERE p.pk = 1), '')
 FROM pragma_table_xinfo(`+quote(t.Name)+`) x LEFT JOIN pragma_foreign_key_list(`+quote(t.Name)+`) k ON k."from" = x.name COLLATE NOCASE WHERE x.hidden = 0 GROUP BY x.cid ORDER BY x.cid`, nil,
		func(v []sqlite.Value) error {
			columns = append(columns, column{text(v[0]), text(v[1]), text(v[2])})
			return nil
		})
	if err != nil {
		return err
	}
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = quoteName(c)
	}
	for n := 1; n <= rows; n++ {
		values := make([]string, len(columns))
		for i, c := range columns {
			switch {
			case c.parent != "" && c.key != "":
				values[i] = fmt.Sprintf("(SELECT %s FROM %s ORDER BY 1 LIMIT 1 OFFSET %d %% max(1, (SELECT count(*) FROM %s)))", quoteName(c.key), quoteName(c.parent), n, quoteName(c.parent))
			case strings.Contains(c.typ, "int"):
				values[i] = fmt.Sprint(n % 97)
			case strings.Contains(c.typ, "real"), strings.Contains(c.typ, "floa"), strings.Contains(c.typ, "doub"):
				values[i] = fmt.Sprintf("%d.5", n)
			case strings.Contains(c.typ, "blob"):
				values[i] = fmt.Sprintf("x'%04x'", n)
			default:
				values[i] = words[(n+i)%len(words)] + " || " + quote([]string{"", fmt.Sprint(n)}[n%2])
			}
		}
		err := own(conn, "INSERT OR IGNORE INTO "+quoteName(t.Name)+" ("+strings.Join(names, ", ")+") VALUES ("+strings.Join(values, ", ")+")")
		if err != nil && (conn.Broken() != nil || sqlite.ClassOf(err) == sqlite.Interrupt) {
			return err
		}
	}
	return nil
}
