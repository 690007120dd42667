package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/migrate/sqltext"
	"github.com/tidegate/engine/core/sqlite"
)

const migrateSquashExamples = `  engine migrate squash --dir migrations --to 20

The files up to --to are replaced by one with the schema and the rows that they make in a new database. A database that has them all goes on with
it; one that is in between has to start a release with the old files once. Commit the folder before: the old files are removed.
`

func runMigrateSquash(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	t := schemaFlags("squash", "--dir FOLDER --to VERSION", migrateSquashExamples, stdout, stderr)
	to := t.set.Int("to", 0, "last `version` that goes into the one file")
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
	path, err := squash(ctx, dir, *to)
	if err == nil {
		err = t.print(map[string]string{"file": path}, func(w io.Writer) { fmt.Fprintln(w, path) })
	}
	return t.answer(err)
}

func squash(ctx context.Context, dir string, to int) (path string, err error) {
	files := os.DirFS(dir)
	if _, err := migrate.Load(files); err != nil { // a folder with a conflict is not the one to squash
		return "", err
	}
	var hash, up, down string
	err = scratch("", func(file string) error {
		c := trial{path: file}
		err := c.migrate(ctx, files, to, func(m *migrate.Migrator) error {
			if _, err := m.Up(ctx); err != nil {
				return err
			}
			entries, err := m.History(ctx)
			if err != nil {
				return err
			}
			last := entries[len(entries)-1]
			if hash = last.SchemaHash; last.Version != to {
				return fmt.Errorf("there is no migration %04d", to)
			}
			return nil
		})
		if err != nil {
			return err
		}
		return c.open(ctx, func(store *sqlite.Store) error {
			conn, err := store.Connect(ctx, sqlite.Maintenance)
			if err != nil {
				return err
			}
			up, down, err = dumpSchema(conn)
			return errors.Join(err, conn.Close())
		})
	})
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, fmt.Sprintf("%04d_squashed.sql", to))
	text := fmt.Sprintf("-- migration: squashed 0001 to %04d\n-- squashes: %s\n-- +up\n%s-- +down\n%s", to, hash, up, down)
	return path, replaceFiles(dir, path, []byte(text), to)
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

// dumpSchema writes a database as SQL: tables, their rows, then what hangs on them, so that no trigger fires for the rows.
func dumpSchema(c *sqlite.Conn) (up, down string, err error) {
	type object struct{ Type, Name, SQL string }
	text, err := c.QueryText(`SELECT json_group_array(json_object('Type', type, 'Name', name, 'SQL', sql) ORDER BY type <> 'table', rowid) FROM sqlite_schema
 WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND tbl_name NOT LIKE '\_tg\_%' ESCAPE '\'
 AND tbl_name NOT IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow')`)
	if err != nil {
		return "", "", err
	}
	var list []object
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return "", "", err
	}
	var b, rows strings.Builder
	var drops []string
	for i, o := range list {
		if o.Type != "table" && (i == 0 || list[i-1].Type == "table") {
			b.WriteString(rows.String())
			rows.Reset()
		}
		b.WriteString(o.SQL + ";\n")
		if o.Type == "table" || o.Type == "view" {
			drops = append([]string{"DROP " + strings.ToUpper(o.Type) + " " + sqltext.QuoteName(o.Name) + ";\n"}, drops...)
		}
		if o.Type == "table" {
			inserts, err := insertsOf(c, o.Name)
			if err != nil {
				return "", "", err
			}
			rows.WriteString(inserts)
		}
	}
	b.WriteString(rows.String())
	return b.String(), strings.Join(drops, ""), nil
}

// insertsOf writes the rows that migrations have put into a table.
func insertsOf(c *sqlite.Conn, table string) (string, error) {
	columns, err := c.QueryText(`SELECT json_array(group_concat('"' || replace(name, '"', '""') || '"', ', ' ORDER BY cid), group_concat('quote("' || replace(name, '"', '""') || '")', ' || '', '' || ' ORDER BY cid))
 FROM pragma_table_xinfo(` + sqltext.QuoteText(table) + `) WHERE hidden = 0`)
	var pair [2]string
	if err == nil {
		err = json.Unmarshal([]byte(columns), &pair)
	}
	if err != nil {
		return "", err
	}
	insert := "INSERT INTO " + sqltext.QuoteName(table) + " (" + pair[0] + ") VALUES ("
	return c.QueryText("SELECT coalesce(group_concat(" + sqltext.QuoteText(insert) + " || " + pair[1] + " || ');' || char(10), ''), '') FROM " + sqltext.QuoteName(table))
}
