package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name   string
		events string
		want   [3]int
		status int
		prints string
	}{
		{name: "nothing", want: [3]int{}},
		{
			name: "tests and subtests",
			events: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"quiet\n"}
{"Action":"pass","Package":"p","Test":"TestA/one"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Elapsed":0.5}`,
			want: [3]int{2, 0, 0}, prints: "pass p 0.50s\n",
		},
		{
			name: "a failure is printed",
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"got 1, want 2\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}`,
			want: [3]int{0, 1, 0}, status: 1, prints: "got 1, want 2\nfail p 0.00s\n",
		},
		{
			name: "a package that does not compile",
			events: `{"ImportPath":"p","Action":"build-output","Output":"a.go:1: bad\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"fail","Package":"p","FailedBuild":"p"}`,
			want: [3]int{0, 1, 0}, status: 1, prints: "a.go:1: bad\nfail p 0.00s\n",
		},
		{
			name: "a crash in a test that never ends",
			events: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"panic: oh\n"}
{"Action":"fail","Package":"p"}`,
			want: [3]int{0, 1, 0}, status: 1, prints: "panic: oh\nfail p 0.00s\n",
		},
		{
			name: "a skip shows its reason",
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"no server\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"skip","Package":"q"}`,
			want: [3]int{0, 0, 1}, prints: "no server\nskip q 0.00s\n",
		},
		{name: "a line that is no event", events: "go: downloading x", prints: "go: downloading x\n"},
		{
			name: "failures of two packages",
			events: `{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"q"}
{"Action":"fail","Package":"p"}`,
			want: [3]int{0, 2, 0}, status: 1, prints: "fail q 0.00s\nfail p 0.00s\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			c := newTally(&out)
			if err := c.read(strings.NewReader(tt.events)); err != nil {
				t.Fatal(err)
			}
			if got := [3]int{c.Passed, c.Failed, c.Skipped}; got != tt.want {
				t.Errorf("counts = %v, want %v", got, tt.want)
			}
			if got := c.status(0); got != tt.status {
				t.Errorf("status(0) = %d, want %d", got, tt.status)
			}
			if got := out.String(); got != tt.prints {
				t.Errorf("printed %q, want %q", got, tt.prints)
			}
		})
	}
}

// TestRun runs a real go test over a module with one test of each fate.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	for name, src := range map[string]string{
		"go.mod": "module example.com/m\n\ngo 1.25.0\n",
		"a_test.go": `package m

import "testing"

func TestPass(t *testing.T) { t.Run("sub", func(t *testing.T) {}) }

func TestFail(t *testing.T) { t.Error("planted failure") }
`,
		"b/b_test.go": "package b\n\nthis does not compile\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	counts := filepath.Join(dir, "counts")
	var out, errs bytes.Buffer
	status := run(t.Context(), []string{"-counts", counts, "--", "go", "test", "-C", dir, "-json", "./..."}, &out, &errs)
	if status != 1 {
		t.Errorf("run = %d, want 1", status)
	}
	got, err := os.ReadFile(counts)
	if err != nil {
		t.Fatal(err)
	}
	if want := "2 2 0\n"; string(got) != want {
		t.Errorf("counts = %q, want %q", got, want)
	}
	if !strings.Contains(out.String(), "planted failure") {
		t.Errorf("printed %q, want the output of the failed test in it", out.String())
	}
}

func TestRunStatus(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want int
	}{
		{name: "no command", want: 2},
		{name: "no such command", args: []string{"--", filepath.Join(t.TempDir(), "none")}, want: 2},
		{name: "the command's own status", args: []string{"--", "go", "vet", "-no-such-flag"}, want: exitOf(t)},
		{name: "success", args: []string{"--", "go", "version"}, want: 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			if got := run(t.Context(), tt.args, &out, &errs); got != tt.want {
				t.Errorf("run(%q) = %d, want %d", tt.args, got, tt.want)
			}
		})
	}
}

func exitOf(t *testing.T) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "vet", "-no-such-flag")
	if err := cmd.Run(); err == nil {
		t.Fatal("go vet -no-such-flag succeeded")
	}
	return cmd.ProcessState.ExitCode()
}
