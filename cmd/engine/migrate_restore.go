package main

import (
	"context"
	"errors"
	"io"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/migrate"
)

const migrateRestoreExamples = `  engine migrate restore --yes                      # the newest copy
  engine migrate restore --run 5JSGL2D7Q4 --yes     # the copy from before that run
  engine migrate restore --path old.db --yes

What was written since the copy is lost. The content of now is copied first, and can be put back in the same way; --discard leaves that out, for a
database that is too damaged to be copied.
`

func runMigrateRestore(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	t := schemaFlags("restore", "[flags]", migrateRestoreExamples, stdout, stderr).withDatabase()
	var opt migrate.RestoreOptions
	t.set.StringVar(&opt.Run, "run", "", "the copy from before this `run`")
	t.set.StringVar(&opt.Path, "path", "", "this `file`")
	t.set.BoolVar(&opt.Discard, "discard", false, "keep no copy of what is there now")
	yes := t.set.Bool("yes", false, "lose what was written since")
	if code, done := t.parse(args, 0); done {
		return code
	}
	if opt.Run != "" && opt.Path != "" {
		return t.misuse(errors.New("say --run or --path: each names a copy"))
	}
	if !*yes && opt.Run == "" {
		return t.misuse(errors.New("say --yes: what was written since the copy is lost"))
	}
	return t.run(ctx, t.config(ctx), func(m *engine.Migrator) error {
		_, r, err := m.Restore(ctx, opt)
		if err != nil {
			return err
		}
		return t.printRun(r)
	})
}
