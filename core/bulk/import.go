package bulk

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"
)

// ImportOptions say what to import and how. Table and Format must be set.
type ImportOptions struct {
	Table  string
	Format Format
	// Map gives names of the file the names of columns; "" leaves that part of the file out. What is not in it keeps its name.
	Map map[string]string
	// Scale makes decimals integers of a smaller unit, exactly: with 8, 0.5 becomes 50000000. Keys are columns of the table.
	Scale map[string]int
	// SkipBad goes on behind a row that is refused. Without it the import ends there, with what came before it imported.
	SkipBad bool
	// MaxRejects is how many rows SkipBad may pass over. 0: any number.
	MaxRejects int64
	// Rejects receives the refused rows, a JSON object a line: line, row, column, reason, and the record as it stands in the
	// file. Nil: they are only counted.
	Rejects RejectFile
	// RejectsName tells one file of rejects from another when the import is resumed.
	RejectsName string
	// Restart forgets what is recorded of an earlier import of the same file and begins at its start. Rows stay.
	Restart bool
	// Source names the file in the record of progress.
	Source string
	// Chunk is how long a transaction keeps the writer. 0: 5 ms.
	Chunk time.Duration
	// Progress is told now and then how far it is; nil: nobody. It must be quick.
	Progress func(Progress)
}

// defaultChunk leaves the writer to others nearly two hundred times a second.
const defaultChunk = 5 * time.Millisecond

// ImportReport tells what was imported. It is filled in as far as it goes when Import returns an error, too.
type ImportReport struct {
	Table string `json:"table"`
	// Rows of the file, refused ones included, by this run and those that it resumed.
	Rows int64 `json:"rows"`
	// Inserted and Rejected add up to Rows.
	Inserted int64 `json:"inserted"`
	Rejected int64 `json:"rejected"`
	// Resumed is how many of Rows earlier runs had done.
	Resumed int64 `json:"resumed"`
	// Resumable is false for what cannot be read again from a place in the middle, such as a pipe.
	Resumable bool `json:"resumable"`
	// Done says that the file was read to its end.
	Done bool `json:"done"`
	// Chunks is how many transactions this run took, and Longest how long the longest had the writer.
	Chunks  int           `json:"chunks"`
	Longest time.Duration `json:"longest_ns"`
	Took    time.Duration `json:"took_ns"`
	// First are the first refused rows of this run, ten at most.
	First []Reject `json:"first_rejects,omitempty"`
}

// firstRejects is how many refused rows the report holds.
const firstRejects = 10

// Import reads rows from r and inserts them into a table. A file that can seek is read from where it stands, and when an
// earlier import of the same file into the same table with the same options did not come to its end, from there on: each row
// is imported once, however often the process is killed in between. The last transaction is durable, and so is all before it.
//
// # Errors
//
// [ErrOptions], [ErrTable], [ErrFormat]; [ErrRow] when a row is refused and none may be; [ErrProgress] when the file was
// imported before; those of the database, and the context's. What was committed stays, and the report counts it.
func Import(ctx context.Context, db Store, r io.Reader, opt ImportOptions) (ImportReport, error) {
	start := time.Now()
	im := &importer{db: db, opt: opt, pace: newPace(opt.Progress), report: ImportReport{Table: opt.Table}}
	err := im.run(ctx, r)
	im.report.Took = time.Since(start)
	return im.report, err
}

// importer is an import under way.
type importer struct {
	db      Store
	opt     ImportOptions
	table   *table
	planner planner
	file    fileID
	kept    progress // what is recorded
	pace    *pace
	report  ImportReport
	queue   backlog
	limit   int // rows of the next transaction; 0: as many as time allows
	total   int64
}

func (im *importer) run(ctx context.Context, r io.Reader) error {
	if err := im.check(); err != nil {
		return err
	}
	err := im.db.View(ctx, "import", func(ctx context.Context, rd Reader) (err error) {
		im.table, err = describe(ctx, rd, im.opt.Table)
		return err
	})
	if err != nil {
		return err
	}
	im.report.Table = im.table.name
	if im.table.view {
		return &TableError{im.table.name, "it is a view: import into its tables"}
	}
	if im.planner, err = newPlanner(im.table, im.opt.Map, im.opt.Scale); err != nil {
		return err
	}
	if im.file, err = identify(r, im.table.name, im.opt); err != nil {
		return err
	}
	im.report.Resumable, im.total = im.file.id != "", im.file.size
	dec, err := im.opt.Format.Decoder(r)
	if err != nil {
		return err
	}
	if sized, ok := dec.(interface{ Total() int64 }); ok {
		im.total = sized.Total()
	}
	if names := dec.Columns(); names != nil {
		if err := im.planner.header(names); err != nil {
			return err
		}
	}
	if err := im.resume(ctx, dec); err != nil {
		return err
	}
	return im.copy(ctx, dec)
}

// check refuses options that contradict each other.
func (im *importer) check() error {
	o := &im.opt
	name := strings.ToLower(o.Table)
	switch {
	case o.Table == "":
		return optionsf("import needs a table")
	case o.Format == nil:
		return optionsf("import needs a format")
	case strings.HasPrefix(name, "_tg_"), strings.HasPrefix(name, "sqlite_"):
		return &TableError{o.Table, "it belongs to the engine: import into a table of your own"}
	case o.MaxRejects < 0:
		return optionsf("the number of rows that may be refused is negative")
	case o.MaxRejects > 0 && !o.SkipBad:
		return optionsf("a number of rows that may be refused has a meaning only where refused rows are skipped")
	case o.Chunk < 0:
		return optionsf("the time of a transaction is negative")
	case o.Chunk == 0:
		o.Chunk = defaultChunk
	}
	return nil
}

// resume finds out where to begin, and goes there.
func (im *importer) resume(ctx context.Context, dec Decoder) error {
	if !im.report.Resumable {
		if im.opt.Rejects != nil {
			return im.opt.Rejects.Truncate(0)
		}
		return nil
	}
	if err := im.load(ctx); err != nil {
		return err
	}
	im.count()
	im.report.Resumed = im.kept.at.Rows
	if err := im.reopenRejects(); err != nil {
		return err
	}
	if im.kept.at.Rows == 0 {
		return nil
	}
	return dec.Seek(im.kept.at)
}

// count brings the report up to what is recorded.
func (im *importer) count() {
	im.report.Rows, im.report.Inserted, im.report.Rejected = im.kept.at.Rows, im.kept.inserted, im.kept.rejected
}

// copy writes until the file ends. The file is read on a goroutine of its own, which is gone when copy returns.
func (im *importer) copy(ctx context.Context, dec Decoder) error {
	ctx, stop := context.WithCancel(ctx)
	in := &intake{dec: dec, planner: &im.planner, out: make(chan batch, batchesAhead), keepRaw: im.opt.Rejects != nil}
	done := make(chan struct{})
	go func() {
		defer close(done)
		in.run(ctx)
	}()
	defer func() {
		stop()
		<-done
	}()
	im.queue.from = in.out
	for {
		more, err := im.queue.fill(ctx)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if err := im.step(ctx); err != nil {
			return err
		}
		im.count()
		im.pace.due(Progress{Rows: im.kept.at.Rows, Rejected: im.kept.rejected, Bytes: im.kept.at.Offset, Total: im.total}, im.kept.at.Offset, im.total)
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if in.err != nil && !errors.Is(in.err, io.EOF) {
		return in.err
	}
	if err := im.finish(ctx); err != nil {
		return err
	}
	im.report.Done = true
	return nil
}
