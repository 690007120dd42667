package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/migrations"
)

var migrateVerb = verb{name: "migrate", summary: "see, try, apply and take back changes of the schema", run: runMigrate}

// Exit codes of engine migrate, beside exitOK and exitError. A script that waits for "nothing pending" must not take a wrong command line
// for an answer, so that one has a code of its own here.
const (
	exitPending      = 2
	exitConflict     = 3
	exitRolledBack   = 4
	exitRestored     = 5
	exitLockTimeout  = 6
	exitMigrateUsage = 64
)

// migrateVerbs lists what can stand behind engine migrate, in the order of its help.
func migrateVerbs() []verb {
	return []verb{
		{"status", "where the database stands, and what keeps it from starting", runMigrateStatus},
		{"plan", "what up would do; with --rehearse how long it takes", runMigratePlan},
		{"up", "apply what is pending, all or nothing", runMigrateUp},
		{"down", "take migrations back with the scripts stored in the database", runMigrateDown},
		{"verify", "check history, schema, references and the file", runMigrateVerify},
		{"diff", "what differs between database, history and files", runMigrateDiff},
		{"lint", "what a file would break, found in its text", runMigrateLint},
		{"test", "apply each migration to made-up rows, fail and kill at every statement", runMigrateTest},
		{"new", "write an empty migration file with the next number", runMigrateNew},
		{"sum", "write or check the sum file", runMigrateSum},
		{"baseline", "adopt a database that another program made", runMigrateBaseline},
		{"import", "take over the files and history of another tool", runMigrateImport},
		{"squash", "make one file of the first ones", runMigrateSquash},
		{"repair", "accept an edited file, a changed schema or a broken chain", runMigrateRepair},
		{"history", "what was applied, when and by whom", runMigrateHistory},
		{"snapshots", "the copies from before changes", runMigrateSnapshots},
		{"restore", "put a copy back", runMigrateRestore},
	}
}

const migrateHelp = `Usage: engine migrate <what> [flags] [arguments]

What:
%s
` + "`engine migrate <what> --help`" + ` shows its flags, with examples. Files come from --dir; without it they are those of the shipped trading schema.

Examples:
  engine migrate status --db sqlite:///production_trading.db --dir migrations
  engine migrate plan --rehearse --dir migrations
  engine migrate up --dir migrations

Exit codes: 0 done and nothing pending; 1 something else went wrong; 2 migrations are pending (status, plan); 3 conflict: nothing was changed, the
remedy is printed; 4 failed and rolled back; 5 the copy from before was put back; 6 another process kept the lock; 64 the command line was wrong.
`

func runMigrate(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return family{"migrate", migrateHelp, migrateVerbs(), exitMigrateUsage}.run(ctx, args, stdout, stderr)
}

// schemaTarget is the command line that every part of engine migrate shares: which database, which files, how to answer.
type schemaTarget struct {
	what           string
	set            *flag.FlagSet
	url, dir       string
	asJSON, quiet  bool
	stdout, stderr io.Writer
	positional     []string
	args           []string // as they were typed
	plugins        []engine.ComponentMigrations
	folders        []string // of plugins
	wait           time.Duration
	snapshots      string
}

// schemaFlags makes the flags of engine migrate <what>.
func schemaFlags(what, usage, examples string, stdout, stderr io.Writer) *schemaTarget {
	t := &schemaTarget{what: what, set: flags("migrate "+what, usage, examples), stdout: stdout, stderr: stderr}
	t.set.StringVar(&t.dir, "dir", "", "`folder` with the migration files; without it those of the shipped trading schema")
	t.set.BoolVar(&t.asJSON, "json", false, "print one JSON object")
	return t
}

// withDatabase adds the flags of what works on a database.
func (t *schemaTarget) withDatabase() *schemaTarget {
	url := databaseFlag(t.set)
	t.set.BoolVar(&t.quiet, "quiet", false, "show no progress")
	t.set.DurationVar(&t.wait, "lock-wait", 30*time.Second, "how long to wait for another process that migrates")
	t.set.Func("plugin", "`NAME=FOLDER` of a plug-in's migrations; may be given several times, in the order in which they build on each other", t.plugin)
	t.set.StringVar(&t.snapshots, "snapshot-dir", "", "`folder` of the copies from before changes (default: beside the database, with .snapshots)")
	t.url = *url
	return t
}

// parse reads the command line. done means that there is nothing left to do.
func (t *schemaTarget) parse(args []string, arguments int) (code int, done bool) {
	t.args = args
	positional, code, done := parse(t.set, args, t.stdout, t.stderr)
	if done {
		if code == exitUsage {
			code = exitMigrateUsage
		}
		return code, true
	}
	if f := t.set.Lookup("db"); f != nil {
		t.url = f.Value.String()
	}
	if err := t.folderThere(); err != nil {
		return t.misuse(err), true
	}
	if t.positional = positional; len(positional) != arguments {
		return t.misuse(fmt.Errorf("want %d arguments, got %d: `engine migrate %s --help` shows how it is written", arguments, len(positional), t.what)), true
	}
	return exitOK, false
}

// folderThere refuses a folder that is missing: one without files would be taken for a mistake of its author's. What makes files makes the folder.
func (t *schemaTarget) folderThere() error {
	if t.dir == "" || t.what == "new" || t.what == "import" {
		return nil
	}
	info, err := os.Stat(t.dir)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: t.dir, Err: syscall.ENOTDIR}
	}
	if err != nil {
		return fmt.Errorf("--dir: %w: name the folder with the migration files", err)
	}
	return nil
}

func (t *schemaTarget) misuse(err error) int {
	misuse(t.stderr, "engine migrate "+t.what, err)
	return exitMigrateUsage
}

// plugin takes a --plugin in.
func (t *schemaTarget) plugin(s string) error {
	name, folder, ok := strings.Cut(s, "=")
	if !ok || name == "" || folder == "" {
		return errors.New("want NAME=FOLDER")
	}
	if _, err := os.Stat(folder); err != nil {
		return err
	}
	t.plugins = append(t.plugins, engine.ComponentMigrations{Name: name, Files: os.DirFS(folder)})
	t.folders = append(t.folders, folder)
	return nil
}

// files returns the migration files.
func (t *schemaTarget) files() fs.FS {
	if t.dir == "" {
		return migrations.FS
	}
	return os.DirFS(t.dir)
}

// folder is where files can be written; the shipped ones are inside the program.
func (t *schemaTarget) folder() (string, error) {
	if t.dir == "" {
		return "", errors.New("--dir is missing: the shipped files are a part of the program")
	}
	return filepath.Clean(t.dir), nil
}

// config is the configuration of an engine that only migrates.
func (t *schemaTarget) config(ctx context.Context) engine.Config {
	cfg := configure(ctx, t.url)
	cfg.Migrations, cfg.Migrate.Components = t.files(), t.plugins
	cfg.Logger = slog.New(slog.DiscardHandler) // what it would say is printed
	cfg.Migrate.LockWait, cfg.Migrate.SnapshotDir = t.wait, t.snapshots
	if !t.quiet && !t.asJSON {
		cfg.Migrate.Progress = func(p engine.MigrationProgress) { fmt.Fprintln(t.stderr, migrationProgress(p)) }
	}
	return cfg
}

// reading is config for what looks and changes nothing: it needs no leave to write.
func (t *schemaTarget) reading(ctx context.Context) engine.Config {
	cfg := t.config(ctx)
	cfg.ReadOnly = true
	return cfg
}

// run opens the database's migrator for fn and gives the exit code for its error.
func (t *schemaTarget) run(ctx context.Context, cfg engine.Config, fn func(*engine.Migrator) error) int {
	m, err := engine.OpenMigrator(ctx, cfg)
	if err == nil {
		err = errors.Join(fn(m), m.Close())
	} else if !cfg.Create && errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; `engine migrate up --create` makes a new database", err)
	}
	return t.answer(err)
}

// answer prints an error with the remedy as it is typed, and returns its exit code.
func (t *schemaTarget) answer(err error) int {
	if err == nil {
		return exitOK
	}
	code := migrateCode(err)
	var exit exitWith
	if errors.As(err, &exit) {
		return int(exit)
	}
	var conflict *migrate.ConflictError
	if errors.As(err, &conflict) {
		t.printConflicts(t.stderr, conflict.Conflicts)
		return code
	}
	failure(t.stderr, "migrate "+t.what, err)
	return code
}

// exitWith ends with a code after everything has been said.
type exitWith int

func (e exitWith) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// migrateCode is the exit code that an error stands for.
func migrateCode(err error) int {
	var conflict *migrate.ConflictError
	var probe *migrate.ProbeError
	var failed *migrate.Error
	var loss *migrate.DataLossError
	switch {
	case errors.As(err, &conflict):
		for _, c := range conflict.Conflicts {
			if c.Code != migrate.LockBusy {
				return exitConflict
			}
		}
		return exitLockTimeout
	case errors.As(err, &probe) && probe.Restored:
		return exitRestored
	case errors.As(err, &failed), errors.As(err, &loss):
		return exitRolledBack
	}
	return exitError
}

// printConflicts writes each conflict, and the command that resolves it ready to be typed.
func (t *schemaTarget) printConflicts(w io.Writer, list []*migrate.Conflict) {
	for _, c := range list {
		plain := *c
		plain.Command = nil
		fmt.Fprintf(w, "%s\n", plain.Error())
		if typed := t.typed(c); typed != "" {
			fmt.Fprintf(w, "     %s\n", typed)
		}
	}
}

// typed is the remedy of a conflict with this command line's database and folders; "" where no command resolves it.
func (t *schemaTarget) typed(c *migrate.Conflict) string {
	s := c.Typed()
	switch {
	case c.Code == migrate.LockBusy: // the same again, with more patience
		s = "engine migrate " + t.what
		for _, a := range t.args {
			s += " " + shellWord(a)
		}
		return s + " --lock-wait " + max(2*time.Minute, 4*t.wait).String()
	case s == "":
		return ""
	case c.Command[0] == "sum": // is about files alone
		if folder := t.folderOf(c.Component); folder != "" {
			s += " --dir " + shellWord(folder)
		}
		return s
	}
	if t.url != "" {
		s += " --db " + shellWord(t.url)
	}
	if t.dir != "" {
		s += " --dir " + shellWord(t.dir)
	}
	for i, p := range t.plugins {
		s += " --plugin " + shellWord(p.Name+"="+t.folders[i])
	}
	return s
}

// folderOf is where the files of a component lie.
func (t *schemaTarget) folderOf(component string) string {
	for i, p := range t.plugins {
		if p.Name == component {
			return t.folders[i]
		}
	}
	return t.dir
}

// shellWord quotes what a shell would take apart.
func shellWord(s string) string {
	if s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/:._-=%+@", r))
	}) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// print writes v as JSON, or calls text.
func (t *schemaTarget) print(v any, text func(w io.Writer)) error {
	if !t.asJSON {
		text(t.stdout)
		return nil
	}
	e := json.NewEncoder(t.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func migrationProgress(p migrate.Progress) string {
	s := p.Phase
	if p.Version > 0 {
		s += fmt.Sprintf(" %04d %s", p.Version, p.Name)
	}
	if p.Statement > 0 {
		s += fmt.Sprintf(", statement %d", p.Statement)
	}
	return s
}
