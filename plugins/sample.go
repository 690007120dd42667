package plugins

import (
	"fmt"
	"time"

	"github.com/tidegate/engine/sdk/abi"
)

// Sample fills b with n rows of a test of the manifest, over and over from its first one, and says which hook they are for and at what instant.
//
// # Errors
//
// There is no such test, it has no rows, or they do not fit a batch.
func (m *Manifest) Sample(test, n int, b *abi.Batch) (Hook, time.Time, error) {
	if test < 0 || test >= len(m.Tests) || len(m.Tests[test].Rows) == 0 {
		return 0, time.Time{}, fmt.Errorf("plug-in %s has no rows to try: add tests with rows to plugin.yaml", m.Name)
	}
	t := m.Tests[test]
	rows := make([][]any, n)
	for i := range rows {
		rows[i] = t.Rows[i%len(t.Rows)]
	}
	t.Rows = rows
	return t.hook(m), t.at(), t.batch(m, b)
}
