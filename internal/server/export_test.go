package server

import (
	"fmt"
	"time"
)

// Answers lists "status kind" of the catalogue of the engine's errors, for the test of the page.
func Answers() []string {
	var out []string
	for _, a := range answers {
		out = append(out, fmt.Sprintf("%d %s", a.status, a.kind))
	}
	return out
}

// AnswerTo is how an error is answered.
func AnswerTo(err error) (status int, kind string, retryAfter time.Duration) {
	f := failureOf(err)
	return f.status, f.kind, f.retryAfter
}
