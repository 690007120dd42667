package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/sqlite"
)

const migrateBaselineExamples = `  engine migrate baseline --db sqlite:///production_trading.db
  engine migrate baseline --at 7 --dir migrations     # it has what the files up to 0007 build

A copy is kept and nothing is rewritten. Without --at the schema that is there becomes version 0, and all files are still to come.
`

func runMigrateBaseline(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	t := schemaFlags("baseline", "[flags]", migrateBaselineExamples, stdout, stderr).withDatabase()
	at := t.set.Int("at", 0, "`version` whose files the database has already")
	if code, done := t.parse(args, 0); done {
		return code
	}
	return t.baseline(ctx, *at)
}

// baseline adopts the database. The copy that the engine makes first has a fixed name and is never overwritten; that of an attempt which failed gets
// another one, so that the next attempt can make its own.
func (t *schemaTarget) baseline(ctx context.Context, at int) int {
	cfg := t.config(ctx)
	cfg.Adopt = true
	loc, err := sqlite.ParseURL(t.url)
	if err != nil {
		return t.answer(err)
	}
	kept := loc.Path + ".before-adoption"
	_, before := os.Lstat(kept)
	code := t.run(ctx, cfg, func(m *engine.Migrator) error {
		r, err := m.Baseline(ctx, migrate.BaselineOptions{At: at})
		if err != nil {
			return err
		}
		return t.printRun(r)
	})
	if _, after := os.Lstat(kept); code != exitOK && errors.Is(before, fs.ErrNotExist) && after == nil {
		aside := kept + "-" + time.Now().UTC().Format("20060102T150405.000000000")
		if err := os.Rename(kept, aside); err == nil {
			fmt.Fprintf(t.stderr, "the copy from before this attempt is %s\n", aside)
		}
	}
	return code
}
