//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package shell

import (
	"os"

	"golang.org/x/sys/unix"
)

// interruptKey says whether the terminal makes a signal of Ctrl-C, or hands it on as a key. Where the file is no terminal there is no key, and
// nothing to do.
func interruptKey(f *os.File, signal bool) {
	mode, err := unix.IoctlGetTermios(int(f.Fd()), getTermios)
	if err != nil {
		return
	}
	if mode.Lflag &^= unix.ISIG; signal {
		mode.Lflag |= unix.ISIG
	}
	_ = unix.IoctlSetTermios(int(f.Fd()), setTermios, mode)
}
