package enginetest

import "github.com/tidegate/engine/internal/sqltext"

// statements cuts a script at the semicolons that end statements, those in the bodies of triggers left out. Pieces that hold only space and
// comments are dropped.
func statements(script string) []string {
	var out []string
	for _, s := range sqltext.Statements(script) {
		out = append(out, s.Text)
	}
	return out
}
