package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

var psVerb = verb{name: "ps", summary: "list what is under way in a running server: who holds the writer, who waits", run: runPs}

const psExamples = `  engine ps
  engine ps --watch                                # again every second, until Ctrl-C
  engine ps --db sqlite:////var/lib/desk/production_trading.db --server unix:/run/tidegate/engine.sock
  engine ps --json | jq '.sessions[] | select(.age_ms > 1000)'

It asks a running ` + "`engine serve`" + `, which it finds by the same settings. Oldest first; the id is for engine kill, - is one that waits. Literals
in a query are shown as ?.
`

// session is what a server says about something that is under way.
type session struct {
	ID    uint64 `json:"id"`
	Lane  string `json:"lane"`
	Class string `json:"class"`
	Name  string `json:"name"`
	State string `json:"state"`
	Query string `json:"query"`
	AgeMS int64  `json:"age_ms"`
}

// sessionList is the answer of a server, and what --json prints.
type sessionList struct {
	Sessions []session `json:"sessions"`
}

func runPs(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("ps", "[flags]", psExamples)
	s := remoteFlags(f)
	asJSON := f.Bool("json", false, "print one JSON object a line")
	watch := f.Bool("watch", false, "go on until Ctrl-C")
	interval := f.Duration("interval", time.Second, "how often --watch looks")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	switch {
	case len(positional) > 0:
		return misuse(stderr, "engine ps", errors.New("takes no arguments: `engine kill` takes an id"))
	case *interval <= 0:
		return misuse(stderr, "engine ps", errors.New("--interval must be more than nothing"))
	}
	server, err := s.connect()
	if err != nil {
		return failure(stderr, "ps", err)
	}
	out, ok := stdout.(*os.File)
	clear := *watch && !*asJSON && ok && term.IsTerminal(int(out.Fd()))
	ticker := time.NewTicker(*interval)
	defer ticker.Stop()
	for {
		var list sessionList
		if err := server.call(ctx, "/v1/sessions", nil, &list); err != nil {
			if *watch && ctx.Err() != nil {
				return exitOK // Ctrl-C is how it is meant to end
			}
			return failure(stderr, "ps", err)
		}
		if clear {
			fmt.Fprint(stdout, "\x1b[H\x1b[2J")
		}
		if err := printSessions(stdout, list, *asJSON); err != nil {
			return failure(stderr, "ps", err)
		}
		if !*watch {
			return exitOK
		}
		select {
		case <-ticker.C:
			if !clear && !*asJSON {
				fmt.Fprintln(stdout)
			}
		case <-ctx.Done():
			return exitOK
		}
	}
}

func printSessions(w io.Writer, list sessionList, asJSON bool) error {
	if asJSON {
		if list.Sessions == nil {
			list.Sessions = []session{}
		}
		return json.NewEncoder(w).Encode(list)
	}
	t := newTable(w, []string{"id", "lane", "class", "name", "state", "age", "query"})
	for _, s := range list.Sessions {
		id := any(int64(s.ID))
		if s.ID == 0 {
			id = "-"
		}
		age := (time.Duration(s.AgeMS) * time.Millisecond).String()
		if err := t.row([]any{id, s.Lane, s.Class, orDash(s.Name), s.State, age, orDash(s.Query)}); err != nil {
			return err
		}
	}
	return t.end()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
