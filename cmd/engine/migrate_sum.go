package main

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/tidegate/engine/core/migrate"
)

const migrateSumExamples = `  engine migrate sum --dir migrations
  engine migrate sum --dir migrations --check     # exit code 3 where it does not fit
`

func runMigrateSum(_ context.Context, args []string, stdout, stderr io.Writer) int {
	t := schemaFlags("sum", "--dir FOLDER", migrateSumExamples, stdout, stderr)
	check := t.set.Bool("check", false, "write nothing, compare")
	if code, done := t.parse(args, 0); done {
		return code
	}
	if *check {
		_, err := migrate.Load(t.files())
		return t.answer(err)
	}
	dir, err := t.folder()
	if err != nil {
		return t.misuse(err)
	}
	if err = writeSum(dir); err == nil && t.asJSON {
		err = t.print(map[string]string{"file": filepath.Join(dir, migrate.SumFile)}, nil)
	}
	return t.answer(err)
}

// writeSum writes the sum file whole or not at all.
func writeSum(dir string) error {
	content, err := migrate.Sum(os.DirFS(dir))
	if err != nil {
		return err
	}
	path := filepath.Join(dir, migrate.SumFile)
	temp := path + ".part"
	if err := os.WriteFile(temp, content, 0o644); err != nil {
		return err
	}
	return os.Rename(temp, path)
}
