package house_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/outhook/outhook/internal/house"
)

func open(t *testing.T) *house.Tree {
	t.Helper()
	tree, err := house.Open(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func parsed(t *testing.T) []*house.File {
	t.Helper()
	files, err := open(t).GoFiles()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no Go files found")
	}
	return files
}

func report(t *testing.T, found []house.Finding) {
	t.Helper()
	for _, f := range found {
		t.Error(f)
	}
}

func TestRules(t *testing.T) {
	files := parsed(t)
	for _, rule := range house.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			for _, f := range files {
				report(t, rule.Check(f))
			}
		})
	}
}

func TestTopLevel(t *testing.T) {
	report(t, house.TopLevel(open(t).Paths))
}

func TestWords(t *testing.T) {
	tree := open(t)
	for _, p := range tree.Paths {
		src, err := tree.Read(p)
		if err != nil {
			t.Fatal(err)
		}
		report(t, house.Words(p, src))
	}
}

// TestOpen holds that a tree is read alike with git and without: in a copy of
// the tracked files, which is what an exported archive is.
func TestOpen(t *testing.T) {
	tree := open(t)
	if len(tree.Paths) == 0 {
		t.Fatal("Open found no files")
	}
	root := export(t, tree)
	same := func(name string) {
		t.Helper()
		got, err := house.Open(t.Context(), filepath.Join(root, "internal"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Paths, tree.Paths) {
			t.Errorf("Open(%s).Paths = %q, want %q", name, got.Paths, tree.Paths)
		}
	}
	same("archive")
	if _, err := exec.LookPath("git"); err != nil {
		return // there is nothing to compare with
	}
	for _, args := range [][]string{{"init", "--quiet"}, {"add", "--force", "."}} {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", root}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	// What git does not know is left out.
	write(t, filepath.Join(root, "untracked.go"), []byte("package x\n"))
	same("checkout")
}

func export(t *testing.T, tree *house.Tree) string {
	t.Helper()
	root := t.TempDir()
	for _, p := range tree.Paths {
		src, err := tree.Read(p)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, filepath.FromSlash(p)), src)
	}
	return root
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOpenOutside(t *testing.T) {
	if tree, err := house.Open(t.Context(), t.TempDir()); err == nil {
		t.Errorf("Open(empty directory) = %v, want an error", tree)
	}
}
