// Package slowlog finds the statements that are worth a look, and keeps what one needs to look at them. There are three ways into it: a
// statement took longer than its class may; it took longer than its own kind usually does; or it is inefficient though it is still fast.
//
// Statements of one fingerprint are one kind. Of each kind a histogram is kept, and a few sets of bindings, in memory only. What is written
// down of bindings follows a policy, by default their types and lengths.
package slowlog
