package house

import (
	"bytes"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

// The figures of the house.
const (
	MaxLines   = 400 // of a file that is no test
	MaxMethods = 4   // of an interface
)

// Rule judges one file.
type Rule struct {
	Name  string
	Check func(*File) []Finding
}

// Rules gives every rule that looks at one file at a time.
func Rules() []Rule {
	return []Rule{
		{Name: "goroutines are started in internal/pool alone", Check: goroutines},
		{Name: "forbidden names", Check: forbidden},
		{Name: "no init", Check: inits},
		{Name: "no package-level state", Check: globals},
		{Name: "third parties keep to their place", Check: thirdParties},
		{Name: "file length", Check: fileLength},
		{Name: "interface size", Check: interfaceSize},
		{Name: "exported names are documented", Check: documented},
		{Name: "no test is skipped", Check: skips},
		{Name: "nothing is left undone", Check: undone},
	}
}

func goroutines(f *File) []Finding {
	if !f.Library() || f.Dir() == "internal/pool" {
		return nil
	}
	var found []Finding
	ast.Inspect(f.AST, func(n ast.Node) bool {
		if s, ok := n.(*ast.GoStmt); ok {
			found = append(found, f.at(s.Pos(), "go statement outside internal/pool"))
		}
		return true
	})
	return found
}

// forbidden resolves the name of the package through the imports, so that an
// alias hides nothing.
func forbidden(f *File) []Finding {
	if !f.Library() {
		return nil
	}
	names := []string{
		"time.Sleep", "net.DefaultResolver",
		"net/http.DefaultClient", "net/http.DefaultTransport",
		"net/http.Get", "net/http.Head", "net/http.Post", "net/http.PostForm",
	}
	imports := f.Imports()
	var found []Finding
	for _, spec := range f.AST.Imports {
		if spec.Name != nil && spec.Name.Name == "." {
			found = append(found, f.at(spec.Pos(), "dot import of %s", spec.Path.Value))
		}
	}
	ast.Inspect(f.AST, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if pkg, ok := sel.X.(*ast.Ident); ok {
			if name := imports[pkg.Name] + "." + sel.Sel.Name; slices.Contains(names, name) {
				found = append(found, f.at(sel.Pos(), "%s in production code", name))
			}
		}
		return true
	})
	return found
}

func inits(f *File) []Finding {
	var found []Finding
	for _, d := range f.AST.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" && !f.Test() {
			found = append(found, f.at(fn.Pos(), "func init"))
		}
	}
	return found
}

// globals allows what gochecknoglobals allows: errors, embedded files,
// compiled regular expressions and interface checks; and, unexported, what is
// excused by a nolint comment with a reason.
func globals(f *File) []Finding {
	if f.Test() {
		return nil
	}
	var found []Finding
	for _, d := range f.AST.Decls {
		decl, ok := d.(*ast.GenDecl)
		if !ok || decl.Tok != token.VAR {
			continue
		}
		for _, s := range decl.Specs {
			spec, ok := s.(*ast.ValueSpec)
			if !ok {
				continue
			}
			for i, name := range spec.Names {
				if !allowedVar(f, spec, i) && (name.IsExported() || !excused(f, decl, spec)) {
					found = append(found, f.at(name.Pos(), "package-level variable %s", name.Name))
				}
			}
		}
	}
	return found
}

func allowedVar(f *File, spec *ast.ValueSpec, i int) bool {
	name := spec.Names[i].Name
	if name == "_" || strings.HasPrefix(name, "Err") || strings.HasPrefix(name, "err") {
		return true
	}
	if i < len(spec.Values) && calls(f, spec.Values[i], "regexp.MustCompile") {
		return !spec.Names[i].IsExported()
	}
	return commented(spec.Doc, "//go:embed ")
}

func calls(f *File, e ast.Expr, name string) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := sel.X.(*ast.Ident)
	return ok && f.Imports()[pkg.Name]+"."+sel.Sel.Name == name
}

var excuse = regexp.MustCompile(`//nolint:[a-z,]*gochecknoglobals[a-z,]* // \S`)

// excused looks for the reason where the linter looks: at the end of the
// variable's first line, or of the line above its declaration.
func excused(f *File, decl *ast.GenDecl, spec *ast.ValueSpec) bool {
	lines := []int{f.Fset.Position(spec.Pos()).Line, f.Fset.Position(decl.Pos()).Line}
	for _, g := range f.AST.Comments {
		for _, c := range g.List {
			line := f.Fset.Position(c.Pos()).Line
			if excuse.MatchString(c.Text) && (slices.Contains(lines, line) || slices.Contains(lines, line+1)) {
				return true
			}
		}
	}
	return false
}

func commented(g *ast.CommentGroup, prefix string) bool {
	return g != nil && slices.ContainsFunc(g.List, func(c *ast.Comment) bool {
		return strings.HasPrefix(c.Text, prefix)
	})
}

// thirdParties keeps each requirement where the design puts it.
func thirdParties(f *File) []Finding {
	if !f.Library() {
		return nil
	}
	places := []struct{ prefix, place string }{
		{prefix: "github.com/cenkalti/backoff/", place: "retry/backoff.go"},
		{prefix: "github.com/go-playground/form/", place: "payload"},
		{prefix: "golang.org/x/sync/errgroup", place: "internal/pool"},
	}
	var found []Finding
	for _, spec := range f.AST.Imports {
		p := strings.Trim(spec.Path.Value, "`\"")
		for _, pl := range places {
			if strings.HasPrefix(p, pl.prefix) && !under(f.Path, pl.place) {
				found = append(found, f.at(spec.Pos(), "%s is imported in %s alone", p, pl.place))
			}
		}
	}
	return found
}

func fileLength(f *File) []Finding {
	if n := bytes.Count(f.Src, []byte("\n")); n > MaxLines && !f.Test() {
		return []Finding{f.at(f.AST.FileEnd, "%d lines, at most %d", n, MaxLines)}
	}
	return nil
}

func interfaceSize(f *File) []Finding {
	if f.Test() {
		return nil
	}
	var found []Finding
	ast.Inspect(f.AST, func(n ast.Node) bool {
		it, ok := n.(*ast.InterfaceType)
		if !ok {
			return true
		}
		methods := 0
		for _, m := range it.Methods.List {
			methods += max(1, len(m.Names))
		}
		if methods > MaxMethods {
			found = append(found, f.at(it.Pos(), "interface of %d methods, at most %d", methods, MaxMethods))
		}
		return true
	})
	return found
}

func skips(f *File) []Finding {
	var found []Finding
	ast.Inspect(f.AST, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		recv, ok := sel.X.(*ast.Ident)
		if ok && slices.Contains([]string{"t", "b", "f", "tb"}, recv.Name) &&
			slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) && testing(f) {
			found = append(found, f.at(call.Pos(), "%s.%s: a test runs or does not exist", recv.Name, sel.Sel.Name))
		}
		return true
	})
	return found
}

func testing(f *File) bool { return f.Imports()["testing"] == "testing" }

// The words stand in two parts, so that the rule does not find itself.
var marks = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b|not imple` + `mented`)

func undone(f *File) []Finding {
	var found []Finding
	for i, line := range strings.Split(string(f.Src), "\n") {
		if m := marks.FindString(line); m != "" {
			found = append(found, Finding{Path: f.Path, Line: i + 1, Text: m + " in code"})
		}
	}
	return found
}

// TopLevel reports files whose first path element the house does not know.
func TopLevel(paths []string) []Finding {
	known := []string{
		"doc.go", "README.md", "go.mod", "go.sum",
		"webhook", "payload", "retry", "signer", "examples", "internal",
	}
	var found []Finding
	for _, p := range paths {
		top, _, _ := strings.Cut(p, "/")
		if top[0] != '.' && !slices.Contains(known, top) {
			found = append(found, Finding{Path: p, Text: "nothing of this name stands at the top level"})
		}
		if base := path.Base(p); base == "go.work" || base == "go.work.sum" {
			found = append(found, Finding{Path: p, Text: "a workspace is not committed"})
		}
	}
	return found
}
