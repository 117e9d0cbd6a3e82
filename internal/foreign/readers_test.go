package foreign_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const formType = "application/x-www-form-urlencoded"

// reading is what one receiver made of a body: a tree, or the pairs of a
// reader that leaves brackets to the application, or an error.
type reading struct {
	Tree  any         `json:"tree"`
	Pairs [][2]string `json:"pairs"`
	Error any         `json:"error"`
}

// readers are the receivers. Two are Go's own and take part always.
type readers struct {
	children []*child
	php      *cgi.Handler
}

func startReaders(t *testing.T) *readers {
	t.Helper()
	if !full() {
		return &readers{}
	}
	path, err := exec.LookPath("php-cgi")
	if err != nil {
		t.Fatalf("missing: %v", err)
	}
	script, err := filepath.Abs("php/read.php")
	if err != nil {
		t.Fatal(err)
	}
	var ready struct{ Version string }
	return &readers{
		php: &cgi.Handler{Path: path, Env: []string{"REDIRECT_STATUS=200", "SCRIPT_FILENAME=" + script}, Stderr: new(bytes.Buffer)},
		children: []*child{
			start(t, &ready, "node", "js/read.mjs"),
			start(t, &ready, "/usr/bin/python3", "py/read.py"),
			start(t, &ready, "ruby", "rb/read.rb"),
		},
	}
}

// read gives the body to all of them.
func (r *readers) read(t *testing.T, contentType string, body []byte) map[string]reading {
	t.Helper()
	all := map[string]reading{"go": goReads(contentType, body)}
	question := struct {
		Type string `json:"type"`
		Body []byte `json:"body"`
	}{Type: contentType, Body: append([]byte{}, body...)}
	for _, c := range r.children {
		var answers map[string]reading
		c.ask(t, question, &answers)
		maps.Copy(all, answers)
	}
	if r.php != nil {
		all["php"] = r.phpReads(contentType, body)
	}
	return all
}

func (r *readers) phpReads(contentType string, body []byte) reading {
	req := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/hook", bytes.NewReader(body))
	req.Header.Set("Content-Type", contentType)
	rec := httptest.NewRecorder()
	r.php.ServeHTTP(rec, req)
	tree, err := decode(rec.Body.Bytes())
	if err != nil {
		return reading{Error: fmt.Sprintf("%d %s", rec.Code, rec.Body)}
	}
	return reading{Tree: tree}
}

// goReads is a handler of net/http.
func goReads(contentType string, body []byte) reading {
	if contentType != formType {
		tree, err := decode(body)
		if err != nil {
			return reading{Error: err.Error()}
		}
		return reading{Tree: tree}
	}
	req := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/hook", bytes.NewReader(body))
	req.Header.Set("Content-Type", contentType)
	if err := req.ParseForm(); err != nil {
		return reading{Error: err.Error()}
	}
	return reading{Pairs: pairsOf(req.PostForm)}
}

func pairsOf(v url.Values) [][2]string {
	pairs := [][2]string{}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		for _, value := range v[name] {
			pairs = append(pairs, [2]string{name, value})
		}
	}
	return pairs
}

func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	return tree, nil
}

// tree gives what r read as a tree. A flat reader's names are taken apart at
// their brackets, as applications on such readers do: a[b][c] nests, a[]
// appends. What does not fit together is an error.
func (r reading) tree() (any, error) {
	if r.Error != nil {
		return nil, fmt.Errorf("refused: %v", r.Error)
	}
	if r.Pairs == nil {
		return r.Tree, nil
	}
	root := map[string]any{}
	for _, p := range r.Pairs {
		if err := put(root, parts(p[0]), p[1]); err != nil {
			return nil, fmt.Errorf("%s: %w", p[0], err)
		}
	}
	return root, nil
}

// parts splits a[b][] into a, b and the empty part.
func parts(name string) []string {
	first, rest, ok := strings.Cut(name, "[")
	if !ok || !strings.HasSuffix(rest, "]") {
		return []string{name}
	}
	return append([]string{first}, strings.Split(strings.TrimSuffix(rest, "]"), "][")...)
}

var errShape = errors.New("used as two shapes")

func put(node map[string]any, path []string, value string) error {
	at, had := node[path[0]]
	if len(path) == 1 {
		if had {
			return errShape
		}
		node[path[0]] = value
		return nil
	}
	if path[1] == "" && len(path) == 2 {
		list, ok := at.([]any)
		if had && !ok {
			return errShape
		}
		node[path[0]] = append(list, value)
		return nil
	}
	next, ok := at.(map[string]any)
	if had && !ok {
		return errShape
	}
	if !had {
		next = map[string]any{}
		node[path[0]] = next
	}
	return put(next, path[1:], value)
}
