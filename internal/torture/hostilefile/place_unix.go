//go:build linux || darwin

package hostilefile

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// devices are paths of this kind of system that read for ever, or not at all.
func devices(dir string) []string {
	pipe, socket := filepath.Join(dir, "pipe"), filepath.Join(dir, "socket")
	found := []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/urandom", "/dev/tty", "/proc/self/mem", "/proc/self/maps"}
	if syscall.Mkfifo(pipe, 0o600) == nil {
		found = append(found, pipe)
	}
	if l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket}); err == nil {
		l.SetUnlinkOnClose(false)
		_ = l.Close() // the name is what is wanted
		found = append(found, socket)
	}
	return found
}

// neighbours are what may lie where SQLite keeps its log.
func neighbours() map[string]func(path string) error {
	return map[string]func(string) error{
		"a folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"a folder with a file": func(path string) error {
			return errors.Join(os.Mkdir(path, 0o700), os.WriteFile(path+"/x", nil, 0o600))
		},
		"a pipe":                 func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a link to nowhere":      func(path string) error { return os.Symlink(path+".nowhere", path) },
		"a link to itself":       func(path string) error { return os.Symlink(path, path) },
		"a link to zeroes":       func(path string) error { return os.Symlink("/dev/zero", path) },
		"a link to a full disk":  func(path string) error { return os.Symlink("/dev/full", path) },
		"nothing but zeroes":     func(path string) error { return os.WriteFile(path, make([]byte, 100_000), 0o600) },
		"a file nobody may read": func(path string) error { return os.WriteFile(path, []byte("x"), 0o000) },
	}
}
