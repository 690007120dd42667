// Package config reads the configuration of an engine from layers: the defaults of the code, a YAML file, environment
// variables and command-line flags, each stronger than the one before.
//
// One table holds every setting: its key, what it means, and which field it fills. Loading, printing, [Schema] and [Template]
// are all made from it, so that none of them can know a setting that another does not.
//
// # Keys
//
// A key is the path to the setting in the file: writer.queue_timeout is
//
//	writer:
//	  queue_timeout: 2s
//
// The sections are those of engine.Config, and server for the program's HTTP interface. The environment variable of a setting
// is ENGINE_ and its key in upper case with underscores for dots: ENGINE_WRITER_QUEUE_TIMEOUT. Names are looked up whole in
// the table and never taken apart, so an underscore inside a key is no riddle.
//
// # Values
//
// A duration has a unit (50ms, 2s, 1m30s), a size too (64MiB, 4KiB, 512B; kB, MB and GB are powers of ten), a list is separated by
// commas outside the file. Settings that embed Go values (functions, collations, a tracer, a logger) are no text: an embedding
// program sets them on the engine.Config that it gets.
//
// # Mistakes
//
// [Load] reports everything that is wrong in one [Error]: the key, where it was set (file and line, variable or flag), what is
// wrong with it, and the nearest key for one that does not exist. A value is repeated only where it is that of a setting that
// can hold no secret.
package config
