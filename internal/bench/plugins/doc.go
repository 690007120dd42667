// Package plugins measures the hosts of plug-ins: ours, Extism and hashicorp/go-plugin over the same bytes and the same rule, and what a rule adds to an INSERT. Each figure
// is taken in turns with what it is compared with, so that a loaded machine meets both alike. It is a module of its own: nobody who uses the engine
// needs what it is compared with.
//
//	cd internal/bench/plugins && go test -v -timeout 20m .
package plugins
