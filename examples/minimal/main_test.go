package main

import (
	"os"
	"strings"
	"testing"
)

// TestReadme holds the README's program to the one that is compiled here.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```go\n")
	shown, _, _ := strings.Cut(rest, "```")
	if shown != string(program) {
		t.Error("the program in README.md differs from examples/minimal/main.go: copy one over the other")
	}
	if n := strings.Count(shown, "\n"); n > 25 {
		t.Errorf("the program has %d lines, want at most 25", n)
	}
	if n := strings.Count(string(readme), "```go\n"); n != 1 {
		t.Errorf("README.md has %d Go programs, want the one that is compiled", n)
	}
}
