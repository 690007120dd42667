// Package trace gives every statement and every transaction a span, through the OpenTelemetry API alone: which SDK, which sampler and
// which exporter stand behind it is the embedding program's choice.
//
// # Parts
//
// [Describe] turns SQL into what may leave the process about it: a text without literals, a summary of low cardinality and a fingerprint.
// It runs once per prepared statement. [Statement] is the record of one execution, [Recorder] the place that records go to. [New] returns
// the recorder that makes spans; a flight recorder is a second implementation of the same interface.
//
// # Cost
//
// A statement is recorded when it has ended, so that nothing has to be decided or built before. Where the caller's span is not sampled, or
// no SDK is installed, recording a statement allocates nothing.
//
// # What is never recorded
//
// Bound values, literals and messages of errors: a message may quote a value. A span names the error's type and the store's result code.
package trace
