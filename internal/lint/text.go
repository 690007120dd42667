package lint

import (
	"bytes"
	"go/format"
	"go/scanner"
	"regexp"
	"strings"
)

func checkParse(t *Tree, r report) {
	for _, f := range t.files {
		if f.err != nil {
			line := 0
			if list, ok := f.err.(scanner.ErrorList); ok && len(list) > 0 {
				line = list[0].Pos.Line
			}
			r(f.path, line, "", "does not parse: %v", f.err)
		}
	}
}

func checkFormat(t *Tree, r report) {
	for _, f := range t.parsed() {
		if formatted, err := format.Source(f.content); err != nil || !bytes.Equal(formatted, f.content) {
			r(f.path, 0, "", "gofmt would change it")
		}
	}
}

// checkMachinePaths finds directories of one machine: they mean nothing on another.
func checkMachinePaths(t *Tree, r report) {
	eachLine(t, regexp.MustCompile(`(?:^|[^\w.\-*/])(?:/(?:work|root|farm|home|tmp|Users)/[\w.]|[A-Z]:\\Users\\)`), func(f *file, line int, found string) {
		r(f.path, line, strings.TrimSpace(found), "a path of one machine: %s", strings.TrimSpace(found))
	})
}

// checkUnfinished finds the words that mark work left undone.
func checkUnfinished(t *Tree, r report) {
	eachLine(t, regexp.MustCompile(`\b(?:TO`+`DO|FIX`+`ME|XX`+`X)\b`), func(f *file, line int, found string) {
		r(f.path, line, found, "%s: finish it, or write down in the issue what is left", found)
	})
}

// eachLine calls found for each line of a text file that the expression matches.
func eachLine(t *Tree, expression *regexp.Regexp, found func(f *file, line int, text string)) {
	for _, f := range t.files {
		if !f.isText() {
			continue
		}
		for i, line := range bytes.Split(f.content, []byte("\n")) {
			if match := expression.Find(line); match != nil {
				found(f, i+1, string(match))
			}
		}
	}
}

// maxFileSize is the size of the largest file that the project may hold.
const maxFileSize = 1 << 20

func checkSizes(t *Tree, r report) {
	for _, f := range t.files {
		if f.size > maxFileSize {
			r(f.path, 0, "", "%d kB: nothing over 1 MB is kept in the project", f.size>>10)
		}
	}
}
