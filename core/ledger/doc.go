// Package ledger remembers which keyed calls were applied, and what their results were. Each entry is written in the transaction that it is
// about, so that it is there exactly when the transaction is: it answers "was it committed?" after an outcome was unknown, and lets the
// second call with a key return what the first one did.
package ledger
