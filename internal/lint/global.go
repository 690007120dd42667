package lint

import (
	"go/ast"
	"go/token"
	"strings"
)

func checkInit(t *Tree, r report) {
	for _, f := range t.parsed() {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				r(f.path, t.line(fn.Pos()), "init", "no init(): whoever imports the package has not asked for it")
			}
		}
	}
}

// checkGlobals wants no state at package level outside tests. Error sentinels, compiled patterns, reflected types, embedded files,
// interface assertions and unexported tables that nothing writes to are no state.
func checkGlobals(t *Tree, r report) {
	for _, files := range t.packages {
		written := map[string]bool{}
		for _, f := range files {
			if f.err == nil && !f.isTest() {
				markWritten(f.ast, written)
			}
		}
		for _, f := range files {
			if f.err != nil || f.isTest() {
				continue
			}
			for _, d := range f.ast.Decls {
				decl, ok := d.(*ast.GenDecl)
				if !ok || decl.Tok != token.VAR {
					continue
				}
				for _, s := range decl.Specs {
					checkVar(t, f, decl, s.(*ast.ValueSpec), written, r)
				}
			}
		}
	}
}

func checkVar(t *Tree, f *file, decl *ast.GenDecl, spec *ast.ValueSpec, written map[string]bool, r report) {
	if embedded(decl.Doc) || embedded(spec.Doc) {
		return
	}
	for i, name := range spec.Names {
		var value ast.Expr
		if i < len(spec.Values) {
			value = spec.Values[i]
		}
		if name.Name == "_" || value != nil && !written[name.Name] && (sentinel(name.Name, value) || pattern(value) || table(name.Name, value)) {
			continue
		}
		r(f.path, t.line(name.Pos()), name.Name, "package variable %s: no state at package level; make it a constant, a field or a function's result", name.Name)
	}
}

// embedded reports whether go:embed fills the variable.
func embedded(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	for _, c := range doc.List {
		if strings.HasPrefix(c.Text, "//go:embed ") {
			return true
		}
	}
	return false
}

// sentinel reports whether a variable is an error to compare with.
func sentinel(name string, value ast.Expr) bool {
	if !strings.HasPrefix(name, "Err") && !strings.HasPrefix(name, "err") {
		return false
	}
	switch v := value.(type) {
	case *ast.CallExpr:
		return calls(v, "errors", "New") || calls(v, "fmt", "Errorf")
	case *ast.UnaryExpr:
		_, literal := v.X.(*ast.CompositeLit)
		return v.Op == token.AND && literal
	case *ast.CompositeLit:
		return true
	case *ast.SelectorExpr: // another package's sentinel under the name that this one publishes
		return strings.HasPrefix(v.Sel.Name, "Err")
	}
	return false
}

// pattern reports whether a value is a compiled regular expression or a reflected type: neither can change.
func pattern(value ast.Expr) bool {
	call, ok := value.(*ast.CallExpr)
	return ok && (calls(call, "regexp", "MustCompile") || calls(call, "reflect", "TypeFor") || calls(call, "reflect", "TypeOf"))
}

// table reports whether a value is a literal list or map, and nobody outside the package can write to it.
func table(name string, value ast.Expr) bool {
	_, literal := value.(*ast.CompositeLit)
	return literal && !ast.IsExported(name)
}

func calls(call *ast.CallExpr, pkg, function string) bool {
	fun := call.Fun
	if generic, ok := fun.(*ast.IndexExpr); ok {
		fun = generic.X
	}
	selector, ok := fun.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != function {
		return false
	}
	id, ok := selector.X.(*ast.Ident)
	return ok && id.Name == pkg
}

// markWritten notes each name that the file assigns to, in whole or in part, or takes the address of. A local variable of the same name
// counts as well: then one of the two wants another name anyway.
func markWritten(f *ast.File, written map[string]bool) {
	mark := func(e ast.Expr) {
		if id := rootOf(e); id != nil {
			written[id.Name] = true
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				if n.Tok != token.DEFINE {
					mark(left)
				}
			}
		case *ast.IncDecStmt:
			mark(n.X)
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				mark(n.X)
			}
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "delete" || id.Name == "clear" || id.Name == "copy") && len(n.Args) > 0 {
				mark(n.Args[0])
			}
		}
		return true
	})
}

// rootOf returns x of x, x.f, x[i], *x and (x).
func rootOf(e ast.Expr) *ast.Ident {
	for {
		switch v := e.(type) {
		case *ast.Ident:
			return v
		case *ast.SelectorExpr:
			e = v.X
		case *ast.IndexExpr:
			e = v.X
		case *ast.StarExpr:
			e = v.X
		case *ast.ParenExpr:
			e = v.X
		default:
			return nil
		}
	}
}
