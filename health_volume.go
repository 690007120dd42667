package engine

import (
	"github.com/tidegate/engine/core/health"
	"github.com/tidegate/engine/core/sqlite"
)

// volumeOf is the file system that a database lies on. free nil asks the system.
func volumeOf(loc sqlite.Location, free func(path string) (int64, bool)) *health.Volume {
	path := loc.Path
	if loc.Memory {
		path = ""
	}
	if free == nil {
		free = sqlite.FreeBytes
	}
	return health.NewVolume(path, free)
}
