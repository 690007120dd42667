package shell

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/sqltext"
)

// command is something that begins with a dot.
type command struct {
	name string // without the dot
	args string
	help string
	run  func(s *Shell, ctx context.Context, args string) error
	of   func(s *Shell, ctx context.Context) []string // what an argument can be; nil: nothing that is known
}

// commands lists them in the order of .help.
func commands() []command {
	return []command{
		{"tables", "[PATTERN]", "list tables and views; PATTERN is one of LIKE", (*Shell).tables, (*Shell).relations},
		{"schema", "[PATTERN]", "show the SQL of tables, views, indexes and triggers", (*Shell).schema, (*Shell).relations},
		{"indexes", "[PATTERN]", "list indexes with their columns; PATTERN is for the table", (*Shell).indexes, (*Shell).relations},
		{"plan", "[SQL]", "show how SQL would run, or how the last statement did", (*Shell).plan, nil},
		{"explain", "[SQL]", "the same as .plan", (*Shell).plan, nil},
		{"param", "[set NAME VALUE | unset NAME | clear]", "bind values to :name, @name, $name and ?1; alone: list them", (*Shell).param, fixed("set", "unset", "clear")},
		{"mode", "[" + strings.Join(modes, "|") + "]", "how rows are shown", (*Shell).mode, fixed(modes...)},
		{"timer", "[on|off]", "show the time of each statement", (*Shell).timer, fixed("on", "off")},
		{"class", "[" + strings.Join(classNames(), "|") + "]", "what the statements are for: who goes first, and which lane reads", (*Shell).class, fixed(classNames()...)},
		{"durability", "[durable|relaxed]", "what a commit survives: power loss, or the end of the process alone", (*Shell).durability, fixed("durable", "relaxed")},
		{"read", "FILE", "run the statements and commands of a file", (*Shell).read, nil},
		{"output", "[FILE]", "write rows to a file from now on; alone: to the terminal again", (*Shell).output, nil},
		{"stats", "", "the figures of this process since it opened the database", (*Shell).stats, nil},
		{"health", "", "ask whether the database can be relied on", (*Shell).health, nil},
		{"ps", "", "list what is under way in this process (`engine ps` asks a server)", (*Shell).ps, nil},
		{"kill", "ID", "end what .ps lists under that number", (*Shell).kill, nil},
		{"help", "[COMMAND]", "this list", (*Shell).help, nil},
		{"quit", "", "leave; Ctrl-D does so too", func(*Shell, context.Context, string) error { return errQuit }, nil},
	}
}

func fixed(words ...string) func(*Shell, context.Context) []string {
	return func(*Shell, context.Context) []string { return words }
}

// commandLine returns the command that a line is, "" where it is none. The words that everybody tries are commands, too.
func commandLine(line string) string {
	line = strings.TrimSpace(line)
	switch bare := strings.ToLower(strings.TrimRight(line, "; ")); bare {
	case "quit", "exit", ".exit":
		return ".quit"
	case "help":
		return ".help"
	}
	if !strings.HasPrefix(line, ".") {
		return ""
	}
	return line
}

// command runs a line that begins with a dot.
func (s *Shell) command(ctx context.Context, line string) error {
	name, args, _ := strings.Cut(line[1:], " ")
	c, err := find(strings.ToLower(name))
	if err != nil {
		return err
	}
	return c.run(s, ctx, strings.TrimSpace(args))
}

// find looks a command up by its name or by a beginning that no other shares.
func find(name string) (command, error) {
	var like []string
	var found command
	for _, c := range commands() {
		if c.name == name {
			return c, nil
		}
		if name != "" && strings.HasPrefix(c.name, name) {
			like, found = append(like, "."+c.name), c
		}
	}
	switch len(like) {
	case 0:
		return command{}, fmt.Errorf("there is no command .%s: .help lists them", name)
	case 1:
		return found, nil
	}
	return command{}, fmt.Errorf(".%s could be %s", name, strings.Join(like, ", "))
}

func (s *Shell) help(_ context.Context, args string) error {
	name := strings.ToLower(strings.TrimPrefix(args, "."))
	if name != "" {
		if _, err := find(name); err != nil {
			return err
		}
	}
	for _, c := range commands() {
		if name != "" && !strings.HasPrefix(c.name, name) {
			continue
		}
		if _, err := fmt.Fprintf(s.cfg.Err, "%-44s %s\n", strings.TrimSpace("."+c.name+" "+c.args), c.help); err != nil {
			return err
		}
	}
	if name != "" {
		return nil
	}
	_, err := fmt.Fprint(s.cfg.Err, `
SQL ends with a semicolon and may have many lines. BEGIN takes the writer until COMMIT or ROLLBACK; BEGIN READ ONLY keeps one snapshot.
Tab completes, the arrows walk through what was typed before, Ctrl-C ends the statement that runs or gives up the line.
`)
	return err
}

var modes = []string{"table", "csv", "json", "line"}

// Mode reports whether there is such a mode.
func Mode(name string) bool { return slices.Contains(modes, name) }

// choose sets one of several values, or shows the one in force.
func (s *Shell) choose(what, now, wanted string, from []string, set func(i int)) error {
	if wanted == "" {
		_, err := fmt.Fprintln(s.cfg.Err, now)
		return err
	}
	i := slices.Index(from, strings.ToLower(wanted))
	if i < 0 {
		return fmt.Errorf("%s takes one of %s", what, strings.Join(from, ", "))
	}
	set(i)
	return nil
}

func (s *Shell) mode(_ context.Context, args string) error {
	return s.choose(".mode", s.set.Mode, args, modes, func(i int) { s.set.Mode = modes[i] })
}

func (s *Shell) timer(_ context.Context, args string) error {
	states := []string{"off", "on"}
	now := states[0]
	if s.set.Timer {
		now = states[1]
	}
	return s.choose(".timer", now, args, states, func(i int) { s.set.Timer = i == 1 })
}

// classesByRank are the classes, who goes first being first.
func classesByRank() []engine.Class {
	return []engine.Class{engine.ClassTrade, engine.ClassSignal, engine.ClassNormal, engine.ClassAnalytics, engine.ClassMaintenance}
}

func classNames() []string {
	var out []string
	for _, c := range classesByRank() {
		out = append(out, c.String())
	}
	return out
}

// Class reads the name of a class.
func Class(name string) (engine.Class, error) {
	i := slices.Index(classNames(), name)
	if i < 0 {
		return 0, fmt.Errorf("there is no class of this name: use one of %s", strings.Join(classNames(), ", "))
	}
	return classesByRank()[i], nil
}

// Durability reads durable or relaxed.
func Durability(name string) (engine.Durability, error) {
	switch name {
	case "durable":
		return engine.Durable, nil
	case "relaxed":
		return engine.Relaxed, nil
	}
	return 0, errors.New("durability is one of durable, relaxed")
}

// later says that a setting does not reach the open transaction.
func (s *Shell) later(args string) {
	if s.tx != nil && args != "" {
		fmt.Fprintln(s.cfg.Err, "from the next transaction on: the open one keeps what it began with")
	}
}

func (s *Shell) class(_ context.Context, args string) error {
	s.later(args)
	return s.choose(".class", s.set.Class.String(), args, classNames(), func(i int) { s.set.Class = classesByRank()[i] })
}

func (s *Shell) durability(_ context.Context, args string) error {
	s.later(args)
	names := []string{"durable", "relaxed"}
	return s.choose(".durability", names[s.set.Durability], args, names, func(i int) { s.set.Durability = engine.Durability(i) })
}

// param sets what parameters are bound to. Its errors never repeat a value.
func (s *Shell) param(_ context.Context, args string) error {
	if args == "" {
		var rows [][]any
		for _, name := range slices.Sorted(maps.Keys(s.params)) {
			rows = append(rows, []any{name, s.params[name]})
		}
		return s.list([]string{"parameter", "value"}, rows)
	}
	verb, rest, _ := strings.Cut(args, " ")
	name, value, valued := strings.Cut(strings.TrimSpace(rest), " ")
	value = strings.TrimSpace(value)
	switch strings.ToLower(verb) {
	case "set":
		full, ok := parameterName(name)
		if !ok || !valued || value == "" {
			return errors.New(".param set wants a name and a value: .param set :name 42, or 'text', 1.5, null, x'00ff'")
		}
		v, err := s.cfg.Literal(value)
		if err != nil {
			return err
		}
		s.params[full] = v
		return nil
	case "unset":
		full, ok := parameterName(name)
		if !ok || valued {
			return errors.New(".param unset wants a name")
		}
		if _, set := s.params[full]; !set {
			return fmt.Errorf("the parameter %s has no value", full)
		}
		delete(s.params, full)
		return nil
	case "clear":
		clear(s.params)
		return nil
	}
	return errors.New(".param takes set, unset or clear, or nothing to list")
}

// parameterName is the name in the form in which statements have it: x is :x, 1 is ?1.
func parameterName(name string) (string, bool) {
	if name == "" {
		return "", false
	}
	if sqltext.WordByte(name[0]) && name[0] != '$' {
		if sqltext.Digit(name[0]) {
			name = "?" + name
		} else {
			name = ":" + name
		}
	}
	to, k, _ := sqltext.Scan(name, 0)
	return name, k == sqltext.Parameter && to == len(name) && name != "?"
}

// maxDeep bounds files that read each other.
const maxDeep = 16

// read runs a file.
func (s *Shell) read(ctx context.Context, args string) error {
	path := unquoted(args)
	if path == "" {
		return errors.New(".read wants the name of a file")
	}
	if s.deep >= maxDeep {
		return fmt.Errorf("%d files are being read already: does one of them read itself?", maxDeep)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	s.deep++
	defer func() { s.deep-- }()
	return s.run(ctx, f, path)
}

// unquoted takes the quotes off a name with blanks in it.
func unquoted(name string) string {
	if len(name) >= 2 && (name[0] == '"' || name[0] == '\'') && name[len(name)-1] == name[0] {
		return name[1 : len(name)-1]
	}
	return name
}

// output says where rows go.
func (s *Shell) output(_ context.Context, args string) error { return s.divert(unquoted(args)) }

// divert sends rows to a new file, or back to where they went at first.
func (s *Shell) divert(path string) error {
	var next *os.File
	if path != "" {
		if err := Spare(s.db.Config().URL, path); err != nil {
			return err
		}
		var err error
		if next, err = os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600); err != nil {
			return err
		}
	}
	var err error
	if s.file != nil {
		err = s.file.Close()
	}
	if s.file, s.out = next, s.cfg.Out; next != nil {
		s.out = next
	}
	return err
}
