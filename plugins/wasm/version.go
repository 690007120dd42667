package wasm

import "runtime/debug"

// runtimeVersion is the version of the compiler in this program, as far as it was recorded: code of another one must not be run.
func runtimeVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, d := range info.Deps {
		if d.Path == "github.com/tetratelabs/wazero" {
			return d.Version + d.Sum
		}
	}
	return info.Main.Version
}
