package hostilefile

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/torture"
	"github.com/tidegate/engine/migrations"
)

// image is a database as its files, to be damaged again and again.
type image struct {
	name string
	db   []byte
	wal  []byte // of the moment before its checkpoint; nil where there is none
}

func (i *image) pageSize() int {
	n := int(binary.BigEndian.Uint16(i.db[16:18]))
	if n == 1 {
		return 65536
	}
	return n
}

func (i *image) pages() int { return len(i.db) / i.pageSize() }

// content has every kind of page: tables and indexes with inner pages, overflow chains, a freelist, tables without row ids, full text.
func content() []string {
	return []string{
		"CREATE TABLE plain (id INTEGER PRIMARY KEY, a TEXT, b REAL, c BLOB, g AS (a || b), s AS (length(c)) STORED, CHECK (b >= 0))",
		"CREATE INDEX plain_a ON plain (a, b)", "CREATE INDEX plain_expr ON plain (length(a)) WHERE b > 10",
		"CREATE TABLE worid (k TEXT PRIMARY KEY, v INTEGER NOT NULL DEFAULT (7)) STRICT, WITHOUT ROWID",
		"CREATE TABLE child (id INTEGER PRIMARY KEY AUTOINCREMENT, plain INTEGER REFERENCES plain ON DELETE CASCADE)",
		"CREATE VIEW both AS SELECT p.id, p.g, c.id AS cid FROM plain p LEFT JOIN child c ON c.plain = p.id",
		"CREATE TRIGGER plain_ai AFTER INSERT ON plain BEGIN INSERT INTO child (plain) VALUES (NEW.id); UPDATE worid SET v = v + 1 WHERE k = NEW.a; END",
		"CREATE VIRTUAL TABLE words USING fts5(t)", "CREATE VIRTUAL TABLE boxes USING rtree(id, lo, hi)",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 400) INSERT INTO plain (a, b, c) SELECT 'name ' || i, i, zeroblob((i % 7) * 900) FROM n",
		"INSERT INTO worid SELECT 'key ' || id, id FROM plain", "INSERT INTO words SELECT a || ' is the ' || b || 'th of many words' FROM plain", "INSERT INTO boxes SELECT id, id, id + 2 FROM plain",
		"CREATE TABLE gone AS SELECT * FROM plain", "DROP TABLE gone", "DELETE FROM plain WHERE id % 5 = 0",
	}
}

// images makes the databases to damage.
func images(ctx context.Context, e *torture.Env) ([]*image, error) {
	made := []*image{}
	for _, k := range []struct {
		name  string
		setup string
	}{{"plain", ""}, {"autovacuum", "PRAGMA auto_vacuum=FULL; PRAGMA page_size=1024; VACUUM"}} {
		i, err := makeImage(ctx, filepath.Join(e.Dir, k.name+".db"), k.name, k.setup)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
		made = append(made, i)
	}
	if data := foreign(); data != nil {
		made = append(made, &image{name: "chinook", db: data})
	} else {
		e.Log("the chinook database is in no folder above this one: left out")
	}
	return made, nil
}

func makeImage(ctx context.Context, path, name, setup string) (i *image, err error) {
	if setup != "" {
		if err := prepare(ctx, path, setup); err != nil {
			return nil, err
		}
	}
	cfg := configOf(path)
	cfg.Create, cfg.Migrations = true, migrations.FS
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	i = &image{name: name}
	for _, stmt := range content() {
		if _, err := db.Exec(ctx, stmt); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", stmt, err), db.Close())
		}
	}
	if i.wal, err = os.ReadFile(path + "-wal"); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	i.db, err = os.ReadFile(path)
	return i, errors.Join(err, os.Remove(path))
}

// prepare changes what only an empty database can change.
func prepare(ctx context.Context, path, setup string) error {
	store, err := sqlite.Open(ctx, sqlite.Location{Path: path}, sqlite.DefaultOptions())
	if err != nil {
		return err
	}
	defer store.Close()
	conn, err := store.Connect(ctx, sqlite.Maintenance)
	if err != nil {
		return err
	}
	return errors.Join(conn.Exec(setup), conn.Close())
}

// foreign is a database of another program; nil where it is not at hand.
func foreign() []byte {
	dir, err := os.Getwd()
	if err != nil {
		return nil
	}
	for {
		if data, err := os.ReadFile(filepath.Join(dir, "shared", "data", "chinook.sqlite")); err == nil {
			return data
		}
		up := filepath.Dir(dir)
		if up == dir {
			return nil
		}
		dir = up
	}
}

func configOf(path string) engine.Config {
	cfg := engine.DefaultConfig("file:" + path)
	cfg.URL = path
	cfg.Create = false
	cfg.Extend.Modules = []engine.Module{engine.FTS5(), engine.RTree()}
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.Writer.StatementTime = 2e9
	return cfg
}
