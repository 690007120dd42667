package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/shell"
)

var shellVerb = verb{name: "shell", summary: "type statements at a prompt, or run a script from standard input", run: runShell}

const shellExamples = `  engine shell
  engine shell --read-only --class analytics --db sqlite:////var/lib/desk/production_trading.db
  engine shell < nightly.sql                       # the exit code is 1 at the first statement that fails
  echo "SELECT 1;" | engine shell --mode json | jq .

At the prompt: .help lists the commands, Tab completes, Ctrl-C ends the statement that runs, Ctrl-D leaves. A transaction that is typed has
the writer to itself; it is rolled back after --hold, or when nothing was typed in it for --idle.
`

// shellFlags is the command line of the verb.
type shellFlags struct {
	url, mode, class, durability, history string
	readOnly, timer, goOn                 bool
	hold, idle                            time.Duration
}

func runShell(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return shellFrom(ctx, os.Stdin, args, stdout, stderr)
}

// shellFrom is the verb with the input of its choice: a test has one of its own.
func shellFrom(ctx context.Context, stdin io.Reader, args []string, stdout, stderr io.Writer) int {
	var c shellFlags
	f := flags("shell", "[flags]", shellExamples)
	s := sourceFlags(f, "config")
	f.StringVar(&c.mode, "mode", "table", "how rows are shown: table, csv, json or line")
	f.StringVar(&c.class, "class", "normal", "what the statements are for: trade, signal, normal, analytics or maintenance")
	f.StringVar(&c.durability, "durability", "durable", "what a commit survives: durable (power loss) or relaxed (the end of the process)")
	f.StringVar(&c.history, "history", defaultHistory(), "`file` with what was typed; empty keeps none")
	f.BoolVar(&c.readOnly, "read-only", false, "open the database to read only")
	f.BoolVar(&c.timer, "timer", false, "show each statement's time in a script, too")
	f.BoolVar(&c.goOn, "continue", false, "let a script go on after an error; the exit code is 1 all the same")
	f.DurationVar(&c.hold, "hold", 30*time.Second, "how long a transaction that is typed, or one statement, may keep the writer from others")
	f.DurationVar(&c.idle, "idle", 15*time.Second, "how long nothing may be typed in it")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	if len(positional) > 0 {
		return misuse(stderr, "engine shell", errors.New("takes no arguments: statements come from standard input, the database from --db"))
	}
	settings, err := c.settings()
	if err != nil {
		return misuse(stderr, "engine shell", err)
	}
	db, err := s.ruled(ctx, stderr, func(cfg *engine.Config) {
		c.readOnly = c.readOnly || cfg.ReadOnly
		cfg.ReadOnly, cfg.Writer.StatementTime = c.readOnly, c.hold // one statement is a transaction, too
	})
	if err != nil {
		return failure(stderr, "shell", err)
	}
	defer db.Close()
	c.url = db.Config().URL
	conf := shell.Config{Out: stdout, Err: stderr, Format: formatRows, Literal: literal, Settings: settings,
		ReadOnly: c.readOnly, Hold: c.hold, Idle: c.idle, Continue: c.goOn}
	if file, ok := stdin.(*os.File); ok && term.IsTerminal(int(file.Fd())) && term.IsTerminal(int(os.Stdout.Fd())) {
		conf.Settings.Timer = true
		conf.Width = terminalWidth
		return interact(ctx, shell.New(db.DB, conf), &c, stderr)
	}
	if !shell.New(db.DB, conf).Script(ctx, stdin, "engine shell") {
		return exitError
	}
	return exitOK
}

func (c *shellFlags) settings() (shell.Settings, error) {
	class, err := shell.Class(c.class)
	if err != nil {
		return shell.Settings{}, fmt.Errorf("--class: %w", err)
	}
	durability, err := shell.Durability(c.durability)
	if err != nil {
		return shell.Settings{}, fmt.Errorf("--durability: %w", err)
	}
	switch {
	case !shell.Mode(c.mode):
		return shell.Settings{}, errors.New("--mode takes one of table, csv, json, line")
	case c.hold <= 0 || c.idle <= 0:
		return shell.Settings{}, errors.New("--hold and --idle must be more than nothing: a transaction takes some time")
	}
	return shell.Settings{Mode: c.mode, Timer: c.timer, Class: class, Durability: durability}, nil
}

// interact talks to a person. The context of the program ends at the first Ctrl-C, which is not what it means here: it ends a statement.
func interact(ctx context.Context, sh *shell.Shell, c *shellFlags, stderr io.Writer) int {
	warn := func(err error) { fmt.Fprintf(stderr, "engine shell: %v; what is typed is not kept\n", err) }
	var history *shell.History
	var entries []string
	if c.history != "" {
		var err error
		if history, entries, err = shell.OpenHistory(c.history); err != nil {
			warn(err)
			history = nil
		}
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	stop, terminate := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	signal.Notify(terminate, syscall.SIGTERM)
	defer signal.Stop(stop)
	defer signal.Stop(terminate)
	go func() {
		select {
		case <-terminate:
			end()
		case <-life.Done():
		}
	}()
	note := "read and write"
	if c.readOnly {
		note = "read only"
	}
	fmt.Fprintf(stderr, "Tidegate on %s, %s. .help lists the commands, Ctrl-D leaves.\n", where(c.url), note)
	editor := shell.NewTerminal(history, entries, warn)
	defer editor.Close()
	editor.Complete(sh.Complete)
	if err := sh.Interact(life, editor, stop); err != nil {
		if life.Err() != nil {
			err = errors.New("told to stop")
		}
		fmt.Fprintf(stderr, "engine shell: %v\n", err)
		return exitError
	}
	return exitOK
}

// where names a database that has been opened.
func where(url string) string {
	loc, err := sqlite.ParseURL(url)
	if err != nil {
		return "a database"
	}
	return cmp.Or(loc.Path, "a database in memory")
}

// terminalWidth is how many columns standard output has; 0 where nobody knows.
func terminalWidth() int {
	width, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// defaultHistory is where the history lies; "" where the system names no folder for it.
func defaultHistory() string {
	folder, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(folder, "tidegate", "shell_history")
}
