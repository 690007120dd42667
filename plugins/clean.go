package plugins

import (
	"strings"
	"unicode"

	"github.com/tidegate/engine/sdk/abi"
)

// Clean makes text of a plug-in fit for logs and messages: valid UTF-8, no control characters, not too long.
func Clean(b []byte, most int) string {
	if len(b) > 2*most {
		b = b[:2*most]
	}
	s := strings.ToValidUTF8(string(b), "\uFFFD")
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
	return abi.Cut(s, most)
}
