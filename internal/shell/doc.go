// Package shell is the interactive prompt on an open database, and the runner of scripts in the same language: SQL statements that end
// in a semicolon, and commands that begin with a dot.
//
// Three things decide how it is built. A person at a prompt is slow, and the writer is shared: a transaction that is typed has a limit
// on how long it may live and on how long nothing may be typed in it, and is rolled back past either. A transaction that was lost
// stays lost until the person has ended it: what is typed on must not run outside of it by accident. And what a person binds
// (.param) may be a secret: it goes to the statement and to .param itself, and into no history, error or plan.
package shell
