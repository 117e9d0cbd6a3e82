package main

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func database(t *testing.T) string {
	t.Helper()
	base := os.Getenv("OUTHOOK_POSTGRES")
	if base == "" {
		base = "postgres://postgres@127.0.0.1:5432/test?sslmode=disable"
	}
	if _, err := url.Parse(base); err != nil {
		t.Fatal(err)
	}
	return base
}

func play(t *testing.T, args ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "postgres")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(ctx, program, append([]string{"-database", database(t)}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("postgres = %v\n%s", err, out)
	}
	return string(out)
}

// TestStory runs the program without flags: two workers share the orders.
func TestStory(t *testing.T) {
	out := play(t)
	if !strings.Contains(out, "nobody will hear of it: order 21: nobody pays for it") || strings.Contains(out, `"id":21`) {
		t.Errorf("an order that was rolled back was told of:\n%s", out)
	}
	last := regexp.MustCompile(`20 orders, 20 told of: (\d+) requests by worker-1, (\d+) by worker-2\n$`).FindStringSubmatch(out)
	if last == nil {
		t.Errorf("the story does not end with 20 of 20 orders told of:\n%s", out)
	}
}

func TestPrint(t *testing.T) {
	out := play(t, "-print", "-orders", "1")
	const want = "content-type: application/json\ncontent-length: 44\n\n" + `{"id":1,"customer":"customer-1","cents":100}` + "\n"
	if out != want {
		t.Errorf("postgres -print = %q, want %q", out, want)
	}
}
