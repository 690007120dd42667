package migrate

import "runtime/debug"

// engineVersion is the version of this module in the running program.
func engineVersion() string {
	const module = "github.com/tidegate/engine"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, d := range info.Deps {
		if d.Path == module {
			return d.Version
		}
	}
	return info.Main.Version
}
