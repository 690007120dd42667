// Package peers runs the suite with other ways to SQLite from Go: SQLite in C by cgo, and SQLite translated to Go.
//
//	go test -run '^$' -bench Suite .
package peers
