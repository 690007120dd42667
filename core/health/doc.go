// Package health answers whether a database can be relied on now: single questions with what was found, why it matters and what to do about
// it. An answer comes within its time whatever hangs: a disk, a writer, a plug-in.
//
// It knows limits and words; the figures are handed to it by whoever has them.
package health
