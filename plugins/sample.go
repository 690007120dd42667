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
	switch {
	case len(m.Tests) == 0:
		return 0, time.Time{}, fmt.Errorf("plug-in %s has no rows to try: add tests with rows to plugin.yaml", m.Name)
	case test < 0 || test >= len(m.Tests):
		return 0, time.Time{}, fmt.Errorf("plug-in %s has no test %d: plugin.yaml has those from 0 to %d", m.Name, test, len(m.Tests)-1)
	case len(m.Tests[test].Rows) == 0:
		return 0, time.Time{}, fmt.Errorf("test %d of plug-in %s has no rows to try: take another one, or give it some", test, m.Name)
	}
	t := m.Tests[test]
	rows := make([][]any, n)
	for i := range rows {
		rows[i] = t.Rows[i%len(t.Rows)]
	}
	t.Rows = rows
	return t.hook(m), t.at(), t.batch(m, b)
}
