//go:build !linux && !darwin

package hostilefile

import "os"

func devices(string) []string { return []string{"NUL", "CON"} }

func neighbours() map[string]func(path string) error {
	return map[string]func(string) error{
		"a folder":           func(path string) error { return os.Mkdir(path, 0o700) },
		"nothing but zeroes": func(path string) error { return os.WriteFile(path, make([]byte, 100_000), 0o600) },
	}
}
