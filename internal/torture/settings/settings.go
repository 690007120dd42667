// Package settings runs one script of operations under many configurations. What a database holds afterwards must not depend on how large
// its caches, pools, groups or logs are, nor on whether it lies in memory, nor on how its file is laid out (P15).
package settings

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/sqlite/plain"
	"github.com/tidegate/engine/internal/torture"
)

// Scenario is the script under all of them.
func Scenario() torture.Scenario {
	return torture.Scenario{Name: "settings", Promise: "P15", Run: Run, About: "one script of operations under more than 20 configurations; every one leaves the same content, and has read the same"}
}

// setting is a configuration by name.
type setting struct {
	name   string
	change func(*engine.Config)
}

func settings() []setting {
	return []setting{
		{"defaults", func(*engine.Config) {}},
		{"in memory", func(c *engine.Config) { c.URL = "sqlite://" }},
		{"relaxed", func(c *engine.Config) { c.Writer.Durability = engine.Relaxed }},
		{"a group of one", func(c *engine.Config) { c.Writer.GroupJobs = 1 }},
		{"groups of two", func(c *engine.Config) { c.Writer.GroupJobs = 2 }},
		{"large groups", func(c *engine.Config) { c.Writer.GroupJobs, c.Writer.GroupTime = 10_000, time.Second }},
		{"no time for a group", func(c *engine.Config) { c.Writer.GroupTime = 1 }},
		{"short line", func(c *engine.Config) { c.Writer.Queue = 1 }},
		{"one reader", func(c *engine.Config) { c.Readers.Slots, c.Readers.Connections = 1, 1 }},
		{"many readers", func(c *engine.Config) { c.Readers.Slots, c.Readers.Connections = 64, 256 }},
		{"one connection for analytics", func(c *engine.Config) { c.Analytics.Slots, c.Analytics.Connections = 1, 1 }},
		{"small caches", func(c *engine.Config) { c.Readers.CacheKiB, c.Analytics.CacheKiB, c.Maintenance.CacheKiB = 1, 1, 1 }},
		{"large caches", func(c *engine.Config) { c.Readers.CacheKiB, c.Analytics.CacheKiB = 30_000, 200_000 }},
		{"little memory", func(c *engine.Config) { c.Readers.Memory, c.Readers.CacheKiB = 8<<20, 1024 }},
		{"much memory", func(c *engine.Config) { c.Readers.Memory, c.Analytics.Memory = 1<<30, 2<<30 }},
		{"idle connections closed at once", func(c *engine.Config) { c.Readers.IdleTimeout, c.Analytics.IdleTimeout = 1, 1 }},
		{"a checkpoint at every frame", func(c *engine.Config) { c.WAL.CheckpointFrames = 1 }},
		{"hardly a checkpoint", func(c *engine.Config) { c.WAL.CheckpointFrames = 1_000_000 }},
		{"a log of nothing", func(c *engine.Config) { c.WAL.Soft, c.WAL.Hard, c.WAL.SnapshotAge = 1, 2, time.Minute }},
		{"short snapshots, large log", func(c *engine.Config) { c.WAL.Soft, c.WAL.Hard, c.WAL.Cap = 1<<30, 1<<31, 1<<32 }},
		{"long hold", func(c *engine.Config) { c.Writer.Hold = time.Hour }},
		{"modules loaded", func(c *engine.Config) { c.Extend.Modules = []engine.Module{engine.FTS5(), engine.RTree()} }},
		{"relaxed, in memory, alone", func(c *engine.Config) {
			c.URL, c.Writer.Durability, c.Writer.GroupJobs, c.Readers.Connections, c.Readers.Slots = "sqlite://", engine.Relaxed, 1, 1, 1
		}},
		{"everything small", func(c *engine.Config) {
			c.Writer.GroupJobs, c.WAL.CheckpointFrames, c.Readers.Slots, c.Readers.Connections, c.Readers.CacheKiB, c.Readers.Memory = 1, 1, 1, 1, 1, 4<<20
		}},
	}
}

// layouts are the ways in which a file may have been laid out by whoever made it, as pragmas of an empty one.
func layouts() []string {
	return []string{"page_size=512", "page_size=1024", "page_size=2048", "page_size=8192", "page_size=16384", "page_size=65536"}
}

// laidOut makes an empty file of that layout. It is written by SQLite alone: the engine makes its own files in one way only.
func laidOut(path, layout string) error {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	db, err := plain.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(db.Exec("PRAGMA "+layout+"; VACUUM"), db.Close())
}

// asLaidOut makes sure that the file still is what it was made.
func asLaidOut(path, layout string) error {
	db, err := plain.Open(path)
	if err != nil {
		return err
	}
	name, want, _ := strings.Cut(layout, "=")
	got, err := db.Text("PRAGMA " + name)
	if err == nil && got != want {
		err = fmt.Errorf("%s is %s and not %s", name, got, want)
	}
	return errors.Join(err, db.Close())
}

// Run is the scenario.
func Run(ctx context.Context, e *torture.Env) (result torture.Result, err error) {
	steps := torture.Pick(e.Scale, 150, 4000)
	want := ""
	for n, s := range settings() {
		cfg := engine.DefaultConfig(filepath.Join(e.Dir, fmt.Sprintf("s%d.db", n)))
		cfg.Logger = slog.New(slog.DiscardHandler)
		cfg.Writer.Hold, cfg.Writer.QueueTimeout, cfg.Readers.QueueTimeout = time.Minute, time.Minute, time.Minute // a slow machine is no difference
		s.change(&cfg)
		got, err := script(ctx, cfg, e.Rand(1), steps)
		if err != nil {
			return result, fmt.Errorf("%s: %w", s.name, err)
		}
		if want == "" {
			want = got
		}
		if got != want {
			return result, fmt.Errorf("%s: the digest is %s, with the defaults %s", s.name, got, want)
		}
		result.Cases++
	}
	for n, layout := range layouts() {
		path := filepath.Join(e.Dir, fmt.Sprintf("l%d.db", n))
		if err := laidOut(path, layout); err != nil {
			return result, fmt.Errorf("%s: %w", layout, err)
		}
		cfg := engine.DefaultConfig(path)
		cfg.Logger = slog.New(slog.DiscardHandler)
		cfg.Writer.Hold, cfg.Writer.QueueTimeout, cfg.Readers.QueueTimeout = time.Minute, time.Minute, time.Minute
		got, err := script(ctx, cfg, e.Rand(1), steps)
		if err == nil {
			err = asLaidOut(path, layout)
		}
		if err == nil && got != want {
			err = fmt.Errorf("the digest is %s, with the defaults %s", got, want)
		}
		if err != nil {
			return result, fmt.Errorf("%s: %w", layout, err)
		}
		result.Cases++
	}
	// The digest has teeth: one step more is another digest.
	cfg := engine.DefaultConfig("sqlite://")
	if got, err := script(ctx, cfg, e.Rand(1), steps+1); err != nil || got == want {
		return result, errors.Join(err, errors.New("a longer script has the same digest"))
	}
	result.Count("steps", steps)
	return result, nil
}

const schema = `CREATE TABLE item (id INTEGER PRIMARY KEY, k TEXT NOT NULL UNIQUE, n INTEGER NOT NULL CHECK (n < 900), body BLOB)`

// digest takes in all that the script sees.
type digest struct {
	db  *engine.DB
	sum io.Writer
}

func (d *digest) note(format string, args ...any) { fmt.Fprintf(d.sum, format+"\n", args...) }

func script(ctx context.Context, cfg engine.Config, rng *rand.Rand, steps int) (_ string, err error) {
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, stmt := range []string{schema, "CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT)", "CREATE INDEX item_n ON item (n, k)",
		"CREATE TRIGGER item_au AFTER UPDATE ON item BEGIN INSERT INTO log (what) VALUES (OLD.n || '>' || NEW.n); END"} {
		if _, err := db.Exec(ctx, stmt); err != nil {
			return "", err
		}
	}
	sum := sha256.New()
	d := &digest{db: db, sum: sum}
	for step := range steps {
		if err := d.step(ctx, rng, step); err != nil {
			return "", fmt.Errorf("step %d: %w", step, err)
		}
	}
	for _, q := range []string{"SELECT id, k, n, length(body), hex(substr(body, 1, 8)) FROM item ORDER BY id", "SELECT id, what FROM log ORDER BY id", "SELECT n, count(*), group_concat(k) FROM item GROUP BY n ORDER BY n", "PRAGMA integrity_check"} {
		if err := d.read(ctx, q); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// outcome notes what a write has come to: its counts, or the kind of its error.
func (d *digest) outcome(res engine.Result, err error) error {
	switch {
	case err == nil:
		d.note("%d %d", res.RowsAffected, res.LastInsertID)
	case errors.Is(err, engine.ErrConstraint):
		d.note("constraint")
	default:
		return err
	}
	return nil
}

func (d *digest) step(ctx context.Context, rng *rand.Rand, step int) error {
	k, n := fmt.Sprintf("k%d", rng.IntN(400)), rng.IntN(1000)
	switch kind := rng.IntN(10); {
	case kind < 4:
		return d.outcome(d.db.Exec(ctx, "INSERT INTO item (k, n, body) VALUES (?, ?, zeroblob(?)) ON CONFLICT (k) DO UPDATE SET n = excluded.n, body = excluded.body", k, n, rng.IntN(9000)))
	case kind < 5:
		return d.outcome(d.db.Exec(ctx, "INSERT INTO item (k, n) VALUES (?, ?)", k, n))
	case kind < 6:
		return d.outcome(d.db.Exec(ctx, "DELETE FROM item WHERE n BETWEEN ? AND ?", n, n+10))
	case kind < 8:
		undo := rng.IntN(3) == 0
		fail := errors.New("undo")
		err := d.db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
			if _, err := tx.Exec(ctx, "UPDATE item SET n = n + 7 WHERE k > ? AND n < 800", k); err != nil {
				return err
			}
			var count, total int64
			if err := tx.QueryRow(ctx, "SELECT count(*), coalesce(sum(n), 0) FROM item").Scan(&count, &total); err != nil {
				return err
			}
			d.note("%d %d", count, total)
			if undo {
				return fail
			}
			return nil
		})
		if undo && errors.Is(err, fail) {
			return nil
		}
		return err
	default:
		return d.read(ctx, fmt.Sprintf("SELECT id, k, n FROM item WHERE n >= %d ORDER BY n, k LIMIT 50 /* %d */", n, step))
	}
}

func (d *digest) read(ctx context.Context, q string) error {
	class := engine.ClassNormal
	if len(q)%2 == 0 {
		class = engine.ClassAnalytics
	}
	rows, err := d.db.Query(ctx, q, engine.WithClass(class))
	if err != nil {
		return err
	}
	defer rows.Close()
	for row, err := range rows.All() {
		if err != nil {
			return err
		}
		values := make([]any, len(rows.Columns()))
		into := make([]any, len(values))
		for i := range values {
			into[i] = &values[i]
		}
		if err := row.Scan(into...); err != nil {
			return err
		}
		d.note("%v", values)
	}
	return nil
}
