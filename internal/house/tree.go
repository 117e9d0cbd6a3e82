package house

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Module is the path of the root module.
const Module = "github.com/outhook/outhook"

// Finding is one place that breaks a rule.
type Finding struct {
	Path string // slash-separated, relative to the root
	Line int    // 0: the whole file
	Text string
}

// String gives path, line and text as compilers print them.
func (f Finding) String() string {
	if f.Line == 0 {
		return f.Path + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d: %s", f.Path, f.Line, f.Text)
}

// Tree is a checkout or an unpacked archive of it.
type Tree struct {
	Root  string   // of the operating system
	Paths []string // of the tracked files, slash-separated, sorted
}

// Open finds the tree that dir lies in. Its files are those that git tracks;
// where there is no git, or the tree is no checkout, all files in it.
func Open(ctx context.Context, dir string) (*Tree, error) {
	root, err := findRoot(dir)
	if err != nil {
		return nil, err
	}
	paths := tracked(ctx, root)
	if len(paths) == 0 {
		if paths, err = walk(root); err != nil {
			return nil, err
		}
	}
	slices.Sort(paths)
	return &Tree{Root: root, Paths: paths}, nil
}

func findRoot(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && modulePath(mod) == Module {
			return filepath.EvalSymlinks(dir)
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod of module " + Module + " here or above")
		}
		dir = up
	}
}

func modulePath(mod []byte) string {
	for line := range bytes.Lines(mod) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "module "); ok {
			return strings.TrimSpace(name)
		}
	}
	return ""
}

// tracked asks git. An empty answer means that git cannot tell: it is missing,
// or the tree only lies inside some other checkout.
func tracked(ctx context.Context, root string) []string {
	top, err := exec.CommandContext(ctx, "git", "-C", root, "rev-parse", "--show-toplevel").Output()
	if err != nil || filepath.Clean(strings.TrimSpace(string(top))) != root {
		return nil
	}
	out, err := exec.CommandContext(ctx, "git", "-C", root, "ls-files", "-z").Output()
	if err != nil {
		return nil
	}
	var paths []string
	for p := range strings.SplitSeq(string(out), "\x00") {
		// A file may be deleted and not yet committed.
		if info, err := os.Stat(filepath.Join(root, p)); err == nil && info.Mode().IsRegular() {
			paths = append(paths, p)
		}
	}
	return paths
}

func walk(root string) ([]string, error) {
	var paths []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return filepath.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		rel, err := filepath.Rel(root, p)
		paths = append(paths, filepath.ToSlash(rel))
		return err
	})
	return paths, err
}

// Read gives the content of a file of the tree.
func (t *Tree) Read(p string) ([]byte, error) {
	return os.ReadFile(filepath.Join(t.Root, filepath.FromSlash(p)))
}

// Modules lists the directories of the nested modules, the root not among them.
func (t *Tree) Modules() []string {
	var dirs []string
	for _, p := range t.Paths {
		if path.Base(p) == "go.mod" && p != "go.mod" {
			dirs = append(dirs, path.Dir(p))
		}
	}
	return dirs
}

// GoFiles parses every Go file of the tree, tests and nested modules included,
// but not what the go command itself passes over (testdata, dot directories).
func (t *Tree) GoFiles() ([]*File, error) {
	var files []*File
	modules := t.Modules()
	for _, p := range t.Paths {
		if path.Ext(p) != ".go" || hidden(p) {
			continue
		}
		src, err := t.Read(p)
		if err != nil {
			return nil, err
		}
		f, err := Parse(p, src)
		if err != nil {
			return nil, err
		}
		f.Nested = slices.ContainsFunc(modules, func(dir string) bool { return under(p, dir) })
		files = append(files, f)
	}
	return files, nil
}

func hidden(p string) bool {
	for elem := range strings.SplitSeq(p, "/") {
		if elem == "testdata" || elem[0] == '.' || elem[0] == '_' {
			return true
		}
	}
	return false
}

// File is a Go file with its syntax.
type File struct {
	Path   string // slash-separated, relative to the root
	Nested bool   // in a module of its own
	Src    []byte
	Fset   *token.FileSet
	AST    *ast.File
}

// Parse makes a File of source text.
func Parse(p string, src []byte) (*File, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, p, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &File{Path: p, Src: src, Fset: fset, AST: f}, nil
}

// Test says whether only go test compiles the file.
func (f *File) Test() bool { return strings.HasSuffix(f.Path, "_test.go") }

// Library says whether the file is built into the programs of our users, or
// held to the same rules: all but tests, examples, and the modules below
// internal/ (benchmarks, tools, suites that need servers).
func (f *File) Library() bool {
	return !f.Test() && !under(f.Path, "examples") && (!f.Nested || !under(f.Path, "internal"))
}

// Dir is the file's directory, "" for the root.
func (f *File) Dir() string {
	if d := path.Dir(f.Path); d != "." {
		return d
	}
	return ""
}

// Imports maps the names that the file uses to the paths it imports. A blank
// or dot import is kept under its path.
func (f *File) Imports() map[string]string {
	m := make(map[string]string)
	for _, spec := range f.AST.Imports {
		p := strings.Trim(spec.Path.Value, "`\"")
		switch {
		case spec.Name == nil:
			m[path.Base(p)] = p
		case spec.Name.Name == "_" || spec.Name.Name == ".":
			m[p] = p
		default:
			m[spec.Name.Name] = p
		}
	}
	return m
}

func (f *File) at(pos token.Pos, format string, args ...any) Finding {
	return Finding{Path: f.Path, Line: f.Fset.Position(pos).Line, Text: fmt.Sprintf(format, args...)}
}

func under(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }
