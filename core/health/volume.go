package health

import (
	"context"
	"time"
)

// volumeTime is how long the file system may take to say how much is free: it is asked before each scrape, and one on a network may hang.
const volumeTime = 250 * time.Millisecond

// Volume is the file system that a database lies on. Make it with NewVolume. Safe for concurrent use.
type Volume struct {
	path string
	free flight[room]
}

// room is an answer of a file system.
type room struct {
	bytes int64
	known bool
}

// NewVolume returns the volume of path. ask says how much is free on it, in bytes, where the system tells; path "" has none: a database in
// memory.
func NewVolume(path string, ask func(path string) (free int64, known bool)) *Volume {
	v := &Volume{path: path}
	v.free.ask = func() room {
		n, known := ask(path)
		return room{n, known}
	}
	return v
}

// Free is how much is free, in bytes. known is false in memory, where the system does not tell, and where it did not answer in time.
func (v *Volume) Free(ctx context.Context) (free int64, known bool) {
	r, answered := v.look(ctx)
	return r.bytes, answered && r.known
}

func (v *Volume) look(ctx context.Context) (r room, answered bool) {
	if v.path == "" {
		return room{}, true
	}
	ctx, cancel := context.WithTimeout(ctx, volumeTime)
	defer cancel()
	r, _, answered = v.free.get(ctx)
	return r, answered
}
