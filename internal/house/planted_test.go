package house_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/outhook/outhook/internal/house"
)

// TestRulesFindPlanted plants each violation and counts what the rules find,
// so that a rule that has gone blind is seen.
func TestRulesFindPlanted(t *testing.T) {
	const long = "package p\n\n"
	for _, tt := range []struct {
		name   string
		path   string
		nested bool
		src    string
		rule   string
		want   int
	}{
		{name: "go statement", path: "webhook/a.go", rule: "goroutines are started in internal/pool alone", want: 1, src: "package p\nfunc f() { go f() }"},
		{name: "go statement in a closure", path: "retry/a.go", rule: "goroutines are started in internal/pool alone", want: 1, src: "package p\nfunc f() { func() { go f() }() }"},
		{name: "go statement in the pool", path: "internal/pool/a.go", rule: "goroutines are started in internal/pool alone", src: "package p\nfunc f() { go f() }"},
		{name: "go statement in an internal package", path: "internal/netguard/a.go", rule: "goroutines are started in internal/pool alone", want: 1, src: "package p\nfunc f() { go f() }"},
		{name: "go statement in a test", path: "webhook/a_test.go", rule: "goroutines are started in internal/pool alone", src: "package p\nfunc f() { go f() }"},
		{name: "go statement in an example", path: "examples/a/main.go", rule: "goroutines are started in internal/pool alone", src: "package main\nfunc main() { go main() }"},
		{name: "go statement in the benchmarks", path: "internal/bench/a.go", nested: true, rule: "goroutines are started in internal/pool alone", src: "package p\nfunc f() { go f() }"},
		{name: "go statement in a nested store", path: "webhook/pgxstore/a.go", nested: true, rule: "goroutines are started in internal/pool alone", want: 1, src: "package p\nfunc f() { go f() }"},
		{name: "go statement in a comment", path: "webhook/a.go", rule: "goroutines are started in internal/pool alone", src: "package p\n// go func() {}()\n"},

		{name: "sleep", path: "webhook/a.go", rule: "forbidden names", want: 1, src: "package p\nimport \"time\"\nfunc f() { time.Sleep(1) }"},
		{name: "sleep by another name", path: "webhook/a.go", rule: "forbidden names", want: 1, src: "package p\nimport x \"time\"\nfunc f() { x.Sleep(1) }"},
		{name: "sleep as a value", path: "webhook/a.go", rule: "forbidden names", want: 1, src: "package p\nimport \"time\"\nvar _ = time.Sleep"},
		{name: "dot import", path: "webhook/a.go", rule: "forbidden names", want: 1, src: "package p\nimport . \"time\"\nfunc f() { Sleep(1) }"},
		{name: "default client", path: "signer/a.go", rule: "forbidden names", want: 2, src: "package p\nimport \"net/http\"\nvar _, _ = http.DefaultClient, http.DefaultTransport"},
		{name: "default resolver", path: "internal/netguard/a.go", rule: "forbidden names", want: 1, src: "package p\nimport \"net\"\nvar _ = net.DefaultResolver"},
		{name: "somebody else's Get", path: "webhook/a.go", rule: "forbidden names", src: "package p\nimport \"example.com/http\"\nvar _ = http.Get"},
		{name: "sleep in a test", path: "webhook/a_test.go", rule: "forbidden names", src: "package p\nimport \"time\"\nfunc f() { time.Sleep(1) }"},

		{name: "init", path: "webhook/a.go", rule: "no init", want: 1, src: "package p\nfunc init() {}"},
		{name: "method init", path: "webhook/a.go", rule: "no init", src: "package p\ntype T int\nfunc (T) init() {}"},

		{name: "variable", path: "webhook/a.go", rule: "no package-level state", want: 1, src: "package p\nvar count int"},
		{name: "exported variable", path: "webhook/a.go", rule: "no package-level state", want: 1, src: "package p\nvar Default = 1"},
		{name: "error", path: "webhook/a.go", rule: "no package-level state", src: "package p\nimport \"errors\"\nvar ErrX = errors.New(\"x\")"},
		{name: "interface check", path: "webhook/a.go", rule: "no package-level state", src: "package p\nvar _ error = (*T)(nil)"},
		{name: "regular expression", path: "webhook/a.go", rule: "no package-level state", src: "package p\nimport \"regexp\"\nvar word = regexp.MustCompile(`w`)"},
		{name: "cache with a reason", path: "webhook/a.go", rule: "no package-level state", src: "package p\nvar plans sync.Map //nolint:gochecknoglobals // pure in the type"},
		{name: "cache with a reason above", path: "webhook/a.go", rule: "no package-level state", src: "package p\n//nolint:gochecknoglobals // pure in the type\nvar plans sync.Map"},
		{name: "cache without a reason", path: "webhook/a.go", rule: "no package-level state", want: 1, src: "package p\nvar plans sync.Map //nolint:gochecknoglobals"},
		{name: "exported cache with a reason", path: "webhook/a.go", rule: "no package-level state", want: 1, src: "package p\nvar Plans sync.Map //nolint:gochecknoglobals // pure in the type"},

		{name: "backoff elsewhere", path: "webhook/a.go", rule: "third parties keep to their place", want: 1, src: "package p\nimport _ \"github.com/cenkalti/backoff/v4\""},
		{name: "backoff in its file", path: "retry/backoff.go", rule: "third parties keep to their place", src: "package p\nimport _ \"github.com/cenkalti/backoff/v4\""},
		{name: "errgroup in webhook", path: "webhook/a.go", rule: "third parties keep to their place", want: 1, src: "package p\nimport _ \"golang.org/x/sync/errgroup\""},
		{name: "form in webhook", path: "webhook/a.go", rule: "third parties keep to their place", want: 1, src: "package p\nimport _ \"github.com/go-playground/form/v4\""},

		{name: "long file", path: "webhook/a.go", rule: "file length", want: 1, src: long + strings.Repeat("\n", house.MaxLines)},
		{name: "full file", path: "webhook/a.go", rule: "file length", src: long + strings.Repeat("\n", house.MaxLines-2)},
		{name: "long test", path: "webhook/a_test.go", rule: "file length", src: long + strings.Repeat("\n", house.MaxLines)},

		{name: "wide interface", path: "webhook/a.go", rule: "interface size", want: 1, src: "package p\ntype I interface { A(); B(); C(); D(); E() }"},
		{name: "full interface", path: "webhook/a.go", rule: "interface size", src: "package p\ntype I interface { A(); B(); C(); D() }"},

		{name: "bare names", path: "webhook/a.go", rule: "exported names are documented", want: 5, src: "package p\nconst A = 1\nvar B int\ntype T int\nfunc F() {}\nfunc (*T) M() {}"},
		{name: "bare members", path: "webhook/a.go", rule: "exported names are documented", want: 3, src: "package p\n// I is.\ntype I interface { A(); B() }\n// FConfig is.\ntype FConfig struct { A int; b int }"},
		{name: "bare members of what is internal", path: "webhook/internal/p/a.go", rule: "exported names are documented", src: "package p\n// I is.\ntype I interface { A(); B() }"},
		{name: "bare names of what is internal", path: "internal/p/a.go", rule: "exported names are documented", want: 1, src: "package p\ntype I interface { A(); B() }"},
		{name: "documented names", path: "webhook/a.go", rule: "exported names are documented", src: "package p\n// A is.\nconst A = 1\n// T is.\ntype T[E any] struct { A int }\n// M is.\nfunc (T[E]) M() {}\ntype u int\nfunc (u) M() {}\n// G group.\nconst (\n\tG = 1\n)"},

		{name: "skip", path: "webhook/a_test.go", rule: "no test is skipped", want: 1, src: "package p\nimport \"testing\"\nfunc TestX(t *testing.T) { t.Sk" + "ip() }"},
		{name: "skip of something else", path: "webhook/a.go", rule: "no test is skipped", src: "package p\nfunc f(t T) { t.Sk" + "ip() }"},

		{name: "mark", path: "webhook/a.go", rule: "nothing is left undone", want: 1, src: "package p\n// TO" + "DO: all of it\n"},
		{name: "no mark", path: "webhook/a.go", rule: "nothing is left undone", src: "package p\n// TO" + "DOS\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := slices.IndexFunc(house.Rules(), func(r house.Rule) bool { return r.Name == tt.rule })
			if i < 0 {
				t.Fatalf("no rule is called %q", tt.rule)
			}
			f, err := house.Parse(tt.path, []byte(tt.src))
			if err != nil {
				t.Fatal(err)
			}
			f.Nested = tt.nested
			if got := house.Rules()[i].Check(f); len(got) != tt.want {
				t.Errorf("%q on %s = %v, want %d findings", tt.rule, tt.path, got, tt.want)
			}
		})
	}
}

func TestLayersFindPlanted(t *testing.T) {
	for _, tt := range []struct {
		name  string
		edges []house.Edge
		want  int
	}{
		{name: "downwards", edges: []house.Edge{
			{From: "examples/links", To: "webhook/manage"},
			{From: "webhook/manage", To: "webhook"},
			{From: "webhook", To: "retry"},
			{From: "webhook", To: "internal/pool"},
			{From: "signer", To: "internal/redact"},
			{From: "internal/netguard", To: "internal/redact"},
			{From: "webhook/console", To: "webhook/manage"},
		}},
		{name: "core to webhook", edges: []house.Edge{{From: "payload", To: "webhook"}}, want: 1},
		{name: "core to core", edges: []house.Edge{{From: "payload", To: "signer"}}, want: 1},
		{name: "webhook to a store", edges: []house.Edge{{From: "webhook", To: "webhook/memstore"}}, want: 1},
		{name: "store to an example", edges: []house.Edge{{From: "webhook/memstore", To: "examples/links"}}, want: 1},
		{name: "leaf to webhook", edges: []house.Edge{
			{From: "signer", To: "internal/redact"},
			{From: "internal/redact", To: "webhook"},
		}, want: 1},
		{name: "leaf of a leaf to retry", edges: []house.Edge{
			{From: "signer", To: "internal/redact"},
			{From: "internal/redact", To: "internal/x"},
			{From: "internal/x", To: "retry"},
		}, want: 1},
		{name: "simulation above webhook", edges: []house.Edge{{From: "internal/sim", To: "webhook"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := house.Layers(tt.edges); len(got) != tt.want {
				t.Errorf("Layers(%v) = %v, want %d findings", tt.edges, got, tt.want)
			}
		})
	}
}

func TestEdges(t *testing.T) {
	src := "package p\nimport (\n\t_ \"" + house.Module + "/retry\"\n\tx \"" + house.Module + "\"\n\t\"fmt\"\n)\nvar _ = fmt.Sprint(x.X)"
	var got []string
	for _, name := range []string{"webhook/a.go", "webhook/a_test.go"} {
		f, err := house.Parse(name, []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range house.Edges([]*house.File{f}) {
			got = append(got, fmt.Sprintf("%s->%s", e.From, e.To))
		}
	}
	slices.Sort(got)
	if want := []string{"webhook->", "webhook->retry"}; !slices.Equal(got, want) {
		t.Errorf("Edges = %q, want %q", got, want)
	}
}

func TestTopLevelFindsPlanted(t *testing.T) {
	paths := []string{".ci/run", "README.md", "webhook/store.go", "cmd/main.go", "LICENSE", "examples/go.work"}
	var got []string
	for _, f := range house.TopLevel(paths) {
		got = append(got, f.Path)
	}
	if want := []string{"cmd/main.go", "LICENSE", "examples/go.work"}; !slices.Equal(got, want) {
		t.Errorf("TopLevel(%q) = %q, want %q", paths, got, want)
	}
}

func TestWordsFindsPlanted(t *testing.T) {
	for _, tt := range []struct {
		name string
		path string
		text string
		want int
	}{
		{name: "path", path: "a.go", text: "see /wo" + "rk/main", want: 1},
		{name: "path at the start", path: "a.go", text: "/t" + "mp/x", want: 1},
		{name: "path in a string", path: "a.go", text: "open(\"/ro" + "ot/.cache/x\")", want: 1},
		{name: "part of a URL", path: "a.go", text: "https://example.com/wo" + "rk/1"},
		{name: "part of a name", path: "a.go", text: "net" + "wo" + "rk/main"},
		{name: "registry", path: "a.sh", text: "GOPROXY=https://proxy.gol" + "ang.org", want: 1},
		{name: "writing tool", path: "README.md", text: "Co-auth" + "ored-by: x", want: 1},
		{name: "checksums", path: "go.sum", text: "/wo" + "rk/main"},
		{name: "binary", path: "a.bin", text: "\x00/wo" + "rk/main"},
		{name: "second line", path: "a.go", text: "a\nb /wo" + "rk/main\nc", want: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := house.Words(tt.path, []byte(tt.text)); len(got) != tt.want {
				t.Errorf("Words(%q) = %v, want %d findings", tt.text, got, tt.want)
			}
		})
	}
}
