//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package shell

import "os"

// interruptKey does nothing: the line editor reads keys here as they come.
func interruptKey(*os.File, bool) {}
