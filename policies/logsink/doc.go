// Package logsink writes alerts to the log of the engine, a line each. README.md says how it is configured.
package logsink
