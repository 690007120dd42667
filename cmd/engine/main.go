// Command engine runs, queries and checks a Tidegate database.
//
//	engine <verb> [flags] [arguments]
//
// Exit codes: 0 done; 1 the database said no, or a check failed; 2 the command line was wrong; engine migrate has
// codes of its own, in its help. Data goes to standard output, everything
// else to standard error. `engine help` lists the verbs, `engine <verb> --help` shows examples of each.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
