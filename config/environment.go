package config

import (
	"slices"
	"strings"
)

// environmentPrefix begins the name of every variable that is read.
const environmentPrefix = "ENGINE_"

// The variables that do not follow the rule.
const (
	// FileVariable names the file; the program reads it, Load takes the file from Sources.
	FileVariable = "ENGINE_CONFIG"
	// urlVariable is the short name of ENGINE_URL.
	urlVariable = "ENGINE_DB"
)

// Variable returns the name of the environment variable that sets a key.
func Variable(key string) string {
	return environmentPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

func environmentLayer(env []string) layer {
	byName, names := map[string]string{urlVariable: "url"}, []string{"DB", "CONFIG"} // names have no prefix: it would make all of them alike
	for _, key := range keys() {
		byName[Variable(key)] = key
		names = append(names, strings.TrimPrefix(Variable(key), environmentPrefix))
	}
	var l layer
	for _, pair := range slices.Sorted(slices.Values(env)) { // messages come in the same order each time
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, environmentPrefix) || name == FileVariable || value == "" {
			continue // empty is what a variable is that a wrapper passes on without having it
		}
		at := Origin{Layer: FromEnv, Name: name}
		key, ok := byName[name]
		if !ok {
			m := Mistake{Origin: at, Problem: "no setting has this variable"}
			if near := nearest(strings.TrimPrefix(name, environmentPrefix), names); near != "" {
				m.Suggestion = environmentPrefix + near
			}
			l.mistakes = append(l.mistakes, m)
			continue
		}
		if other, set := l.entries[key]; set && other.value != value {
			l.mistakes = append(l.mistakes, Mistake{Key: key, Origin: at, Problem: "differs from " + other.origin.Name + ", which sets the same: set one of them"})
			continue
		}
		st, _ := lookUp(key)
		l.add(st, value, at)
	}
	return l
}
