// Package review reads migration files before anything runs and says what will fail, lose rows, or keep the writer busy for long.
//
// It looks at text alone: the earlier files of the same set tell it which tables, indexes, triggers and references exist. Every finding has
// a code, a line and a remedy. A comment line
//
//	-- lint allow L02 the column was never filled
//
// in a file takes the findings of that code in that file back; the reason is part of it.
//
// All functions are safe for concurrent use.
package review
