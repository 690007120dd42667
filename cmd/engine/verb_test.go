package main

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// outcome is what a run of the program left behind.
type outcome struct {
	code           int
	stdout, stderr string
}

// program runs the command line as main would.
func program(t *testing.T, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, &stdout, &stderr)
	return outcome{code, stdout.String(), stderr.String()}
}

// must fails the test unless the program ended well.
func must(t *testing.T, args ...string) outcome {
	t.Helper()
	o := program(t, args...)
	if o.code != exitOK {
		t.Fatalf("engine %q: exit code %d, stderr: %s", args, o.code, o.stderr)
	}
	return o
}

// newDatabase makes a database with the statements in it and returns its URL.
func newDatabase(t *testing.T, statements ...string) string {
	t.Helper()
	url := "sqlite:///" + filepath.ToSlash(filepath.Join(t.TempDir(), "test.db"))
	must(t, append([]string{"exec", "--create", "--db", url}, statements...)...)
	return url
}

func TestHelp(t *testing.T) {
	t.Parallel()
	overview := must(t, "help").stdout
	for _, v := range verbs() {
		if !strings.Contains(overview, "\n  "+v.name+" ") || v.summary == "" {
			t.Errorf("help does not list %s", v.name)
		}
		direct, asked := must(t, v.name, "--help"), must(t, "help", v.name)
		if direct.stdout != asked.stdout || direct.stderr != "" {
			t.Errorf("%s --help and help %s differ, or write to stderr: %q", v.name, v.name, direct.stderr)
		}
		if _, examples, ok := strings.Cut(direct.stdout, "\nExamples:\n"); !ok || !strings.Contains(examples, "engine "+v.name) {
			t.Errorf("help of %s shows no example:\n%s", v.name, direct.stdout)
		}
		if odd := regexp.MustCompile(`(?m)^  -\S+ \S+ \S.*$`).FindString(direct.stdout); odd != "" {
			t.Errorf("help of %s has a flag whose value is called by more than one word: %q", v.name, odd)
		}
	}
}

func TestWrongCommandLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		says string
	}{
		{nil, "Usage:"},
		{[]string{"qery", "SELECT 1"}, `no verb "qery"`},
		{[]string{"help", "nothing"}, `no verb "nothing"`},
		{[]string{"query"}, "want one statement"},
		{[]string{"query", "SELECT", "1"}, "put the SQL in quotes"},
		{[]string{"query", "--nope", "SELECT 1"}, "engine query --help"},
		{[]string{"query", "--arg", "x'0'", "SELECT ?"}, "hexadecimal"},
		{[]string{"exec"}, "want one statement"},
		{[]string{"exec", "--arg", "1", "SELECT ?", "SELECT 1"}, "without --arg"},
		{[]string{"exec", "--hold", "0", "SELECT 1"}, "--hold"},
		{[]string{"health", "now"}, "no arguments"},
		{[]string{"version", "now"}, "no arguments"},
		{[]string{"version", "--trace", "everywhere"}, "--trace takes one of"},
		{[]string{"version", "--trace"}, "--trace takes one of"},
	} {
		o := program(t, c.args...)
		if o.code != exitUsage || !strings.Contains(o.stderr, c.says) || o.stdout != "" {
			t.Errorf("engine %q: code %d, stdout %q, stderr %q; want code 2 and %q on stderr", c.args, o.code, o.stdout, o.stderr, c.says)
		}
	}
}

// A value of --arg may be a secret: no message repeats it.
func TestValuesStayOutOfMessages(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"query", "--arg", "x'secret'", "SELECT ?"},
		{"query", "--db", "sqlite://", "--arg", "'secret'", "SELECT nope(?)"},
		{"query", "--db", "sqlite://", "--arg", "'secret'", "SELECT 1"},
	} {
		if o := program(t, args...); o.code == exitOK || strings.Contains(o.stderr, "secret") {
			t.Errorf("engine %q: code %d, stderr %q", args, o.code, o.stderr)
		}
	}
}

func TestFlagOrder(t *testing.T) {
	t.Parallel()
	want := must(t, "query", "--db", "sqlite://", "--json", "SELECT 1 AS a").stdout
	for _, args := range [][]string{
		{"query", "SELECT 1 AS a", "--db", "sqlite://", "--json"},
		{"query", "--json", "SELECT 1 AS a", "--db", "sqlite://"},
		{"query", "--db", "sqlite://", "--json", "--", "SELECT 1 AS a"},
		{"--trace", "off", "query", "--db", "sqlite://", "--json", "SELECT 1 AS a"},
	} {
		if got := must(t, args...).stdout; got != want {
			t.Errorf("engine %q printed %q, want %q", args, got, want)
		}
	}
	if o := program(t, "query", "--db", "sqlite://", "--", "-- only a comment"); o.code != exitError {
		t.Errorf("SQL that begins with a dash after --: code %d, stderr %q; want the database's own error", o.code, o.stderr)
	}
}
