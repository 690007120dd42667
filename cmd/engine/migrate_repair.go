package main

import (
	"context"
	"errors"
	"io"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/migrate"
)

const migrateRepairExamples = `  engine migrate repair --accept 7          # the file of 0007 is right, although it was edited after it had been applied
  engine migrate repair --adopt-drift       # the schema is right, although it was changed by hand
  engine migrate repair --rechain           # the history is right, although its chain is broken
  engine migrate repair --keep-run RUN      # the migrated database is right, although a probe of that run failed

See what it is about with engine migrate diff first. No row of yours is changed; a copy is kept.
`

func runMigrateRepair(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	t := schemaFlags("repair", "--accept VERSION | --adopt-drift | --rechain | --keep-run RUN", migrateRepairExamples, stdout, stderr).withDatabase()
	var opt migrate.RepairOptions
	t.set.IntVar(&opt.Accept, "accept", 0, "the file of this `version` is right")
	t.set.BoolVar(&opt.AdoptDrift, "adopt-drift", false, "the schema is right")
	t.set.BoolVar(&opt.Rechain, "rechain", false, "the history is right")
	t.set.StringVar(&opt.KeepRun, "keep-run", "", "the database is right as this `run` left it")
	t.set.StringVar(&opt.Component, "component", "", "the `plug-in` whose file is meant; without it the main schema")
	if code, done := t.parse(args, 0); done {
		return code
	}
	chosen := 0
	for _, c := range []bool{opt.Accept > 0, opt.AdoptDrift, opt.Rechain, opt.KeepRun != ""} {
		if c {
			chosen++
		}
	}
	if chosen != 1 {
		return t.misuse(errors.New("say one of --accept VERSION, --adopt-drift, --rechain, --keep-run RUN"))
	}
	return t.run(ctx, t.config(ctx), func(m *engine.Migrator) error {
		r, err := m.Repair(ctx, opt)
		if err != nil {
			return err
		}
		return t.printRun(r)
	})
}
