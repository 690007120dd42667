package main

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// family is a verb whose first argument says which of its parts is meant.
type family struct {
	name string
	// help is the text of --help, with %s where the list of the parts goes.
	help  string
	parts []verb
	// usage is the exit code for a wrong command line.
	usage int
}

// run picks the part.
func (f family) run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, f.text())
		return f.usage
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, f.text())
		return exitOK
	}
	for _, part := range f.parts {
		if part.name == args[0] {
			return part.run(ctx, args[1:], stdout, stderr)
		}
	}
	misuse(stderr, "engine "+f.name, fmt.Errorf("no %q: `engine %s --help` lists what there is", args[0], f.name))
	return f.usage
}

func (f family) text() string {
	var list strings.Builder
	for _, part := range f.parts {
		fmt.Fprintf(&list, "  %-10s %s\n", part.name, part.summary)
	}
	return fmt.Sprintf(f.help, list.String())
}
