package kittest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Printed is one request that an example wrote under -print.
type Printed struct {
	ContentType string
	Body        string
}

// ParsePrinted takes apart what an example wrote under -print.
func ParsePrinted(t *testing.T, text string) []Printed {
	t.Helper()
	var all []Printed
	for text != "" {
		head, rest, found := strings.Cut(text, "\n\n")
		kind, length, two := strings.Cut(head, "\n")
		kind, isKind := strings.CutPrefix(kind, "content-type: ")
		length, isLength := strings.CutPrefix(length, "content-length: ")
		n, err := strconv.Atoi(length)
		if !found || !two || !isKind || !isLength || err != nil || n < 0 || n >= len(rest) || rest[n] != '\n' {
			t.Fatalf("printed %q, want content type, content length, blank line, body, newline", text)
		}
		all = append(all, Printed{ContentType: kind, Body: rest[:n]})
		text = rest[n+1:]
	}
	return all
}

// Golden returns the body that testdata holds under name.
func Golden(t *testing.T, name string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name+".golden")) //nolint:gosec // the path is a test's own
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
