package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const migrateNewExamples = `  engine migrate new --dir migrations "trade price as integer micros"
`

const newMigration = `-- migration: %s
-- compat: %04d          -- lowest version that a program must know to open the database afterwards; less where the change only adds
-- +up

-- +down

-- +verify
`

func runMigrateNew(_ context.Context, args []string, stdout, stderr io.Writer) int {
	t := schemaFlags("new", "--dir FOLDER NAME", migrateNewExamples, stdout, stderr)
	if code, done := t.parse(args, 1); done {
		return code
	}
	dir, err := t.folder()
	if err != nil {
		return t.misuse(err)
	}
	words := strings.FieldsFunc(strings.ToLower(t.positional[0]), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	if len(words) == 0 || strings.ContainsAny(t.positional[0], "\r\n") {
		return t.misuse(errors.New("the name needs a letter or a digit and stands on one line"))
	}
	path, err := writeNew(dir, strings.Join(words, "_"), t.positional[0])
	if err == nil {
		err = t.print(map[string]string{"file": path}, func(w io.Writer) { fmt.Fprintln(w, path) })
	}
	return t.answer(err)
}

// writeNew writes an empty file with the next number; the sum file is written once the file has content.
func writeNew(dir, slug, name string) (string, error) {
	next := 1
	names, err := fs.Glob(os.DirFS(dir), "[0-9][0-9][0-9][0-9]_*.sql")
	if err != nil {
		return "", err
	}
	for _, n := range names {
		var v int
		if _, err := fmt.Sscanf(n[:4], "%d", &v); err == nil {
			next = max(next, v+1)
		}
	}
	if next > 9999 {
		return "", errors.New("there is no number after 9999: squash the first files")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, fmt.Sprintf("%04d_%s.sql", next, slug))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return "", err
	}
	_, err = fmt.Fprintf(f, newMigration, name, next)
	return path, errors.Join(err, f.Close())
}
