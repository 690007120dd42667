package lint

import (
	"bytes"
	"go/ast"
)

// Limits of docs/ARCHITECTURE.md. A line is a line, comments and blank ones included.
const (
	maxFile      = 600
	maxTestFile  = 800
	maxFunction  = 80
	maxFields    = 15
	maxMethods   = 6
	maxDBMethods = 25 // the type every embedder holds
)

func checkLengths(t *Tree, r report) {
	for _, f := range t.parsed() {
		limit := maxFile
		if f.isTest() {
			limit = maxTestFile
		}
		if lines := bytes.Count(f.content, []byte("\n")); lines > limit {
			r(f.path, lines, "", "%d lines, at most %d: a file holds one idea", lines, limit)
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				lines := t.span(n)
				if f.isTest() {
					lines -= t.tables(n)
				}
				if lines > maxFunction {
					r(f.path, t.line(n.Pos()), functionName(n), "%s has %d lines, at most %d", functionName(n), lines, maxFunction)
				}
			case *ast.TypeSpec:
				checkType(t, f, n, r)
			}
			return true
		})
	}
	checkMethods(t, r)
}

// span returns the number of lines that a node covers.
func (t *Tree) span(n ast.Node) int { return t.line(n.End()) - t.line(n.Pos()) + 1 }

// tables returns the number of lines inside the composite literals of a function: the cases of a test are data, not steps.
func (t *Tree) tables(fn *ast.FuncDecl) int {
	lines := 0
	ast.Inspect(fn, func(n ast.Node) bool {
		literal, ok := n.(*ast.CompositeLit)
		if ok {
			lines += t.span(literal) - 1
		}
		return !ok
	})
	return lines
}

func checkType(t *Tree, f *file, spec *ast.TypeSpec, r report) {
	ast.Inspect(spec.Type, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.StructType:
			if fields := names(n.Fields); fields > maxFields {
				r(f.path, t.line(n.Pos()), spec.Name.Name, "%s has %d fields, at most %d", spec.Name.Name, fields, maxFields)
			}
		case *ast.InterfaceType:
			if methods := names(n.Methods); methods > maxMethods {
				r(f.path, t.line(n.Pos()), spec.Name.Name, "%s has %d methods, at most %d: a consumer declares what it needs", spec.Name.Name, methods, maxMethods)
			}
		}
		return true
	})
}

// names counts the names of a list; an embedded one counts once.
func names(list *ast.FieldList) int {
	n := 0
	for _, field := range list.List {
		n += max(1, len(field.Names))
	}
	return n
}

// checkMethods counts the exported methods of DB, which is the one type that everything wants to hang its own on.
func checkMethods(t *Tree, r report) {
	methods, last := 0, (*file)(nil)
	for _, f := range t.packages["."] {
		if f.err != nil || f.isTest() {
			continue
		}
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && receiver(fn) == "DB" && fn.Name.IsExported() {
				methods++
				last = f
			}
		}
	}
	if methods > maxDBMethods {
		r(last.path, 0, "DB", "DB has %d exported methods, at most %d: hang it on an accessor", methods, maxDBMethods)
	}
}

// receiver returns the name of the type that a method belongs to; "" for a function.
func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return ""
	}
	name := ""
	ast.Inspect(fn.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name
		}
		return name == ""
	})
	return name
}

// functionName returns Type.Method or the function's name.
func functionName(fn *ast.FuncDecl) string {
	if r := receiver(fn); r != "" {
		return r + "." + fn.Name.Name
	}
	return fn.Name.Name
}
