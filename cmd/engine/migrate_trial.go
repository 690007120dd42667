package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/migrate/seed"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/sqltext"
)

// trial is a database that migrations are tried on.
type trial struct {
	path string
	at   func(mig *migrate.Migration, statement int) error
	// functions are those that the application brings along and its migrations use.
	functions []sqlite.Function
}

// firstFiles is the migrations of a folder up to a version, with a sum file that fits.
func firstFiles(fsys fs.FS, dir string, to int) (fs.FS, error) {
	names, err := fs.Glob(fsys, "*.sql")
	if err != nil {
		return nil, err
	}
	if dir, err = os.MkdirTemp(dir, "files-*"); err != nil {
		return nil, err
	}
	for _, name := range names {
		content, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		m, err := migrate.Parse(name, content)
		if err != nil {
			return nil, err
		}
		if m.Version <= to {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				return nil, err
			}
		}
	}
	return os.DirFS(dir), writeSum(dir)
}

// open gives fn the store, and closes it.
func (t trial) open(ctx context.Context, fn func(*sqlite.Store) error) error {
	loc, err := sqlite.ParseURL(t.path)
	if err != nil {
		return err
	}
	opt := sqlite.DefaultOptions()
	opt.Functions = t.functions
	store, err := sqlite.Open(ctx, loc, opt)
	if err != nil {
		return err
	}
	return errors.Join(fn(store), store.Close())
}

// migrate gives fn a migrator with the files up to a version.
func (t trial) migrate(ctx context.Context, files fs.FS, to int, fn func(*migrate.Migrator) error) error {
	part, err := firstFiles(files, filepath.Dir(t.path), to)
	if err != nil {
		return err
	}
	cfg := migrate.DefaultConfig()
	if to > 0 {
		set, err := migrate.Load(part)
		if err != nil {
			return err
		}
		cfg.Sets = []*migrate.Set{set}
	}
	cfg.Rehearse, cfg.At, cfg.Logger = false, t.at, slog.New(slog.DiscardHandler)
	return t.open(ctx, func(store *sqlite.Store) error {
		m, err := migrate.New(store, cfg)
		if err != nil {
			return err
		}
		return fn(m)
	})
}

func (t trial) up(ctx context.Context, files fs.FS, to int) error {
	return t.migrate(ctx, files, to, func(m *migrate.Migrator) error {
		_, err := m.Up(ctx)
		return err
	})
}

// fill makes rows up.
func (t trial) fill(ctx context.Context, n int) (filled []seed.Filled, err error) {
	err = t.open(ctx, func(store *sqlite.Store) error {
		c, err := store.Connect(ctx, sqlite.Maintenance)
		if err != nil {
			return err
		}
		err = c.Exec("BEGIN IMMEDIATE")
		if err == nil {
			if filled, err = seed.Fill(c, n, 1); err == nil {
				err = c.Exec("COMMIT")
			}
		}
		return errors.Join(err, c.Close())
	})
	return filled, err
}

// content is a hash of the schema and one of each table's rows, in whatever order they lie; our own tables are left out.
func (t trial) content(ctx context.Context) (schema string, tables map[string]string, err error) {
	tables = map[string]string{}
	err = t.open(ctx, func(store *sqlite.Store) error {
		c, err := store.Connect(ctx, sqlite.Maintenance)
		if err != nil {
			return err
		}
		defer c.Close()
		if check, err := c.QueryText("PRAGMA integrity_check(1)"); err != nil || check != "ok" {
			return errors.Join(err, fmt.Errorf("integrity_check: %s", check))
		}
		if schema, err = c.QueryText(`SELECT coalesce(group_concat(type || ' ' || name || ' ' || coalesce(sql, ''), char(10) ORDER BY type, name), '') FROM sqlite_schema
 WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\' AND tbl_name NOT LIKE '\_tg\_%' ESCAPE '\'`); err != nil {
			return err
		}
		names, err := c.QueryText(`SELECT coalesce(group_concat(name, char(0) ORDER BY name), '') FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual')
 AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name NOT LIKE '\_tg\_%' ESCAPE '\'`)
		if err != nil || names == "" {
			return err
		}
		for _, name := range strings.Split(names, "\x00") {
			if tables[name], err = rowsOf(c, name); err != nil {
				return err
			}
		}
		return nil
	})
	return schema, tables, err
}

// rowsOf is a hash of every value of a table with its storage class, columns by name.
func rowsOf(c *sqlite.Conn, table string) (string, error) {
	columns, err := c.QueryText(`SELECT group_concat('quote("' || replace(name, '"', '""') || '")', '||''|''||' ORDER BY lower(name)) FROM pragma_table_xinfo(` + sqltext.QuoteText(table) + `) WHERE hidden <> 1`)
	if err != nil || columns == "" {
		return "", err
	}
	text, err := c.QueryText("SELECT count(*) || ' ' || coalesce(group_concat(x, char(10) ORDER BY x), '') FROM (SELECT " + columns + " AS x FROM " + sqltext.QuoteName(table) + ")")
	if err != nil {
		return "", err
	}
	n, _, _ := strings.Cut(text, " ")
	sum := sha256.Sum256([]byte(text))
	return n + " rows " + hex.EncodeToString(sum[:8]), nil
}

// sameContent says what two states of a database differ in; "" where nothing does.
func sameContent(schema, schemaNow string, tables, now map[string]string) string {
	if schema != schemaNow {
		return "the schema is another one"
	}
	for name, want := range tables {
		if now[name] != want {
			return fmt.Sprintf("table %s: %s, not %s", name, now[name], want)
		}
	}
	if len(now) != len(tables) {
		return "there are other tables"
	}
	return ""
}

// copyDatabase copies a database that nobody has open.
func copyDatabase(ctx context.Context, from trial, to string) (trial, error) {
	err := from.open(ctx, func(store *sqlite.Store) error {
		c, err := store.Connect(ctx, sqlite.Maintenance)
		if err != nil {
			return err
		}
		return errors.Join(c.CopyTo(to), c.Close())
	})
	return trial{path: to}, err
}

// scratch is a folder of its own for each attempt, removed when it is done.
func scratch(dir string, fn func(path string) error) error {
	sub, err := os.MkdirTemp(dir, "try-*")
	if err != nil {
		return err
	}
	return errors.Join(fn(filepath.Join(sub, "try.db")), os.RemoveAll(sub))
}
