// Package bench measures the engine against other ways to use the same SQLite, in one run on one machine: only the ratios
// mean something elsewhere. It is a module of its own, so that what it compares with is no dependency of the engine.
//
//	go test -v -run Versus -timeout 10m .    transactions of a trade: the engine, a naive pool and a tuned one
//	go test -run '^$' -bench . .             reads, scans and commits: the engine, the bare driver, database/sql over it
//	cd peers && go test -bench . .           the same with drivers that are SQLite in C or in Go
package bench
