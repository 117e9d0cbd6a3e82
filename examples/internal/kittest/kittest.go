// Package kittest lets the tests of the examples start examples/receiver as a
// process of its own, and see what arrives there.
package kittest

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for what takes milliseconds on a machine
// that has nothing else to do.
const patience = 60 * time.Second

// Build builds examples/receiver and returns the path of the program.
func Build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "receiver")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/outhook/outhook/examples/receiver") //nolint:gosec // the path is a test's own
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// Receiver is a receiver that runs.
type Receiver struct {
	// URL is where it listens, without a path.
	URL string

	t        *testing.T
	requests chan Request
}

// Request is one request as the receiver printed it.
type Request struct {
	Method    string
	Path      string
	Query     string
	Header    http.Header
	Body      string
	Signature string // "verified", "not checked", or what is wrong
	Status    int    // that it was answered with
}

// Start runs the program that Build built, on a free port of loopback, with
// more flags if need be, until the test ends.
func Start(t *testing.T, program string, flags ...string) *Receiver {
	t.Helper()
	cmd := exec.Command(program, append([]string{"-addr", "127.0.0.1:0", "-json"}, flags...)...) //nolint:gosec,noctx // our own program, which the cleanup ends
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &Receiver{t: t, requests: make(chan Request, 1024)}
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(first), "listening on ")
	read := make(chan struct{})
	go func() {
		defer close(read)
		r.follow(lines)
	}()
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			_ = cmd.Process.Kill()
		}
		kill := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		<-read
		if err := cmd.Wait(); err != nil && runtime.GOOS != "windows" {
			t.Errorf("the receiver ended with %v", err)
		}
	})
	if err != nil || !ok {
		t.Fatalf("the receiver said %q (%v), want its address", first, err)
	}
	r.URL = url
	return r
}

// follow reads what the receiver prints until it ends.
func (r *Receiver) follow(lines *bufio.Reader) {
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		var req Request
		if err := json.Unmarshal([]byte(line), &req); err != nil {
			r.t.Errorf("the receiver said %q: %v", line, err)
			continue
		}
		r.requests <- req
	}
}

// Next returns the next n requests, in the order of their arrival.
func (r *Receiver) Next(n int) []Request {
	r.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	var got []Request
	for len(got) < n {
		select {
		case req := <-r.requests:
			got = append(got, req)
		case <-timer.C:
			r.t.Fatalf("%d requests arrived, want %d", len(got), n)
		}
	}
	return got
}

// Silent fails the test if more requests arrived than Next returned. It asks
// the receiver itself, whose answer comes after all that it printed before.
func (r *Receiver) Silent() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	const marker = "/end-of-test"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL+marker, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	resp, err := new(http.Transport).RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if got := r.Next(1)[0]; got.Path != marker {
		r.t.Errorf("%s %s with %q arrived, want nothing more", got.Method, got.Path, got.Body)
	}
}
