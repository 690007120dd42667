package main

import (
	"context"
	"errors"
	"io"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/migrate"
)

const migrateDownExamples = `  engine migrate down --to 7
  engine migrate down --to 7 --allow-data-loss        # after it has said what that drops
  engine migrate down --to 2 --component audit        # a plug-in's

The scripts are stored in the database: a program that never had the files can take it back. A copy is kept.
`

func runMigrateDown(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	t := schemaFlags("down", "--to VERSION [flags]", migrateDownExamples, stdout, stderr).withDatabase()
	var opt migrate.DownOptions
	t.set.IntVar(&opt.To, "to", -1, "`version` that stays; 0 takes everything back")
	t.set.StringVar(&opt.Component, "component", "", "the `plug-in` whose migrations are meant; without it the main schema")
	t.set.BoolVar(&opt.AllowDataLoss, "allow-data-loss", false, "drop tables and columns that hold data")
	if code, done := t.parse(args, 0); done {
		return code
	}
	if opt.To < 0 {
		return t.misuse(errors.New("--to VERSION is missing: the one that stays, 0 for none"))
	}
	return t.run(ctx, t.config(ctx), func(m *engine.Migrator) error {
		r, err := m.Down(ctx, opt)
		if err != nil {
			return err
		}
		return t.printRun(r)
	})
}
