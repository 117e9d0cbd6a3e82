package house_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/outhook/outhook/internal/house"
)

func goCommand(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, exit.Stderr)
		}
		t.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

type modFile struct {
	Module    struct{ Path string }
	Go        string
	Toolchain string
	Require   []struct {
		Path     string
		Indirect bool
	}
	Replace []struct{ Old, New struct{ Path string } }
	Tool    []struct{ Path string }
}

func readMod(t *testing.T, tree *house.Tree, dir string) modFile {
	t.Helper()
	var mod modFile
	name := filepath.Join(tree.Root, filepath.FromSlash(dir), "go.mod")
	if err := json.Unmarshal([]byte(goCommand(t, tree.Root, "mod", "edit", "-json", name)), &mod); err != nil {
		t.Fatal(err)
	}
	return mod
}

func thirdParties() []string {
	return []string{
		"github.com/cenkalti/backoff/v4",
		"github.com/go-playground/form/v4",
		"golang.org/x/sync",
	}
}

func TestRootModule(t *testing.T) {
	mod := readMod(t, open(t), "")
	for _, r := range mod.Require {
		if !slices.Contains(thirdParties(), r.Path) {
			t.Errorf("go.mod requires %s; what needs it is a nested module", r.Path)
		}
	}
	// Each of these would reach our users, or would not, where they need it.
	if mod.Toolchain != "" || len(mod.Replace) > 0 || len(mod.Tool) > 0 {
		t.Errorf("go.mod has toolchain %q, %d replace, %d tool; want none of them",
			mod.Toolchain, len(mod.Replace), len(mod.Tool))
	}
	if want := "1.25.0"; mod.Go != want {
		t.Errorf("go.mod says go %s, want go %s", mod.Go, want)
	}
}

func TestNestedModules(t *testing.T) {
	tree := open(t)
	for _, dir := range tree.Modules() {
		t.Run(dir, func(t *testing.T) {
			mod := readMod(t, tree, dir)
			if want := house.Module + "/" + dir; mod.Module.Path != want {
				t.Errorf("module %s, want %s", mod.Module.Path, want)
			}
			if dir == "internal/tools" {
				return // it needs nothing of ours
			}
			required, replaced := false, false
			for _, r := range mod.Require {
				required = required || r.Path == house.Module
			}
			for _, r := range mod.Replace {
				if r.Old.Path == house.Module {
					replaced = path.Join(dir, r.New.Path) == "."
				}
			}
			if !required || !replaced {
				t.Errorf("%s: requires the root module: %t, replaces it by the root directory: %t; want both",
					dir, required, replaced)
			}
		})
	}
}

// TestLayers holds the dependency direction by the go command's own view of
// the root module, and by the imports of every file, so that nested modules
// and files for other systems are seen too.
func TestLayers(t *testing.T) {
	tree := open(t)
	t.Run("imports", func(t *testing.T) {
		report(t, house.Layers(house.Edges(parsed(t))))
	})
	t.Run("go list", func(t *testing.T) {
		out := goCommand(t, tree.Root, "list", "-e", "-deps", "-json=ImportPath,Standard,Imports", "./...")
		var edges []house.Edge
		packages := 0
		for dec := json.NewDecoder(strings.NewReader(out)); ; {
			var p struct {
				ImportPath string
				Standard   bool
				Imports    []string
			}
			if err := dec.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			packages++
			from, ours := cutModule(p.ImportPath)
			if !p.Standard && !ours && !slices.ContainsFunc(thirdParties(), func(m string) bool {
				return p.ImportPath == m || strings.HasPrefix(p.ImportPath, m+"/")
			}) {
				t.Errorf("the root module depends on %s", p.ImportPath)
			}
			for _, imp := range p.Imports {
				if to, ok := cutModule(imp); ok && ours {
					edges = append(edges, house.Edge{From: from, To: to})
				}
			}
		}
		if packages == 0 {
			t.Error("go list printed no packages")
		}
		report(t, house.Layers(edges))
	})
}

func cutModule(importPath string) (string, bool) {
	rest, ok := strings.CutPrefix(importPath, house.Module)
	return strings.TrimPrefix(rest, "/"), ok && (rest == "" || rest[0] == '/')
}
