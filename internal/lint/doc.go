package lint

import (
	"go/ast"
	"slices"
	"strings"
)

// checkDocs wants a package comment everywhere, and a comment on each exported name that embedders and plug-in authors read.
func checkDocs(t *Tree, r report) {
	for dir, files := range t.packages {
		sources := slices.DeleteFunc(slices.Clone(files), func(f *file) bool { return f.err != nil || f.isTest() })
		if len(sources) == 0 {
			continue
		}
		if !slices.ContainsFunc(sources, func(f *file) bool { return f.ast.Doc != nil }) {
			r(sources[0].path, 1, "", "package %s has no comment that says what it is for", sources[0].ast.Name.Name)
		}
		if !withinAny(dir, []string{".", "sdk/...", "core/..."}) {
			continue
		}
		for _, f := range sources {
			for _, d := range f.ast.Decls {
				checkDecl(t, f, d, r)
			}
		}
	}
}

func checkDecl(t *Tree, f *file, d ast.Decl, r report) {
	missing := func(n ast.Node, name string) {
		r(f.path, t.line(n.Pos()), name, "exported %s has no comment: meaning, units, zero value, errors, concurrency", name)
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		visible := d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d)))
		if visible && d.Doc == nil && !obvious(d) {
			missing(d, functionName(d))
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && s.Doc == nil && (d.Doc == nil || len(d.Specs) > 1) {
					missing(s, s.Name.Name)
				}
			case *ast.ValueSpec:
				for _, name := range s.Names {
					if name.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
						missing(name, name.Name)
					}
				}
			}
		}
	}
}

// obvious reports whether a method is one whose contract the standard library states: Error, Unwrap, String, and those of sort and io that
// carry no argument.
func obvious(fn *ast.FuncDecl) bool {
	if fn.Recv == nil || fn.Type.Params.NumFields() > 1 {
		return false
	}
	switch fn.Name.Name {
	case "Error", "Unwrap", "String", "Is", "As":
		return true
	}
	return strings.HasPrefix(fn.Name.Name, "Marshal") || strings.HasPrefix(fn.Name.Name, "Unmarshal")
}
