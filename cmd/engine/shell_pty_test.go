package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// keys that a person presses.
const (
	enter = "\r"
	tab   = "\t"
	up    = "\x1b[A"
	ctrlC = "\x03"
	ctrlD = "\x04"
	ctrlR = "\x12"
)

// person sits at a terminal in which the program runs.
type person struct {
	t      *testing.T
	tty    *os.File
	cmd    *exec.Cmd
	ended  chan error
	mu     sync.Mutex
	screen []byte // everything that was written since the last look
	more   chan struct{}
	gone   chan struct{} // closed when nothing more will be written
}

// sit starts `engine shell` in a terminal of 80 columns.
func sit(t *testing.T, binary string, args ...string) *person {
	t.Helper()
	return sitAt(t, exec.Command(binary, append([]string{"shell"}, args...)...))
}

func sitAt(t *testing.T, cmd *exec.Cmd) *person {
	t.Helper()
	p := &person{t: t, cmd: cmd, ended: make(chan error, 1), more: make(chan struct{}, 1), gone: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), "TERM=xterm", "HOME="+t.TempDir())
	tty, err := pty.StartWithSize(p.cmd, &pty.Winsize{Rows: 50, Cols: 80})
	if errors.Is(err, pty.ErrUnsupported) {
		t.Skipf("no pseudo-terminals on %s", runtime.GOOS)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.tty = tty
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := tty.Read(buf)
			p.mu.Lock()
			p.screen = append(p.screen, buf[:n]...)
			p.mu.Unlock()
			select {
			case p.more <- struct{}{}:
			default:
			}
			if err != nil {
				close(p.gone)
				return
			}
		}
	}()
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		tty.Close()
	})
	p.sees("engine> ")
	return p
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

// look is the screen without what moves the cursor.
func (p *person) look() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.ReplaceAll(escapes.ReplaceAllString(string(p.screen), ""), "\r", "")
}

// types presses keys.
func (p *person) types(keys ...string) {
	p.t.Helper()
	for _, k := range keys {
		if _, err := io.WriteString(p.tty, k); err != nil {
			p.t.Fatal(err)
		}
	}
}

// interrupts presses Ctrl-C until it has been heard: the signal may come before the statement runs, and a person presses the key again, too.
func (p *person) interrupts() {
	p.t.Helper()
	for end := time.Now().Add(30 * time.Second); !strings.Contains(p.look(), "interrupted"); {
		if time.Now().After(end) {
			p.t.Fatalf("the shell cannot be interrupted:\n%s", p.look())
		}
		p.types(ctrlC)
		select {
		case <-p.more:
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// sees waits until the texts stand on the screen, in that order, and forgets everything up to there.
func (p *person) sees(texts ...string) string {
	p.t.Helper()
	deadline := time.After(30 * time.Second)
	last := false
	for {
		screen := p.look()
		at := 0
		for _, text := range texts {
			n := strings.Index(screen[at:], text)
			if n < 0 {
				at = -1
				break
			}
			at += n + len(text)
		}
		if at >= 0 {
			p.mu.Lock()
			p.screen = []byte(screen[at:])
			p.mu.Unlock()
			return screen[:at]
		}
		if last {
			p.t.Fatalf("the shell ended before it showed %q:\n%s", texts, screen)
		}
		select {
		case <-p.more:
		case <-p.gone:
			last = true // one more look at what came just before
		case <-deadline:
			p.t.Fatalf("the shell does not show %q:\n%s", texts, p.look())
		}
	}
}

// leaves waits for the end and returns the exit code.
func (p *person) leaves() int {
	p.t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(30 * time.Second):
		p.t.Fatalf("the shell does not end:\n%s", p.look())
		return -1
	}
}

const endless = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c) SELECT count(*) FROM c"

// TestShellAtATerminal is what a person does, key by key.
func TestShellAtATerminal(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no pseudo-terminals on windows")
	}
	binary := build(t, t.TempDir())
	fresh := func(t *testing.T) string {
		return newDatabase(t, "CREATE TABLE accounts (account_id INTEGER PRIMARY KEY, holder_name TEXT)", `CREATE TABLE "order lines" (id INTEGER, quantity REAL)`,
			"INSERT INTO accounts VALUES (1, 'Ann'), (2, 'Bob')")
	}
	t.Run("statements over lines", func(t *testing.T) { t.Parallel(); personAsks(t, binary, fresh(t)) })
	t.Run("lines given up", func(t *testing.T) { t.Parallel(); personGivesUp(t, binary, fresh(t)) })
	t.Run("completion", func(t *testing.T) { t.Parallel(); personCompletes(t, binary, fresh(t)) })
	t.Run("interrupt", func(t *testing.T) { t.Parallel(); personInterrupts(t, binary, fresh(t)) })
	t.Run("transaction", func(t *testing.T) { t.Parallel(); personTransacts(t, binary, fresh(t)) })
	t.Run("history", func(t *testing.T) { t.Parallel(); personRemembers(t, binary, fresh(t)) })
	t.Run("terminal", func(t *testing.T) { t.Parallel(); personGetsTheTerminalBack(t, binary, fresh(t)) })
	t.Run("terminate", func(t *testing.T) { t.Parallel(); personIsToldToStop(t, binary, fresh(t)) })
}

func personAsks(t *testing.T, binary, url string) {
	p := sit(t, binary, "--db", url)
	p.types("SELECT holder_name"+enter, "FROM accounts"+enter, "WHERE account_id = 2;"+enter)
	p.sees("...> ", "...> ", "holder_name", "Bob", "1 row (", "engine> ")
	p.types("SELEC 1;" + enter)
	p.sees("error: ", "syntax error", "engine> ")
	p.types(".mode json"+enter, "SELECT 7 AS seven; SELECT 8 AS eight;"+enter)
	p.sees(`{"seven":7}`, `{"eight":8}`, "engine> ")
	p.types(".mode table"+enter, "SELECT hex(zeroblob(100)) AS wide, 'kept' AS short;"+enter)
	screen := p.sees("wide", "0…  kept", ".mode line", "engine> ")
	for _, l := range strings.Split(screen, "\n") {
		if strings.Contains(l, "0…") && len([]rune(l)) > 80 {
			t.Errorf("a line of %d columns in a terminal of 80: %q", len([]rune(l)), l)
		}
	}
	p.types(".nope" + enter)
	p.sees("there is no command .nope", "engine> ")
	p.types("SELECT 1" + enter)
	p.sees("...> ")
	p.types(ctrlC)
	p.sees("engine> ")
	p.types("SELECT 'after the line that was given up' AS x;" + enter)
	p.sees("after the line that was given up", "1 row (", "engine> ")
	p.types(ctrlD)
	if code := p.leaves(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// personGivesUp is faster than the shell: the key comes with the prompt, and must not get lost.
func personGivesUp(t *testing.T, binary, url string) {
	p := sit(t, binary, "--db", url)
	for range 300 {
		p.types("SELECT nonsense" + enter)
		p.sees("...> ")
		p.types(ctrlC)
		p.sees("engine> ")
	}
	p.types("SELECT 'nothing is left of them' AS x;" + enter)
	p.sees("nothing is left of them", "1 row (", "engine> ")
	p.types(ctrlD)
	if code := p.leaves(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

func personCompletes(t *testing.T, binary, url string) {
	p := sit(t, binary, "--db", url, "--mode", "json")
	p.types("sel" + tab)
	p.sees("select")
	p.types(" hol" + tab + " from acc" + tab + ";" + enter)
	p.sees("error", "engine> ") // the table was not named yet, and hol means nothing
	p.types("SELECT count(*) AS n FROM acc" + tab + " WHERE hol" + tab + " = 'Ann';" + enter)
	p.sees(`{"n":1}`, "engine> ")
	p.types("SELECT count(*) AS aliased FROM accounts a WHERE a.hol" + tab + " = 'Bob';" + enter)
	p.sees(`{"aliased":1}`, "engine> ")
	p.types("SELECT count(*) AS lines FROM ord" + tab + ";" + enter)
	p.sees(`"order lines"`, `{"lines":0}`, "engine> ")
	p.types(".mo" + tab + " cs" + tab + enter + ".mode" + enter)
	p.sees("csv", "engine> ")
	p.types(".quit" + enter)
	p.leaves()
}

func personInterrupts(t *testing.T, binary, url string) {
	p := sit(t, binary, "--db", url)
	for _, lane := range []string{"normal", "analytics"} {
		p.types(".class " + lane + enter)
		p.sees("engine> ")
		p.types(endless + ";" + enter)
		p.sees("FROM c;")
		p.interrupts()
		p.sees("interrupted", "engine> ")
	}
	p.types(".quit" + enter)
	if code := p.leaves(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

func personTransacts(t *testing.T, binary, url string) {
	p := sit(t, binary, "--db", url, "--idle", "1m")
	p.types("BEGIN;" + enter)
	p.sees("the writer is yours", "engine*> ")
	p.types("UPDATE accounts SET holder_name = 'Eve';" + enter)
	p.sees("2 rows changed", "engine*> ")
	p.types(endless + ";" + enter)
	p.sees("FROM c;")
	p.interrupts()
	p.sees("interrupted", "engine*> ") // a read that was interrupted costs nothing
	p.types("SELECT holder_name FROM accounts WHERE account_id = 1;" + enter)
	p.sees("Eve", "engine*> ")
	p.types("ROLLBACK;" + enter)
	p.sees("rolled back", "engine> ")
	p.types("SELECT holder_name FROM accounts WHERE account_id = 1;" + enter)
	p.sees("Ann", "1 row", "engine> ")
	p.types("BEGIN; DELETE FROM accounts;" + enter)
	p.sees("2 rows changed", "engine*> ")
	p.types(ctrlD)
	p.sees("the open transaction was rolled back")
	if code := p.leaves(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if got := must(t, "query", "--db", url, "--json", "SELECT count(*) AS n FROM accounts").stdout; got != "{\"n\":2}\n" {
		t.Errorf("after leaving inside a transaction: %s", got)
	}
}

func personRemembers(t *testing.T, binary, url string) {
	file := filepath.Join(t.TempDir(), "config", "history")
	p := sit(t, binary, "--db", url, "--history", file, "--mode", "json")
	p.types("SELECT 1 + 1"+enter, "AS two; -- the remark is left out"+enter)
	p.sees(`{"two":2}`, "engine> ")
	p.types(".param set :code 'hunter2'" + enter)
	p.sees("engine> ")
	p.types("SELECT length(:code) AS n;" + enter)
	p.sees(`{"n":7}`, "engine> ")
	p.types(ctrlD)
	p.leaves()
	text, err := os.ReadFile(file)
	if want := "SELECT 1 + 1 AS two;\n.param set :code\nSELECT length(:code) AS n;\n"; err != nil || string(text) != want {
		t.Errorf("history %q, %v; want %q", text, err, want)
	}
	for path, want := range map[string]os.FileMode{file: 0o600, filepath.Dir(file): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode().Perm(), err, want)
		}
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	p = sit(t, binary, "--db", url, "--history", file, "--mode", "json")
	p.types(up + up + up + enter)
	p.sees(`{"two":2}`, "engine> ")
	p.types(ctrlR + "length" + enter)
	p.sees("no value: .param set", "engine> ")
	p.types(ctrlD)
	p.leaves()
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a history that others could read stayed so: %v, %v", info.Mode().Perm(), err)
	}
}

// The terminal is given back as it was: it shows what is typed, and ends lines.
func personGetsTheTerminalBack(t *testing.T, binary, url string) {
	stty, err := exec.LookPath("stty")
	if err != nil {
		t.Skip("no stty here to ask the terminal")
	}
	for _, leave := range []string{".quit" + enter, ctrlD} {
		p := sitAt(t, exec.Command("sh", "-c", `"$0" shell --db "$1" --history ""; "$2" -a; echo the end`, binary, url, stty))
		p.types("SELECT 1;" + enter)
		p.sees("1 row (", "engine> ")
		p.types(leave)
		state := strings.Fields(strings.ReplaceAll(p.sees("the end"), ";", " "))
		for _, flag := range []string{"icanon", "echo", "isig", "icrnl"} {
			if !slices.Contains(state, flag) {
				t.Errorf("after %q the terminal is without %s: %q", leave, flag, state)
			}
		}
		p.leaves()
	}
}

// SIGTERM ends the shell at the prompt.
func personIsToldToStop(t *testing.T, binary, url string) {
	p := sit(t, binary, "--db", url)
	p.types("BEGIN; DELETE FROM accounts;" + enter)
	p.sees("2 rows changed", "engine*> ")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.sees("rolled back", "told to stop")
	if code := p.leaves(); code != exitError {
		t.Errorf("exit code %d", code)
	}
	if got := must(t, "query", "--db", url, "--json", "SELECT count(*) AS n FROM accounts").stdout; got != "{\"n\":2}\n" {
		t.Errorf("after SIGTERM inside a transaction: %s", got)
	}
}
