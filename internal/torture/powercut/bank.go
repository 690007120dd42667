package powercut

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	engine "github.com/tidegate/engine"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/faultfs"
	"github.com/tidegate/engine/internal/testdb"
	"github.com/tidegate/engine/internal/torture"
)

// The bank: every caller moves money between accounts, and writes down each move with a number of its own.
const (
	accounts = 24
	opening  = 1000
	callers  = 8
	schema   = `CREATE TABLE accounts(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0), note TEXT NOT NULL) STRICT;
CREATE TABLE moves(id INTEGER PRIMARY KEY AUTOINCREMENT, who INTEGER NOT NULL, n INTEGER NOT NULL, src INTEGER NOT NULL REFERENCES accounts(id),
  dst INTEGER NOT NULL REFERENCES accounts(id), amount INTEGER NOT NULL, UNIQUE (who, n)) STRICT;
CREATE INDEX moves_by_src ON moves(src, amount);`
)

const (
	fileName   = "bank.db"
	seedRows   = `WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 24) INSERT INTO accounts SELECT i, 1000, '' FROM k`
	debit      = `UPDATE accounts SET balance = balance - ?1, note = ?3 WHERE id = ?2`
	credit     = `UPDATE accounts SET balance = balance + ?1 WHERE id = ?2`
	writeDown  = `INSERT INTO moves(who, n, src, dst, amount) VALUES (?1, ?2, ?3, ?4, ?5)`
	movesEach  = 14
	padBytes   = 700 // of a note: a few accounts fill a page, so that moves touch several pages
	checkpoint = 40  // frames
)

// errUndo is returned by closures that change their mind.
var errUndo = errors.New("changed my mind")

// bank runs one database through two lives on the engine and returns what reached the disk. With early, every commit is relaxed and
// is yet taken for durable.
func bank(ctx context.Context, e *torture.Env, round uint64, early bool) ([]faultfs.Event, error) {
	dir := filepath.Join(e.Dir, fmt.Sprintf("bank%d", round))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	rec := &faultfs.Recorder{}
	for life := range 2 {
		if err := live(ctx, e, rec, filepath.Join(dir, fileName), round, life, early); err != nil {
			return nil, err
		}
	}
	return rec.Events(), nil
}

func live(ctx context.Context, e *torture.Env, rec *faultfs.Recorder, path string, round uint64, life int, early bool) error {
	cfg := engine.DefaultConfig(path)
	cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	cfg.WAL.CheckpointFrames = checkpoint
	cfg.Writer.Hold, cfg.Writer.QueueTimeout, cfg.Readers.QueueTimeout = time.Minute, time.Minute, time.Minute // a slow machine is no failure here
	db, err := engine.Open(testdb.WithFaults(ctx, rec), cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	if life == 0 {
		err := db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
			for _, sql := range splitSchema() {
				if _, err := tx.Exec(ctx, sql); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	failed := make(chan error, callers)
	for who := range callers {
		rnd := e.Rand(round<<16 | uint64(life)<<8 | uint64(who))
		go func() { failed <- (&caller{db, rec, rnd, who, early}).work(ctx, life*movesEach) }()
	}
	var problems []error
	for range callers {
		problems = append(problems, <-failed)
	}
	return errors.Join(append(problems, db.Close())...)
}

func splitSchema() []string {
	var out []string
	for len(out) < 3 {
		rest := schema
		for _, s := range out {
			rest = rest[len(s)+2:]
		}
		end := 0
		for rest[end] != ';' {
			end++
		}
		out = append(out, rest[:end])
	}
	return append(out, seedRows)
}

type caller struct {
	db    *engine.DB
	rec   *faultfs.Recorder
	rnd   *rand.Rand
	who   int
	early bool
}

// work makes moves, some of them twice because the first try is undone.
func (c *caller) work(ctx context.Context, from int) error {
	for n := from + 1; n <= from+movesEach; n++ {
		durable := !c.early && c.rnd.IntN(2) == 0
		level := engine.Relaxed
		if durable {
			level = engine.Durable
		}
		undo := c.rnd.IntN(8) == 0
		err := c.move(ctx, n, undo, engine.WithDurability(level))
		switch {
		case undo && errors.Is(err, errUndo):
			n--
			continue
		case undo || err != nil:
			return fmt.Errorf("caller %d, move %d: %w", c.who, n, err)
		}
		c.rec.Mark(faultfs.Mark{Who: c.who, N: n, Durable: durable || c.early})
		if c.rnd.IntN(10) == 0 {
			if err := c.db.QueryRow(ctx, "SELECT count(*) FROM moves WHERE who = ?", c.who).Scan(new(int)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *caller) move(ctx context.Context, n int, undo bool, opts ...engine.Option) error {
	src := c.rnd.IntN(accounts) + 1
	dst := src%accounts + 1
	amount := c.rnd.IntN(5)
	note := make([]byte, c.rnd.IntN(padBytes))
	for i := range note {
		note[i] = byte('a' + c.rnd.IntN(26))
	}
	return c.db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
		if _, err := tx.Exec(ctx, debit, amount, src, string(note)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, writeDown, c.who, n, src, dst, amount); err != nil {
			return err
		}
		if undo {
			return errUndo
		}
		_, err := tx.Exec(ctx, credit, amount, dst)
		return err
	}, opts...)
}

// unsynced is the bank with one caller on a connection that never syncs.
func unsynced(e *torture.Env, round uint64) ([]faultfs.Event, error) {
	dir := filepath.Join(e.Dir, fmt.Sprintf("off%d", round))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	rec := &faultfs.Recorder{}
	opt := sqlite.DefaultOptions()
	opt.Faults = rec
	store, err := sqlite.Open(context.Background(), sqlite.Location{Path: filepath.Join(dir, fileName)}, opt)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	conn, err := store.Connect(context.Background(), sqlite.Writer)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.Exec("PRAGMA synchronous=OFF; BEGIN; " + schema + seedRows + "; COMMIT"); err != nil {
		return nil, err
	}
	rnd := e.Rand(round)
	for n := 1; n <= 4*movesEach; n++ {
		src, amount := rnd.IntN(accounts)+1, rnd.IntN(5)
		err := conn.Exec(fmt.Sprintf(`BEGIN IMMEDIATE; UPDATE accounts SET balance = balance - %d, note = hex(zeroblob(%d)) WHERE id = %d;
INSERT INTO moves(who, n, src, dst, amount) VALUES (0, %d, %d, %d, %d); UPDATE accounts SET balance = balance + %[1]d WHERE id = %[6]d; COMMIT`,
			amount, rnd.IntN(padBytes/2), src, n, src, src%accounts+1, amount))
		if err != nil {
			return nil, err
		}
		rec.Mark(faultfs.Mark{Who: 0, N: n, Durable: true})
		if n%8 == 0 {
			if _, _, _, err := conn.Checkpoint(sqlite.Passive); err != nil {
				return nil, err
			}
		}
	}
	return rec.Events(), nil
}
