package review

import (
	"fmt"
	"sort"
)

// Severity is how bad a finding is.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // the migrator refuses it, or rows are lost
	Warning Severity = "warning" // it can lose something, or leaves databases different
	Note    Severity = "note"    // worth knowing before it runs
)

// Rule is one thing that is looked for.
type Rule struct {
	Code     string
	Name     string // a few words
	Severity Severity
}

// Finding is one place where a rule applies.
type Finding struct {
	File     string
	Line     int // from 1; 0 where the whole file is meant
	Code     string
	Rule     string
	Severity Severity
	Message  string
	Remedy   string
}

// String is the finding in one line, as compilers write it.
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: %s %s: %s; %s", f.File, f.Line, f.Code, f.Severity, f.Message, f.Remedy)
}

// Rules lists every rule by its code.
func Rules() []Rule {
	out := make([]Rule, len(rules))
	for i, r := range rules {
		out[i] = r.Rule
	}
	return out
}

// File is a migration file as it lies in its folder.
type File struct {
	Name    string
	Content []byte
}

// Options tell what the files cannot.
type Options struct {
	// Rows of the tables of a database, by lower-case name, so that only large tables are called large; nil: every table that exists is.
	Rows map[string]int64
}

// Set reviews files in the order of their names. The findings are in the order of files and lines.
func Set(files []File, opt Options) []Finding {
	sorted := append([]File(nil), files...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].Name < sorted[j].Name })
	m := newModel()
	var out []Finding
	for _, f := range sorted {
		x := read(f)
		x.opt = opt
		x.before = m.clone()
		for _, s := range x.up {
			m.apply(s)
		}
		x.after = m
		for _, r := range rules {
			for _, h := range r.check(x) {
				if !x.allowed[r.Code] {
					out = append(out, Finding{File: f.Name, Line: h.line, Code: r.Code, Rule: r.Name, Severity: r.Severity, Message: h.message, Remedy: h.remedy})
				}
			}
		}
	}
	order := map[string]int{}
	for i, f := range sorted {
		order[f.Name] = i
	}
	sort.SliceStable(out, func(i, j int) bool {
		if out[i].File != out[j].File {
			return order[out[i].File] < order[out[j].File]
		}
		return out[i].Line < out[j].Line
	})
	return out
}
