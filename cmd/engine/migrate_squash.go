package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/tidegate/engine"
)

const migrateSquashExamples = `  engine migrate squash --dir migrations --to 20

The files up to --to are replaced by one with the schema and the rows that they make in a new database. A database that has them all goes on with
it; one that is in between has to start a release with the old files once. Commit the folder before: the old files are removed.
`

func runMigrateSquash(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	t := schemaFlags("squash", "--dir FOLDER --to VERSION", migrateSquashExamples, stdout, stderr)
	to := t.set.Int("to", 0, "last `version` that goes into the one file")
	name := t.set.String("component", "", "the `plug-in` whose files these are; without it the main schema")
	if code, done := t.parse(args, 0); done {
		return code
	}
	dir, err := t.folder()
	if err != nil {
		return t.misuse(err)
	}
	if *to < 2 {
		return t.misuse(errors.New("--to is missing: the last of two or more versions that become one"))
	}
	path, err := t.squash(ctx, dir, *name, *to)
	if err == nil {
		err = t.print(map[string]string{"file": path}, func(w io.Writer) { fmt.Fprintln(w, path) })
	}
	return t.answer(err)
}

func (t *schemaTarget) squash(ctx context.Context, dir, name string, to int) (path string, err error) {
	files := os.DirFS(dir)
	cfg := configure(ctx, "sqlite://") // nothing of a database is needed but an empty one
	cfg.Create, cfg.Logger = true, slog.New(slog.DiscardHandler)
	if name == "" {
		cfg.Migrations = files
	} else {
		cfg.Migrate.Components = []engine.ComponentMigrations{{Name: name, Files: files}}
	}
	m, err := engine.OpenMigrator(ctx, cfg) // a folder with a conflict is not the one to squash
	if err != nil {
		return "", err
	}
	file, text, err := m.Squash(ctx, name, to)
	if err = errors.Join(err, m.Close()); err != nil {
		return "", err
	}
	path = filepath.Join(dir, file)
	return path, replaceFiles(dir, path, text, to)
}

// replaceFiles puts the new file in the place of the old ones.
func replaceFiles(dir, path string, text []byte, to int) error {
	names, err := fs.Glob(os.DirFS(dir), "[0-9][0-9][0-9][0-9]_*.sql")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".part", text, 0o644); err != nil {
		return err
	}
	for _, name := range names {
		var v int
		if _, err := fmt.Sscanf(name[:4], "%d", &v); err == nil && v <= to {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	if err := os.Rename(path+".part", path); err != nil {
		return err
	}
	return writeSum(dir)
}
