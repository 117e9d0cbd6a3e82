package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestStory runs the program without flags: it is killed, and goes on.
func TestStory(t *testing.T) {
	program := filepath.Join(t.TempDir(), "sqlite")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(ctx, program)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sqlite = %v\n%s", err, out)
	}
	before, after, killed := strings.Cut(string(out), "the host was killed\n")
	if !killed || !strings.Contains(before, "with 0 deliveries from before") || strings.Contains(after, "with 0 deliveries from before") {
		t.Errorf("the host was not killed with work left:\n%s", out)
	}
	last := regexp.MustCompile(`(\d+) users signed up, (\d+) were told of`).FindStringSubmatch(after)
	if last == nil || last[1] != last[2] {
		t.Errorf("the story ends without all users told of:\n%s", out)
	}
}

func TestPrint(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-print", "-add", "1"}, &out); err != nil {
		t.Fatal(err)
	}
	const want = "content-type: application/json\ncontent-length: 36\n\n" + `{"id":1,"email":"user1@example.com"}` + "\n"
	if got := out.String(); got != want {
		t.Errorf("run(-print) = %q, want %q", got, want)
	}
}

// TestAgain starts on a file that is there already.
func TestAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "host.db")
	for range 2 {
		var out bytes.Buffer
		if err := run(t.Context(), []string{"-db", file, "-to", "https://receiver.example/hook", "-add", "0"}, &out); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "started, with 0 deliveries") {
			t.Errorf("run = %q", out.String())
		}
	}
}
