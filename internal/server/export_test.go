package server

import "fmt"

// Answers lists "status kind" of the catalogue of the engine's errors, for the test of the page.
func Answers() []string {
	var out []string
	for _, a := range answers {
		out = append(out, fmt.Sprintf("%d %s", a.status, a.kind))
	}
	return out
}
