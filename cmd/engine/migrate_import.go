package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tidegate/engine/core/migrate/adopt"
	"github.com/tidegate/engine/core/sqlite"
)

const migrateImportExamples = `  engine migrate import --from goose --source db/migrations --dir migrations --db sqlite:///app.db
  engine migrate import --from golang-migrate --source db/migrations --dir migrations
  engine migrate import --from goose --source db/migrations --dir migrations --files-only

The files are written anew in --dir, which must be empty; those of --source stay. Then the database is adopted at the version that it has: its
schema is compared with what the files build, a copy is kept, and nothing is rewritten.
`

type schemaImport struct {
	From    string         `json:"from"`
	Version int64          `json:"version"`
	At      int            `json:"at"`
	Files   []importedFile `json:"files"`
}

type importedFile struct {
	File  string   `json:"file"`
	From  string   `json:"from,omitempty"`
	Notes []string `json:"notes,omitempty"`
}

func runMigrateImport(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	t := schemaFlags("import", "--from TOOL --source FOLDER --dir FOLDER [flags]", migrateImportExamples, stdout, stderr).withDatabase()
	from := t.set.String("from", "", "the other `tool`: goose, golang-migrate or user_version")
	source := t.set.String("source", "", "`folder` with the files of the other tool")
	filesOnly := t.set.Bool("files-only", false, "write the files and leave every database alone")
	if code, done := t.parse(args, 0); done {
		return code
	}
	dir, err := t.folder()
	switch {
	case err != nil:
		return t.misuse(err)
	case *from == "" || *source == "":
		return t.misuse(errors.New("--from and --source are needed: the tool, and the folder of its files"))
	}
	h := adopt.History{Tool: adopt.Tool(*from)}
	if !*filesOnly {
		if h, err = readForeign(ctx, t.url, h.Tool); err != nil {
			return t.answer(err)
		}
	}
	imported, err := adopt.Import(os.DirFS(*source), h)
	if err == nil {
		err = writeImported(dir, imported)
	}
	if err != nil {
		return t.answer(err)
	}
	out := schemaImport{From: *from, Version: h.Version, At: imported.At, Files: []importedFile{}}
	for _, f := range imported.Files {
		out.Files = append(out.Files, importedFile{f.Name, f.From, f.Notes})
	}
	err = t.print(out, func(w io.Writer) {
		for _, f := range out.Files {
			fmt.Fprintf(w, "%s", f.File)
			if f.From != "" {
				fmt.Fprintf(w, " from %s", f.From)
			}
			for _, n := range f.Notes {
				fmt.Fprintf(w, "; %s", n)
			}
			fmt.Fprintln(w)
		}
	})
	if err != nil || *filesOnly {
		return t.answer(err)
	}
	if t.asJSON { // one object: what follows is told by its exit code
		t.stdout = io.Discard
	}
	return t.baseline(ctx, imported.At)
}

// readForeign reads another tool's history without changing a byte.
func readForeign(ctx context.Context, url string, tool adopt.Tool) (h adopt.History, err error) {
	loc, err := sqlite.ParseURL(url)
	if err != nil {
		return h, err
	}
	loc.ReadOnly = true
	store, err := sqlite.Open(ctx, loc, sqlite.DefaultOptions())
	if err != nil {
		return h, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	c, err := store.Connect(ctx, sqlite.Reader)
	if err != nil {
		return h, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return adopt.Read(c, tool)
}

// writeImported fills an empty folder.
func writeImported(dir string, imported adopt.Imported) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty: name a new folder with --dir", dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, f := range imported.Files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Content, 0o644); err != nil {
			return err
		}
	}
	return writeSum(dir)
}
