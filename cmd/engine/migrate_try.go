package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/migrate/seed"
)

const migrateTestExamples = `  engine migrate test --dir migrations
  engine migrate test --dir migrations --version 8 --rows 200
  engine migrate test --dir migrations --no-kill            # only fail at every statement, which is faster

Each migration is applied to a database of the version before it, whose tables are filled with made-up rows. Then it fails at every statement, and
its process is killed at every statement: each time the content must be exactly that of before. At last it is taken back.
`

// tried is what engine migrate test found out about one migration.
type tried struct {
	Version    int      `json:"version"`
	Name       string   `json:"name"`
	Rows       int      `json:"rows"`       // made up, in all tables together
	Empty      []string `json:"empty"`      // tables that no made-up row fits
	Statements int      `json:"statements"` // at each of which it failed and was killed
	TakenBack  string   `json:"taken_back"` // exact, or what is different after down
	Problems   []string `json:"problems"`   // nothing of this may be
}

// trying is the command line of engine migrate test.
type trying struct {
	t     *schemaTarget
	files fs.FS
	rows  int
	kill  bool
	work  string
}

func runMigrateTest(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	t := schemaFlags("test", "[flags]", migrateTestExamples, stdout, stderr)
	only := t.set.Int("version", 0, "only this `version`; 0 is all of them")
	rows := t.set.Int("rows", 20, "made-up `rows` in each table")
	noKill := t.set.Bool("no-kill", false, "do not kill processes")
	dieAt := t.set.Int("die-at", 0, "used by itself: `statement` of the last migration at which the process kills itself")
	dieOn := t.set.String("die-on", "", "used by itself: `file` of the database")
	if code, done := t.parse(args, 0); done {
		return code
	}
	if *rows < 0 {
		return t.misuse(errors.New("--rows must not be negative"))
	}
	if *dieAt > 0 {
		return t.answer(die(ctx, t.files(), *dieOn, *only, *dieAt))
	}
	list, err := migrate.Load(t.files(), migrate.WithoutSums())
	if err != nil {
		return t.answer(err)
	}
	work, err := os.MkdirTemp("", "tidegate-migrate-test-*")
	if err != nil {
		return t.answer(err)
	}
	y := &trying{t: t, files: t.files(), rows: *rows, kill: !*noKill, work: work}
	out, err := y.all(ctx, list.Migrations(), *only)
	if e := os.RemoveAll(work); err == nil {
		err = e
	}
	if e := t.print(out, func(w io.Writer) {
		for _, r := range out {
			r.show(w)
		}
	}); err == nil {
		err = e
	}
	for _, r := range out {
		if err == nil && len(r.Problems) > 0 {
			err = exitWith(exitError)
		}
	}
	return t.answer(err)
}

func (r tried) show(w io.Writer) {
	fmt.Fprintf(w, "%04d %s: %d rows, failed and killed at %d statements, taken back: %s\n", r.Version, r.Name, r.Rows, r.Statements, r.TakenBack)
	for _, e := range r.Empty {
		fmt.Fprintf(w, "     no made-up row fits %s\n", e)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "     PROBLEM: %s\n", p)
	}
}

func (y *trying) all(ctx context.Context, list []*migrate.Migration, only int) ([]tried, error) {
	out := []tried{}
	for _, mig := range list {
		if only != 0 && mig.Version != only {
			continue
		}
		r, err := y.one(ctx, mig)
		if err != nil {
			return out, fmt.Errorf("migration %04d: %w", mig.Version, err)
		}
		out = append(out, r)
	}
	if len(out) == 0 {
		return out, fmt.Errorf("there is no migration %04d", only)
	}
	return out, nil
}

// one tries a migration on the version before it.
func (y *trying) one(ctx context.Context, mig *migrate.Migration) (r tried, err error) {
	r = tried{Version: mig.Version, Name: mig.Name, Empty: []string{}, Problems: []string{}}
	base := trial{path: filepath.Join(y.work, fmt.Sprintf("base-%04d.db", mig.Version))}
	if err := base.up(ctx, y.files, mig.Version-1); err != nil && mig.Version > 1 {
		return r, err
	}
	filled, err := base.fill(ctx, y.rows)
	if err != nil {
		return r, err
	}
	for _, f := range filled {
		if r.Rows += f.Rows; f.Rows == 0 && y.rows > 0 {
			r.Empty = append(r.Empty, describe(f))
		}
	}
	before, rows, err := base.content(ctx)
	if err != nil {
		return r, err
	}
	problem := func(format string, args ...any) { r.Problems = append(r.Problems, fmt.Sprintf(format, args...)) }
	err = scratch(y.work, func(path string) error {
		c, err := copyDatabase(ctx, base, path)
		if err != nil {
			return err
		}
		c.at = func(m *migrate.Migration, n int) error {
			if m.Version == mig.Version {
				r.Statements = max(r.Statements, n)
			}
			return nil
		}
		if err := c.up(ctx, y.files, mig.Version); err != nil {
			problem("it cannot be applied: %v", err)
			return nil
		}
		c.at = nil
		r.TakenBack = y.takenBack(ctx, c, mig.Version, before, rows)
		return nil
	})
	if err != nil || len(r.Problems) > 0 {
		return r, err
	}
	for n := 1; n <= r.Statements; n++ {
		for _, attempt := range []func(context.Context, trial, int, int) error{y.failAt, y.killAt} {
			err := scratch(y.work, func(path string) error {
				c, err := copyDatabase(ctx, base, path)
				if err != nil {
					return err
				}
				if err := attempt(ctx, c, mig.Version, n); err != nil {
					problem("statement %d: %v", n, err)
				}
				now, rowsNow, err := c.content(ctx)
				if diff := sameContent(before, now, rows, rowsNow); err == nil && diff != "" {
					problem("statement %d: the content is not that of before: %s", n, diff)
				}
				return err
			})
			if err != nil {
				return r, err
			}
		}
		if !y.t.quiet && !y.t.asJSON {
			fmt.Fprintf(y.t.stderr, "%04d: statement %d of %d\n", mig.Version, n, r.Statements)
		}
	}
	return r, nil
}

func describe(f seed.Filled) string {
	if f.Refused == "" {
		return f.Table
	}
	return f.Table + " (" + f.Refused + ")"
}

// takenBack runs down and says what is different from before. Rows that the migration itself dropped cannot come back.
func (y *trying) takenBack(ctx context.Context, c trial, version int, schema string, rows map[string]string) string {
	err := c.migrate(ctx, y.files, version, func(m *migrate.Migrator) error {
		_, err := m.Down(ctx, migrate.DownOptions{To: version - 1, AllowDataLoss: true})
		return err
	})
	if err != nil {
		return "not: " + err.Error()
	}
	now, rowsNow, err := c.content(ctx)
	if err != nil {
		return "not: " + err.Error()
	}
	if diff := sameContent(schema, now, rows, rowsNow); diff != "" {
		return diff
	}
	return "exact"
}

// errStop is what a migration fails with in a test.
var errStop = errors.New("stopped by the test")

// failAt lets the migration fail ahead of a statement.
func (y *trying) failAt(ctx context.Context, c trial, version, statement int) error {
	c.at = func(m *migrate.Migration, n int) error {
		if m.Version == version && n == statement {
			return errStop
		}
		return nil
	}
	if err := c.up(ctx, y.files, version); !errors.Is(err, errStop) {
		return fmt.Errorf("it did not fail where it was told to: %v", err)
	}
	return nil
}

// killAt lets a process of this program kill itself ahead of a statement.
func (y *trying) killAt(ctx context.Context, c trial, version, statement int) error {
	if !y.kill {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"migrate", "test", "--version", strconv.Itoa(version), "--die-at", strconv.Itoa(statement), "--die-on", c.path}
	if y.t.dir != "" {
		args = append(args, "--dir", y.t.dir)
	}
	cmd := exec.CommandContext(ctx, self, args...)
	said, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.Exited() {
		return fmt.Errorf("the process ended by itself and was to be killed: %v %s", err, said)
	}
	return nil
}

// die is the process that killAt starts.
func die(ctx context.Context, files fs.FS, path string, version, statement int) error {
	c := trial{path: path}
	c.at = func(m *migrate.Migration, n int) error {
		if m.Version != version || n != statement {
			return nil
		}
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Kill()
		}
		if err != nil {
			return err
		}
		<-ctx.Done() // the signal is on its way
		return ctx.Err()
	}
	if err := c.up(ctx, files, version); err != nil {
		return err
	}
	return errors.New("no such statement")
}
