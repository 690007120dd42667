package config

import (
	"fmt"

	"github.com/tidegate/engine"
)

// Layer is one of the places that settings come from.
type Layer uint8

// The layers, weakest first.
const (
	// FromDefault is the code.
	FromDefault Layer = iota
	// FromFile is the YAML file.
	FromFile
	// FromEnv is the environment.
	FromEnv
	// FromFlag is the command line.
	FromFlag
)

// String is the word for it in output.
func (l Layer) String() string {
	switch l {
	case FromDefault:
		return "default"
	case FromFile:
		return "file"
	case FromEnv:
		return "environment"
	case FromFlag:
		return "flag"
	}
	return fmt.Sprintf("layer %d", uint8(l))
}

// Origin says where a setting was set. The zero value is the default.
type Origin struct {
	// Layer is the place.
	Layer Layer
	// Name is the file's path, the variable or the flag; "" for a default.
	Name string
	// Line is the line in the file, from 1; 0 elsewhere.
	Line int
}

// String is the origin as messages show it: engine.yaml:12, ENGINE_URL, --db, default.
func (o Origin) String() string {
	switch {
	case o.Layer == FromDefault:
		return o.Layer.String()
	case o.Line > 0:
		return fmt.Sprintf("%s:%d", o.Name, o.Line)
	}
	return o.Name
}

// layer is what one place has set. It is a koanf.Provider.
type layer struct {
	entries  map[string]entry
	mistakes []Mistake
}

// entry is a value that was read, in the Go type of its field.
type entry struct {
	value  any
	origin Origin
}

// add reads the text of a setting; what is wrong with it is noted. A later text of the same key holds.
func (l *layer) add(st setting, text string, at Origin) {
	v, err := st.parse(text)
	if err != nil {
		l.mistakes = append(l.mistakes, Mistake{Key: st.key, Origin: at, Problem: err.Error()})
		return
	}
	l.put(st.key, v, at)
}

func (l *layer) put(key string, v any, at Origin) {
	if l.entries == nil {
		l.entries = map[string]entry{}
	}
	l.entries[key] = entry{value: v, origin: at}
}

// defaultLayer is the table's own.
func defaultLayer(s *Settings) layer {
	var l layer
	for _, st := range table() {
		l.put(st.key, st.get(s), Origin{})
	}
	return l
}

func flagLayer(flags []Flag) layer {
	var l layer
	for _, f := range flags {
		at := Origin{Layer: FromFlag, Name: f.Name}
		st, ok := lookUp(f.Key)
		if !ok {
			l.mistakes = append(l.mistakes, unknown(f.Key, at, nearest(f.Key, keys())))
			continue
		}
		l.add(st, f.Value, at)
	}
	return l
}

// ReadBytes exists because koanf.Provider asks for it; Load never has bytes to parse.
func (l layer) ReadBytes() ([]byte, error) { return nil, engine.ErrConfig }

// Read returns the entries as koanf wants them: nested.
func (l layer) Read() (map[string]any, error) {
	out := map[string]any{}
	for key, e := range l.entries {
		m, path := out, split(key)
		for _, section := range path[:len(path)-1] {
			next, ok := m[section].(map[string]any)
			if !ok {
				next = map[string]any{}
				m[section] = next
			}
			m = next
		}
		m[path[len(path)-1]] = e.value
	}
	return out, nil
}
