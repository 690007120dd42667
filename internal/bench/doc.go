// Package bench measures the engine against other ways to use the same SQLite, in one run on one machine: only the ratios
// mean something elsewhere. It is a module of its own, so that what it compares with is no dependency of the engine.
//
//	go test -v -run Versus -timeout 10m .
package bench
