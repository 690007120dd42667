package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tidegate/engine"
)

// maxFileSize bounds the file: a configuration of that size is something else.
const maxFileSize = 1 << 20

// maxMistakes is how many mistakes of a file are listed: with more, it is another program's file.
const maxMistakes = 100

func fileLayer(path string) layer {
	if path == "" {
		return layer{}
	}
	whole := func(problem string) layer {
		return layer{mistakes: []Mistake{{Origin: Origin{Layer: FromFile, Name: path}, Problem: problem}}}
	}
	f, err := os.Open(path)
	if err != nil {
		var reason *os.PathError
		if errors.As(err, &reason) {
			err = reason.Err
		}
		return whole(fmt.Sprintf("cannot be read: %v", err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	switch {
	case err != nil:
		return whole(fmt.Sprintf("cannot be read: %v", err))
	case len(text) > maxFileSize:
		return whole("is larger than 1 MiB: is this the configuration?")
	}
	return readYAML(path, text)
}

// readYAML reads the text of a file.
func readYAML(path string, text []byte) layer {
	r := reader{path: path, seen: map[string]int{}}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var root yaml.Node
	switch err := decoder.Decode(&root); {
	case errors.Is(err, io.EOF):
		return layer{} // empty, or nothing but comments
	case err != nil:
		r.syntax(err)
		return r.layer
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		r.wrong("", second.Line, "there is a second document in the file: one is read")
	} else if !errors.Is(err, io.EOF) {
		r.syntax(err)
	}
	r.section("", root.Content[0])
	return r.layer
}

// reader walks through a document.
type reader struct {
	layer
	path string
	seen map[string]int // key or section → line
}

func (r *reader) at(line int) Origin { return Origin{Layer: FromFile, Name: r.path, Line: line} }

func (r *reader) wrong(key string, line int, problem string) {
	r.mistakes = append(r.mistakes, Mistake{Key: key, Origin: r.at(line), Problem: problem})
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): `)

// syntax passes on what the parser says. It names lines and never values.
func (r *reader) syntax(err error) {
	text, line := err.Error(), 0
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	r.wrong("", line, "is not YAML: "+strings.TrimPrefix(text, "yaml: "))
}

// section reads the settings below a prefix. It descends only where the table has settings, so no document can make it go deep.
func (r *reader) section(prefix string, n *yaml.Node) {
	n = resolve(n)
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // a section all of whose settings are commented out
	}
	if n.Kind != yaml.MappingNode {
		if prefix == "" {
			r.wrong("", n.Line, "must be a mapping of settings, as in: url: sqlite:///data.db")
		} else {
			r.wrong(prefix, n.Line, "is a section: its settings belong on lines of their own below it")
		}
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if len(r.mistakes) >= maxMistakes {
			return
		}
		r.pair(prefix, n.Content[i], n.Content[i+1])
	}
}

func (r *reader) pair(prefix string, name, value *yaml.Node) {
	if name.Kind != yaml.ScalarNode || name.Tag == "!!merge" {
		r.wrong(prefix, name.Line, "has a key that is no plain word")
		return
	}
	key := name.Value
	if prefix != "" {
		key = prefix + "." + name.Value
	}
	st, leaf := lookUp(key)
	switch {
	case strings.Contains(name.Value, ".") && (leaf || isSection(key)):
		r.wrong(key, name.Line, "is written with a dot: put "+name.Value[strings.LastIndexByte(name.Value, '.')+1:]+" below its section")
		return
	case !leaf && !isSection(key):
		r.mistakes = append(r.mistakes, unknown(short(key), r.at(name.Line), nearest(key, append(keys(), sections()...))))
		return
	case r.seen[key] > 0:
		r.wrong(key, name.Line, fmt.Sprintf("is set on line %d already", r.seen[key]))
		return
	}
	r.seen[key] = name.Line
	if !leaf {
		r.section(key, value)
		return
	}
	r.leaf(st, name.Line, resolve(value))
}

func (r *reader) leaf(st setting, line int, value *yaml.Node) {
	var scratch Settings
	_, list := st.field(&scratch).(*[]string)
	_, quotas := st.field(&scratch).(*[]engine.Quota)
	_, checks := st.field(&scratch).(*[]engine.RowCheck)
	_, alerts := st.field(&scratch).(*[]engine.AlertRule)
	_, builtins := st.field(&scratch).(*[]Builtin)
	_, sinks := st.field(&scratch).(*[]AlertSink)
	_, endpoints := st.field(&scratch).(*[]AlertEndpoint)
	switch {
	case alerts && value.Kind == yaml.SequenceNode:
		r.alertRules(st, line, value)
	case builtins && value.Kind == yaml.SequenceNode:
		r.builtins(st, line, value)
	case (sinks || endpoints) && value.Kind == yaml.SequenceNode:
		r.objects(st, line, value)
	case checks && value.Kind == yaml.SequenceNode:
		r.rowChecks(st, line, value)
	case value.Kind == yaml.ScalarNode && value.Tag == "!!null":
		r.wrong(st.key, line, "has no value: give it one, or take the line out to have the default")
	case value.Kind == yaml.ScalarNode:
		r.add(st, value.Value, r.at(line))
	case value.Kind == yaml.SequenceNode && (list || quotas):
		items := make([]string, 0, len(value.Content))
		for _, n := range value.Content {
			if n = resolve(n); n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
				r.wrong(st.key, n.Line, "must be a list of plain words")
				return
			}
			items = append(items, n.Value)
		}
		if quotas {
			r.add(st, strings.Join(items, ","), r.at(line))
			return
		}
		r.put(st.key, items, r.at(line))
	case list || quotas:
		r.wrong(st.key, line, "must be a list, as in: [a, b]")
	default:
		r.wrong(st.key, line, "must be a single value")
	}
}

// resolve follows an alias. An anchor cannot be an alias itself, so one step is enough.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// sections lists the sections of the table.
func sections() []string {
	var out []string
	have := map[string]bool{}
	for _, key := range keys() {
		for section, _, ok := cutLast(key); ok; section, _, ok = cutLast(section) {
			if !have[section] {
				have[section] = true
				out = append(out, section)
			}
		}
	}
	return out
}
