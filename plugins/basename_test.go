package plugins_test

import (
	"testing"

	"github.com/tidegate/engine/plugins"
)

func TestBaseNames(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                        "",
		"wasm error: unreachable": "wasm error: unreachable",
		"\t/srv/ann/src/rule/rule.go:12 +0x1d\n\t/srv/ann/src/rule/main.go:7": "\trule.go:12 +0x1d\n\tmain.go:7",
		"at /srv/Ann Lee/my rules/rule.go:12":                                 "at rule.go:12",
		`at D:\src\Ann Lee\rule.go:12:3 (inlined)`:                            "at rule.go:12:3 (inlined)",
		"0x1a2: /build/x/limit.c:40:5":                                        "0x1a2: limit.c:40:5",
		"open /etc/tidegate/secret.txt: no such file":                         "open secret.txt: no such file",
		`open "/etc/tidegate/secret.txt"`:                                     `open "secret.txt"`,
		"ratio 1/2 of a/b, see https://example.com/a/b":                       "ratio 1/2 of a/b, see https://example.com/a/b",
		"github.com/ann/rule/rule.go:12":                                      "github.com/ann/rule/rule.go:12",
	} {
		if got := plugins.BaseNames(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
