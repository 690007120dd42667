//go:build !linux && !darwin

package sqlite

import "time"

// takeMemory says no: on this system a single instruction of SQLite runs to its end.
func takeMemory([]byte) bool { return false }

func dropMemory([]byte) bool { return false }

func processorTime() (time.Duration, bool) { return 0, false }
