package config

import (
	"fmt"

	"github.com/knadh/koanf/v2"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/migrations"
)

// DefaultURL is the database that is opened when nothing names another.
const DefaultURL = "sqlite:///production_trading.db"

// Sources says where settings come from, weakest first. The zero value means the defaults alone.
type Sources struct {
	// File is the path of a YAML file; "" is none. A file that is named must exist.
	File string
	// Env holds NAME=value pairs, as os.Environ returns them; those that begin with ENGINE_ are read.
	Env []string
	// Flags are settings of a command line, in its order: the last one of a key holds.
	Flags []Flag
}

// Flag is a setting of a command line.
type Flag struct {
	// Name is how the flag is written, for messages: "--db".
	Name string
	// Key is the key that it sets.
	Key string
	// Value is its text.
	Value string
}

// Settings are the settings in force. They are plain data: safe to read from several goroutines.
type Settings struct {
	// Engine configures the database. Its Migrations follow the setting migrations.
	Engine engine.Config
	// Schema is the setting migrations: "none", or "trading" for the schema that this project ships.
	Schema string
	// Server configures the program's HTTP interface.
	Server Server
	// Plugins configures plug-ins, which [Settings.Open] brings into service.
	Plugins Plugins
	// Alerts says who is told of alerts.
	Alerts Alerts

	origins map[string]Origin
}

// Defaults are the settings where nothing is set.
func Defaults() Settings {
	e := engine.DefaultConfig(DefaultURL)
	e.Telemetry.Store = true // whoever runs a program wants to know how it was yesterday; an embedder is not given a file that it did not ask for
	return Settings{Engine: e, Schema: schemaNone, Server: DefaultServer()}
}

// The values of the setting migrations.
const (
	schemaNone    = "none"
	schemaTrading = "trading"
)

// Load reads all layers and checks the outcome. It opens no database and changes nothing.
//
// # Errors
//
// *[Error] with every mistake; it matches engine.ErrConfig.
func Load(src Sources) (*Settings, error) {
	s := Defaults()
	layers := []layer{defaultLayer(&s), fileLayer(src.File), environmentLayer(src.Env), flagLayer(src.Flags)}
	merged := koanf.New(".")
	s.origins = map[string]Origin{}
	var wrong []Mistake
	for _, l := range layers {
		wrong = append(wrong, l.mistakes...)
		if err := merged.Load(l, nil); err != nil {
			return nil, fmt.Errorf("config: %w", err)
		}
		for key, e := range l.entries {
			s.origins[key] = e.origin
		}
	}
	by := map[string]setting{}
	for _, st := range table() {
		st.set(&s, merged.Get(st.key))
		by[st.key] = st
	}
	s.follow(merged, by)
	if s.Schema == schemaTrading {
		s.Engine.Migrations = migrations.FS
	}
	if wrong = append(wrong, s.contradictions(wrong)...); len(wrong) > 0 {
		return nil, &Error{Mistakes: wrong}
	}
	return &s, nil
}

// Value is one setting in force.
type Value struct {
	// Key is the dotted key.
	Key string
	// Text is the value as it would be written in the file.
	Text string
	// Default is the value that the setting has when nothing sets it.
	Default string
	// Origin says where the value came from.
	Origin Origin
	// Doc says what the setting means.
	Doc string
}

// Values lists all settings in the order of the table.
func (s *Settings) Values() []Value {
	defaults := Defaults()
	var out []Value
	for _, st := range table() {
		out = append(out, Value{Key: st.key, Text: st.text(s), Default: st.text(&defaults), Origin: s.origins[st.key], Doc: st.doc})
	}
	return out
}
