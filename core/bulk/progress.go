package bulk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// progressTable keeps how far each import is.
const progressTable = "_tg_import"

const createProgress = `CREATE TABLE IF NOT EXISTS ` + progressTable + ` (
  identity      TEXT    NOT NULL PRIMARY KEY, -- of the file, the table and the options
  head          TEXT    NOT NULL,             -- of the file's beginning and the table
  table_name    TEXT    NOT NULL,
  source        TEXT    NOT NULL,
  size          INTEGER NOT NULL,
  at_offset     INTEGER NOT NULL,
  at_line       INTEGER NOT NULL,
  at_row        INTEGER NOT NULL,
  inserted      INTEGER NOT NULL,
  rejected      INTEGER NOT NULL,
  rejects_name  TEXT    NOT NULL,
  rejects_bytes INTEGER NOT NULL,
  started_ns    INTEGER NOT NULL,
  updated_ns    INTEGER NOT NULL,
  finished_ns   INTEGER
) STRICT, WITHOUT ROWID`

// progress is what is recorded, in the transaction that writes the rows.
type progress struct {
	at           Place
	inserted     int64
	rejected     int64
	rejectsName  string
	rejectsBytes int64
}

// fileID tells one file from another.
type fileID struct {
	id   string // "": the file cannot be read again from a place in the middle
	head string
	size int64
}

// sample is how much of a file's beginning and end is looked at.
const sample = 64 << 10

// identify hashes the size, the beginning and the end of the file, with what else decides what its rows become.
func identify(r io.Reader, table string, opt ImportOptions) (fileID, error) {
	s, ok := r.(io.ReadSeeker)
	if !ok {
		return fileID{}, nil
	}
	start, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return fileID{}, nil // a pipe
	}
	end, err := s.Seek(0, io.SeekEnd)
	if err != nil {
		return fileID{}, nil
	}
	fail := func(err error) (fileID, error) {
		return fileID{}, &FormatError{Format: "import", Why: "the file cannot be read", Cause: err}
	}
	read := func(from int64) ([]byte, error) {
		if _, err := s.Seek(from, io.SeekStart); err != nil {
			return nil, err
		}
		var b bytes.Buffer
		_, err := io.CopyN(&b, s, min(sample, end-from))
		return b.Bytes(), err
	}
	head, err := read(start)
	if err != nil {
		return fail(err)
	}
	tail, err := read(max(start, end-sample))
	if err != nil {
		return fail(err)
	}
	if _, err := s.Seek(start, io.SeekStart); err != nil {
		return fail(err)
	}
	table = strings.ToLower(table)
	id := fileID{size: end - start, head: digest(table, head)}
	id.id = digest(table, opt.Format.Name(), opt.Map, opt.Scale, id.size, head, tail) // maps are written in order of their keys
	return id, nil
}

func digest(parts ...any) string {
	h := sha256.New()
	e := json.NewEncoder(h)
	for _, p := range parts {
		_ = e.Encode(p) // text, numbers and maps of them: cannot fail
	}
	return hex.EncodeToString(h.Sum(nil))
}

// recorded is a row of the table.
type recorded struct {
	progress
	identity, source string
	size             int64
	finished         bool
}

// look reads what is recorded of this file, and of others that begin like it.
func (im *importer) look(ctx context.Context) (all []recorded, exists bool, err error) {
	err = im.db.View(ctx, "import progress", func(ctx context.Context, r Reader) error {
		all, exists = nil, false
		err := each(ctx, r, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", []any{progressTable}, func([]sqlite.Value) error {
			exists = true
			return nil
		})
		if err != nil || !exists {
			return err
		}
		return each(ctx, r, "SELECT identity, source, size, at_offset, at_line, at_row, inserted, rejected, rejects_name, rejects_bytes, finished_ns IS NOT NULL FROM "+
			progressTable+" WHERE identity = ? OR head = ?", []any{im.file.id, im.file.head}, func(v []sqlite.Value) error {
			all = append(all, recorded{identity: string(v[0].Bytes), source: string(v[1].Bytes), size: v[2].Int, finished: v[10].Int != 0,
				progress: progress{at: Place{Offset: v[3].Int, Line: v[4].Int, Rows: v[5].Int}, inserted: v[6].Int, rejected: v[7].Int,
					rejectsName: string(v[8].Bytes), rejectsBytes: v[9].Int}})
			return nil
		})
	})
	return all, exists, err
}

// load finds the record of this import, or makes one.
func (im *importer) load(ctx context.Context) error {
	all, exists, err := im.look(ctx)
	if err != nil {
		return err
	}
	for _, r := range all {
		switch {
		case im.opt.Restart:
		case r.identity == im.file.id && r.finished:
			im.kept = r.progress
			im.count()
			im.report.Resumed = r.at.Rows // all of them: this run has done nothing
			return &ProgressError{im.table.name, fmt.Sprintf("this file (%s) was imported before, %d rows of it: restart to import it once more", r.source, r.at.Rows)}
		case r.identity == im.file.id:
			im.kept = r.progress
			return nil
		}
	}
	for _, r := range all {
		if !im.opt.Restart && !r.finished {
			return &ProgressError{im.table.name, fmt.Sprintf("a file that begins like this one (%s, %d bytes) was imported up to row %d and not to its end: "+
				"finish it with the options of that time, or restart to import this file from its beginning", r.source, r.size, r.at.Rows)}
		}
	}
	im.kept = progress{rejectsName: im.opt.RejectsName}
	now := time.Now().UnixNano()
	work := Work{Name: "import " + im.table.name + ": begin", Hold: holdFor, Durable: true}
	return im.update(ctx, work, func(ctx context.Context, w Writer) error {
		if !exists {
			if _, err := w.Own(ctx, createProgress, nil); err != nil {
				return err
			}
		}
		if im.opt.Restart {
			if _, err := w.Own(ctx, "DELETE FROM "+progressTable+" WHERE identity = ?1 OR head = ?2 AND finished_ns IS NULL", []any{im.file.id, im.file.head}); err != nil {
				return err
			}
		}
		_, err := w.Own(ctx, "INSERT INTO "+progressTable+" (identity, head, table_name, source, size, at_offset, at_line, at_row, inserted, rejected, "+
			"rejects_name, rejects_bytes, started_ns, updated_ns) VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 0, 0, 0, ?6, 0, ?7, ?7) ON CONFLICT (identity) DO NOTHING",
			[]any{im.file.id, im.file.head, im.table.name, im.opt.Source, im.file.size, im.kept.rejectsName, now})
		return err
	}, func(recorded) bool { return true })
}

// save records progress. The record must be where this run left it: two imports of one file at once would write rows twice.
func (im *importer) save(ctx context.Context, w Writer, p *progress, last bool) error {
	now := time.Now().UnixNano()
	var finished any
	if last {
		finished = now
	}
	n, err := w.Own(ctx, "UPDATE "+progressTable+" SET at_offset = ?3, at_line = ?4, at_row = ?5, inserted = ?6, rejected = ?7, rejects_name = ?8, "+
		"rejects_bytes = ?9, updated_ns = ?10, finished_ns = ?11 WHERE identity = ?1 AND at_row = ?2 AND finished_ns IS NULL",
		[]any{im.file.id, im.kept.at.Rows, p.at.Offset, p.at.Line, p.at.Rows, p.inserted, p.rejected, p.rejectsName, p.rejectsBytes, now, finished})
	if err == nil && n != 1 {
		err = &ProgressError{im.table.name, "another import of the same file is under way, or has restarted it: wait for that one"}
	}
	return err
}

// applied reports whether the record is there, and done says that it is as it should be.
func (im *importer) applied(ctx context.Context, done func(recorded) bool) (bool, error) {
	all, _, err := im.look(ctx)
	if err != nil {
		return false, err
	}
	for _, r := range all {
		if r.identity == im.file.id {
			return done(r), nil
		}
	}
	return false, nil
}

// finish records that the file was read to its end, and makes all of it durable.
func (im *importer) finish(ctx context.Context) error {
	if f := im.opt.Rejects; f != nil {
		if err := f.Truncate(im.kept.rejectsBytes); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	if !im.report.Resumable {
		return nil
	}
	work := Work{Name: "import " + im.table.name + ": end", Durable: true, Hold: holdFor}
	return im.update(ctx, work, func(ctx context.Context, w Writer) error { return im.save(ctx, w, &im.kept, true) },
		func(r recorded) bool { return r.finished })
}
