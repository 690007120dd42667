package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

var killVerb = verb{name: "kill", summary: "end a transaction or a query of a running server; nothing of it is applied", run: runKill}

const killExamples = `  engine kill 17                                   # the id is that of engine ps
  engine kill --db sqlite:////var/lib/desk/production_trading.db 17 18
  engine ps --json | jq '.sessions[] | select(.lane == "writer" and .id > 0) | .id' | xargs engine kill

Its caller gets an error that says so. The exit code is 1 when there was no such session: it may just have ended.
`

func runKill(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("kill", "[flags] ID [ID…]", killExamples)
	s := remoteFlags(f)
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	if len(positional) == 0 {
		return misuse(stderr, "engine kill", errors.New("wants the id of a session: `engine ps` lists them"))
	}
	ids := make([]uint64, len(positional))
	for i, p := range positional {
		id, err := strconv.ParseUint(p, 10, 64)
		if err != nil || id == 0 {
			return misuse(stderr, "engine kill", fmt.Errorf("%q is no id: `engine ps` lists them, and what waits in line has none yet", p))
		}
		ids[i] = id
	}
	server, err := s.connect()
	if err != nil {
		return failure(stderr, "kill", err)
	}
	for _, id := range ids {
		var answer struct {
			Killed bool `json:"killed"`
		}
		err := server.call(ctx, "/v1/kill", map[string]uint64{"id": id}, &answer)
		var refused *refusedError
		switch {
		case errors.As(err, &refused) && refused.status == http.StatusNotFound:
			fmt.Fprintf(stderr, "engine kill: there is no session %d: it has ended, or never was\n", id)
			code = exitError
		case err != nil:
			return failure(stderr, "kill", err)
		case !answer.Killed:
			return failure(stderr, "kill", fmt.Errorf("the server did not say that it killed session %d", id))
		default:
			fmt.Fprintf(stdout, "killed %d\n", id)
		}
	}
	return code
}
