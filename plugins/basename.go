package plugins

import "regexp"

var (
	// sourceLine is a file with its line, as stack traces have it; its folder may have spaces in it.
	sourceLine = regexp.MustCompile(`(^|[\s"'(=])(?:[A-Za-z]:)?[\\/][^:\n\t"']*[\\/]([^\\/:\s]+:[0-9]+)`)
	// absolute is any other absolute path of two parts or more.
	absolute = regexp.MustCompile(`(^|[\s"'(=])(?:[A-Za-z]:)?[\\/](?:[^\s\\/:"'()]+[\\/])+([^\s\\/:"'()]+)`)
)

// BaseNames cuts the folders off the paths in a text of a plug-in: they are those of the machine that it was built on, and nobody else's business. Where in the code a
// rule has failed still shows.
func BaseNames(text string) string {
	return absolute.ReplaceAllString(sourceLine.ReplaceAllString(text, "${1}${2}"), "${1}${2}")
}
