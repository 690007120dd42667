package shell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/clock"
)

// RowWriter takes the rows of a result one by one. Nothing is sure to be written before End.
type RowWriter interface {
	Row(values []any) error
	End() error
}

// Cutter is a RowWriter that may shorten values; Cut reports whether it did.
type Cutter interface{ Cut() bool }

// Format makes the writer of a mode: table, csv, json or line. width is how many columns a line may have; 0 is any number.
type Format func(mode string, w io.Writer, columns []string, width int) (RowWriter, error)

// Config says how a shell starts. Out, Err, Format, Literal, Mode, Hold and Idle must be set.
type Config struct {
	// Out takes rows and Err everything else.
	Out, Err io.Writer
	// Width returns the width of the terminal that Out is; nil, or 0 from it: it is none, and nothing is shortened.
	Width func() int
	// Format makes the writers of rows.
	Format Format
	// Literal reads a value of .param; its errors do not repeat the value.
	Literal func(text string) (any, error)
	// Settings are the values that commands change.
	Settings Settings
	// ReadOnly says that the database was opened so.
	ReadOnly bool
	// Hold is how long a transaction that is typed may keep the writer.
	Hold time.Duration
	// Idle is how long nothing may be typed in it.
	Idle time.Duration
	// Clock tells how long that is; nil is the machine's.
	Clock clock.Clock
	// Continue lets a script go on after an error.
	Continue bool
}

func (c *Config) clock() clock.Clock {
	if c.Clock == nil {
		return clock.System()
	}
	return c.Clock
}

// Settings are what commands change.
type Settings struct {
	// Mode is table, csv, json or line.
	Mode string
	// Timer says whether each statement's time is shown.
	Timer bool
	// Class is what statements are for.
	Class engine.Class
	// Durability is what a commit must survive.
	Durability engine.Durability
}

// Shell runs statements and commands on a database. It is for one goroutine, and one Interact or Script at a time.
type Shell struct {
	db     *engine.DB
	cfg    Config
	set    Settings
	params map[string]any
	tx     *transaction    // that a person has begun
	out    io.Writer       // where rows go
	file   *os.File        // that out is, after .output
	last   string          // the statement that ran last
	deep   int             // how many .read are under way
	typed  collector       // what a person is about to type
	talks  bool            // there is a person
	press  interrupt       // what they press
	life   context.Context // of transactions: longer than a statement's
}

// New returns a shell on db, which the caller closes after it.
func New(db *engine.DB, cfg Config) *Shell {
	return &Shell{db: db, cfg: cfg, set: cfg.Settings, params: map[string]any{}, out: cfg.Out}
}

// Editor reads lines from a person.
type Editor interface {
	// Line shows the prompt and returns what was typed: io.EOF at Ctrl-D, ErrAborted at Ctrl-C.
	Line(prompt string) (string, error)
	// Interrupts says what Ctrl-C is until the next call: a signal to the process, which ends the statement that runs, or a key of the line. It
	// begins as a key.
	Interrupts(signal bool)
	// Remember adds an entry to the history.
	Remember(entry string)
}

// ErrAborted is what an Editor returns when a person gives up the line.
var ErrAborted = errors.New("shell: the line was given up")

var (
	errQuit     = errors.New("quit")
	errReported = errors.New("a failure that has been reported")
)

// Interact reads from a person until the end of input, .quit or the end of ctx. A value of stop ends the statement that runs, and nothing
// else. Errors are shown and end nothing; the returned one is the editor's own.
func (s *Shell) Interact(ctx context.Context, ed Editor, stop <-chan os.Signal) error {
	s.talks, s.press.keys, s.life = true, stop, ctx
	guard := func(run func(context.Context) error) error {
		ed.Interrupts(true)
		defer ed.Interrupts(false)
		return s.press.guard(ctx, s.db, run)
	}
	defer s.leave()
	var lines []string // of what is pending
	for {
		line, err := s.ask(ctx, ed)
		switch {
		case errors.Is(err, ErrAborted):
			s.typed.reset()
			lines = nil
			continue
		case errors.Is(err, io.EOF):
			fmt.Fprintln(s.cfg.Err)
			return nil
		case err != nil:
			return err
		}
		if s.tx != nil {
			s.tx.poll()
		}
		if c := commandLine(line); c != "" && !s.typed.pending() {
			ed.Remember(withoutValues(c))
			if err := guard(func(ctx context.Context) error { return s.command(ctx, c) }); err == errQuit {
				return nil
			} else if err != nil {
				s.complain(err)
			}
			continue
		}
		done := s.typed.add(line)
		lines = append(lines, line)
		if !s.typed.pending() {
			for _, entry := range oneLine(lines) {
				ed.Remember(entry)
			}
			lines = nil
		}
		for _, sql := range done {
			if err := guard(func(ctx context.Context) error { return s.statement(ctx, sql) }); err != nil {
				s.complain(err)
				break // what follows on the line was typed in the belief that this would do
			}
		}
	}
}

// ask waits for a line, or for the end of ctx: nobody may be there to press a key.
func (s *Shell) ask(ctx context.Context, ed Editor) (string, error) {
	type answer struct {
		line string
		err  error
	}
	prompt := s.prompt()
	got := make(chan answer, 1)
	go func() {
		line, err := ed.Line(prompt)
		got <- answer{line, err}
	}()
	select {
	case a := <-got:
		return a.line, a.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// prompt shows where a person is: a star inside a transaction, an exclamation mark where that was lost.
func (s *Shell) prompt() string {
	mark := ""
	if s.tx != nil {
		s.tx.poll()
		mark = "*"
		if s.tx.lost != nil || s.tx.broken {
			mark = "!"
		}
	}
	if s.typed.pending() {
		return strings.Repeat(" ", len("engine")+len(mark)-3) + "...> "
	}
	return "engine" + mark + "> "
}

// leave ends what is open.
func (s *Shell) leave() {
	if s.tx != nil {
		if s.tx.rollback(); s.talks {
			fmt.Fprintln(s.cfg.Err, "the open transaction was rolled back")
		}
		s.tx = nil
	}
	if err := s.divert(""); err != nil {
		s.complain(err)
	}
}

// Script runs statements and commands, and reports whether all went well. The first failure ends it, unless the configuration says
// otherwise. name stands before the number of the line in messages.
func (s *Shell) Script(ctx context.Context, r io.Reader, name string) bool {
	s.life = ctx
	err := s.run(ctx, r, name)
	if s.tx != nil {
		fmt.Fprintf(s.cfg.Err, "%s: the script ended inside a transaction, which was rolled back: COMMIT ends one\n", name)
		err = errReported
	}
	s.leave()
	return err == nil || err == errQuit
}

// run is a script, or a file that one reads. Its error has been reported, or it is errQuit.
func (s *Shell) run(ctx context.Context, r io.Reader, name string) error {
	in := bufio.NewReader(r)
	var c collector
	var failed error
	number, began := 0, 0 // lines
	try := func(line int, run func() error) (goOn bool) {
		err := run()
		if err == nil {
			return true
		}
		if err == errQuit {
			failed = err
			return false
		}
		if err != errReported {
			fmt.Fprintf(s.cfg.Err, "%s: line %d: %s\n", name, line, Plain(s.explain(err)))
		}
		failed = errReported
		return s.cfg.Continue && ctx.Err() == nil
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil && err != io.EOF {
			fmt.Fprintf(s.cfg.Err, "%s: line %d: %v\n", name, number+1, err)
			return errReported
		}
		number++
		if text := strings.TrimRight(line, "\r\n"); !c.pending() && commandLine(text) != "" {
			if !try(number, func() error { return s.command(ctx, commandLine(text)) }) {
				return failed
			}
		} else {
			if !c.begun {
				began = number
			}
			for _, sql := range c.add(text) {
				if !try(began, func() error { return s.statement(ctx, sql) }) {
					return failed
				}
				began = number
			}
		}
		if err == io.EOF {
			break
		}
	}
	sql, whole := c.rest()
	switch {
	case !whole:
		fmt.Fprintf(s.cfg.Err, "%s: line %d: the statement that begins here has no end: a quote, a comment or a trigger is still open\n", name, began)
		failed = errReported
	case sql != "":
		try(began, func() error { return s.statement(ctx, sql) })
	}
	return failed
}

// statement runs one statement and shows what came of it.
func (s *Shell) statement(ctx context.Context, sql string) error {
	st := read(sql)
	began := time.Now()
	note, err := s.perform(ctx, &st)
	took := time.Since(began)
	if err != nil {
		return err
	}
	if s.set.Timer {
		note += " (" + took.Round(10*time.Microsecond).String() + ")"
	}
	if s.talks || s.set.Timer {
		fmt.Fprintln(s.cfg.Err, note)
	}
	return nil
}

// perform runs a statement and says in a few words what it did.
func (s *Shell) perform(ctx context.Context, st *statement) (note string, err error) {
	if st.control != controlNone {
		return s.control(ctx, st.control)
	}
	if !st.plan {
		s.last = st.sql
	}
	args, err := st.bind(s.params)
	if err != nil {
		return "", err
	}
	s.press.writes.Store(st.writes())
	defer s.press.writes.Store(false)
	err = s.with(ctx, func(ctx context.Context, q querier, opts []any) error {
		args := append(args, opts...)
		switch {
		case st.plan:
			note = "plan"
			return s.tree(ctx, q, st.sql, args)
		case st.rows:
			n, err := s.rows(ctx, q, st.sql, args)
			note = count(n, "row")
			return err
		}
		done, err := q.Exec(ctx, st.sql, args...)
		if note = "done"; st.changes() {
			note = count(done.RowsAffected, "row") + " changed"
		}
		return err
	})
	if s.tx != nil && fatal(err) {
		s.tx.broken = true
	}
	return note, err
}

// with runs f in the open transaction, or on the database with the options in force.
func (s *Shell) with(ctx context.Context, f func(ctx context.Context, q querier, opts []any) error) error {
	if s.tx != nil {
		return s.tx.do(ctx, func(ctx context.Context, q querier) error { return f(ctx, q, nil) })
	}
	var opts []any
	for _, o := range s.options() {
		opts = append(opts, o)
	}
	return f(ctx, s.db, opts)
}

func (s *Shell) options() []engine.Option {
	return []engine.Option{engine.WithName(sessionName), engine.WithClass(s.set.Class), engine.WithDurability(s.set.Durability)}
}

// control begins and ends transactions.
func (s *Shell) control(ctx context.Context, what control) (note string, err error) {
	switch what {
	case controlUnknown:
		return "", errors.New("write BEGIN, BEGIN READ ONLY, COMMIT or ROLLBACK; SAVEPOINT, ROLLBACK TO and RELEASE are for a part of a transaction")
	case controlBegin, controlBeginRead:
		if s.tx != nil {
			return "", errors.New("a transaction is open already: COMMIT or ROLLBACK ends it, SAVEPOINT is for a part of it")
		}
		readOnly := what == controlBeginRead || s.cfg.ReadOnly
		opts := s.options()
		if !readOnly {
			opts = append(opts, engine.HoldFor(s.cfg.Hold))
		}
		if s.tx, err = s.begin(ctx, readOnly, opts); err != nil {
			s.tx = nil
			return "", err
		}
		if readOnly {
			return "a snapshot, which only reads", nil
		}
		return fmt.Sprintf("the writer is yours for %v: nobody else writes meanwhile, other programs neither", s.cfg.Hold), nil
	}
	if s.tx == nil {
		return "", errors.New("no transaction is open: BEGIN opens one")
	}
	t := s.tx
	s.tx = nil
	if what == controlRollback {
		t.rollback()
		return "rolled back", nil
	}
	return "committed", t.commit()
}

// rows streams the rows of a query and returns how many there were.
func (s *Shell) rows(ctx context.Context, q querier, sql string, args []any) (n int64, err error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	columns := rows.Columns()
	w, err := s.format(columns)
	if err != nil {
		return 0, err
	}
	for row, err := range rows.All() {
		if err != nil {
			return n, errors.Join(err, w.End())
		}
		values, err := row.Values()
		if err != nil {
			return n, err
		}
		if err := w.Row(values); err != nil {
			return n, err
		}
		n++
	}
	return n, s.finish(w)
}

// format makes the writer of the mode in force.
func (s *Shell) format(columns []string) (RowWriter, error) {
	width := 0
	if s.file == nil && s.cfg.Width != nil {
		width = s.cfg.Width()
	}
	return s.cfg.Format(s.set.Mode, s.out, columns, width)
}

func (s *Shell) finish(w RowWriter) error {
	err := w.End()
	if c, ok := w.(Cutter); ok && c.Cut() {
		fmt.Fprintln(s.cfg.Err, "… stands for what the terminal has no room for: .mode line shows it")
	}
	return err
}

// list shows rows that the shell has made itself.
func (s *Shell) list(columns []string, rows [][]any) error {
	w, err := s.format(columns)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := w.Row(r); err != nil {
			return err
		}
	}
	return s.finish(w)
}

// count writes a number with its noun.
func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
