package config

import (
	"errors"
	"slices"
	"strings"

	"github.com/tidegate/engine"
)

// Mistake is one thing that is wrong with a configuration.
type Mistake struct {
	// Key is the dotted key or the section; "" where the file as a whole is wrong.
	Key string
	// Origin says where it was set.
	Origin Origin
	// Problem says what is wrong and what would be right.
	Problem string
	// Suggestion is the key that was probably meant; "" when there is none near.
	Suggestion string
}

// String is the mistake in one line.
func (m Mistake) String() string {
	var b strings.Builder
	if m.Origin.Layer != FromDefault {
		b.WriteString(m.Origin.String() + ": ")
	}
	if m.Key != "" {
		b.WriteString(m.Key + ": ")
	}
	b.WriteString(m.Problem)
	if m.Suggestion != "" {
		b.WriteString("; did you mean " + m.Suggestion + "?")
	}
	return b.String()
}

// Error lists everything that is wrong with a configuration. It matches engine.ErrConfig.
type Error struct {
	// Mistakes are in the order of the layers; what several settings contradict each other in comes last.
	Mistakes []Mistake
}

// Error lists the mistakes, a line each.
func (e *Error) Error() string {
	lines := make([]string, len(e.Mistakes))
	for i, m := range e.Mistakes {
		lines[i] = m.String()
	}
	return "invalid configuration:\n  " + strings.Join(lines, "\n  ")
}

// Is matches engine.ErrConfig.
func (e *Error) Is(target error) bool { return target == engine.ErrConfig }

func unknown(key string, at Origin, near string) Mistake {
	return Mistake{Key: key, Origin: at, Problem: "there is no such setting", Suggestion: near}
}

// contradictions are what the engine and the server have against the settings as a whole. What follows from a setting that could
// not be read is left out: its default stands in its place, and a quarrel with that would mislead.
func (s *Settings) contradictions(known []Mistake) []Mistake {
	var out []Mistake
	for _, text := range slices.Concat(s.engineMistakes(), s.Plugins.mistakes(), s.Alerts.mistakes(s.Engine.Telemetry.Measure), s.Server.Mistakes()) {
		key, problem, _ := strings.Cut(text, ": ")
		if shown, ok := strings.CutSuffix(key, ".memory_bound"); ok {
			key = shown + ".memory" // the bound is derived from it
		}
		if !concerns(known, key) {
			out = append(out, Mistake{Key: key, Origin: s.origin(key), Problem: problem})
		}
	}
	return out
}

func (s *Settings) engineMistakes() []string {
	var wrong *engine.ConfigError
	if errors.As(s.Engine.Check(), &wrong) {
		return wrong.Mistakes
	}
	return nil
}

// origin is where a key was set; for a section, where the strongest layer set anything of it.
func (s *Settings) origin(key string) Origin {
	if at, ok := s.origins[key]; ok {
		return at
	}
	var strongest Origin
	for _, st := range table() { // in order, so that the answer is the same each time
		if at := s.origins[st.key]; strings.HasPrefix(st.key, key+".") && at.Layer > strongest.Layer {
			strongest = at
		}
	}
	return strongest
}

// concerns reports whether a setting that was not understood has a part in what is said about key.
func concerns(known []Mistake, key string) bool {
	about := []string{key}
	switch section, last, _ := cutLast(key); {
	case last == "cache_kib":
		about = append(about, section+".memory")
	case key == "plugins.require_signature":
		about = append(about, "plugins.trusted_keys")
	case key == "server.listen":
		about = append(about, "server.tls")
	case key == "server.hosts":
		about = append(about, "server.listen")
	}
	for _, m := range known {
		for _, k := range about {
			if m.Key == k || strings.HasPrefix(m.Key, k+".") {
				return true
			}
		}
	}
	return false
}

// cutLast takes the last part off a key.
func cutLast(key string) (section, last string, ok bool) {
	i := strings.LastIndexByte(key, '.')
	if i < 0 {
		return "", key, false
	}
	return key[:i], key[i+1:], true
}
