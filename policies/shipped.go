// Package policies holds the manifests of the rules, retention policies and sinks that come with the engine, each in a folder with its source. Whoever runs them as
// Go values begins with these.
package policies

import (
	"embed"
	"io/fs"
	"path"
	"slices"
)

//go:embed */plugin.yaml
var shipped embed.FS

// Names lists the policies by their folders, in order.
func Names() []string {
	found, _ := fs.Glob(shipped, "*/plugin.yaml") // the pattern is right
	names := make([]string, len(found))
	for i, f := range found {
		names[i] = path.Dir(f)
	}
	slices.Sort(names)
	return names
}

// Manifest is plugin.yaml of a policy; ok is false where there is none of this name. Its module and its hash are those of no file.
func Manifest(name string) (text []byte, ok bool) {
	text, err := fs.ReadFile(shipped, name+"/plugin.yaml")
	return text, err == nil
}
