// Package plugintest is the conformance suite of plug-ins in Go: the same cases run on the Go value and on the module that the same source builds to, through the
// real host with its limits, and everything that was said must be the same: verdicts, messages, failures, lines of log, messages for the outbox. It needs the
// go command and no database.
package plugintest
