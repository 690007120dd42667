// Package lint holds the tree to the rules of docs/ARCHITECTURE.md: who may import whom, how long a file may grow, what must not stand at
// package level. It reads Go with go/parser and everything else as text, needs no tool beyond the standard library, and runs as a test.
//
// A rule flags, judgement decides: what has to break one is listed in exceptions.go with its reason. An entry that no longer excuses
// anything is reported as well.
package lint

import (
	"cmp"
	"fmt"
	"slices"
)

// Finding is one place that breaks a rule.
type Finding struct {
	// Rule is the rule's short name, File the path from the root of the tree, Line where in it (0: the file as a whole).
	Rule, File string
	Line       int
	// Subject is what an exception names: a function, a type, an import path; "" when the file is the subject.
	Subject string
	// Message says what is wrong and what to do.
	Message string
}

// String gives the form that editors jump to.
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: [%s] %s", f.File, f.Line, f.Rule, f.Message)
}

// Exception excuses findings of one rule about one subject in one file. Reason is for the reader, and must not be empty.
type Exception struct{ Rule, File, Subject, Reason string }

// report takes what a rule finds.
type report func(file string, line int, subject, format string, args ...any)

// rule is one check over the whole tree.
type rule struct {
	name  string
	check func(*Tree, report)
}

func rules() []rule {
	return []rule{
		{"parse", checkParse},
		{"gofmt", checkFormat},
		{"import", checkImports},
		{"reach", checkReach},
		{"length", checkLengths},
		{"name", checkNames},
		{"testname", checkTestNames},
		{"global", checkGlobals},
		{"init", checkInit},
		{"doc", checkDocs},
		{"path", checkMachinePaths},
		{"unfinished", checkUnfinished},
		{"size", checkSizes},
	}
}

// Check applies every rule to the tree and returns what the exceptions do not excuse, in order of file and line.
func Check(t *Tree, exceptions []Exception) []Finding {
	var findings []Finding
	used := make([]bool, len(exceptions))
	for _, r := range rules() {
		r.check(t, func(file string, line int, subject, format string, args ...any) {
			excused := slices.IndexFunc(exceptions, func(e Exception) bool {
				return e.Rule == r.name && e.File == file && e.Subject == subject
			})
			if excused >= 0 {
				used[excused] = true
				return
			}
			findings = append(findings, Finding{Rule: r.name, File: file, Line: line, Subject: subject, Message: fmt.Sprintf(format, args...)})
		})
	}
	for i, e := range exceptions {
		if !used[i] {
			findings = append(findings, Finding{Rule: "exception", File: e.File, Message: fmt.Sprintf("nothing left for %s %q to excuse: take the entry out", e.Rule, e.Subject)})
		}
		if e.Reason == "" {
			findings = append(findings, Finding{Rule: "exception", File: e.File, Message: fmt.Sprintf("%s %q has no reason", e.Rule, e.Subject)})
		}
	}
	slices.SortFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Message, b.Message))
	})
	return findings
}
