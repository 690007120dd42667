// Package suite is the list of all scenarios. A new scenario is a package beside this one and a line here.
package suite

import (
	"github.com/tidegate/engine/internal/torture"
	"github.com/tidegate/engine/internal/torture/iofault"
	"github.com/tidegate/engine/internal/torture/kills"
	"github.com/tidegate/engine/internal/torture/longlog"
	"github.com/tidegate/engine/internal/torture/powercut"
	"github.com/tidegate/engine/internal/torture/upset"
)

// Scenarios returns all of them, in the order in which they run.
func Scenarios() []torture.Scenario {
	return append([]torture.Scenario{
		powercut.Scenario(),
		iofault.Scenario(),
		torture.TestsIn("internal/torture/fuse", "lossy-disk", "P1", "the shipped program on a disk that loses what was not synced, fails calls and fills up", "."),
		kills.Scenario(),
		longlog.Scenario(),
		upset.Poison(),
		upset.Move(),
		torture.Tests("kill", "P2", "SIGKILL of the shipped program under load; the books are exact afterwards", "./cmd/engine", "Kill"),
		torture.Tests("stuck-writer", "P6", "a writer stuck in a Go function is replaced and wakes in mid-statement", "./core/lane", "Stuck|Poisoned"),
		torture.Tests("wal-bound", "P8", "a pinned reader and back-to-back analytics; the log stays within its cap", "./core/lane", "PinnedReader|BackToBack"),
		torture.Tests("moved-file", "P7", "database, -wal or -shm renamed, replaced or unlinked", "./core/lane", "MovedFile"),
	}, hostile()...)
}
