// Package hostilesql runs statements that are meant to hurt: that want all memory, never end, nest without bound, or ask for what
// belongs to nobody. The promise (P5) is that the process lives, every caller is back by its deadline and 50 ms, the next query is
// answered, and everybody else goes on.
package hostilesql
