package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/outhook/outhook/examples/internal/kittest"
)

// bodies are what the example sends to n URLs, one of which is the workspace's
// too, until the API removes it there.
func bodies(t *testing.T, n int) []string {
	t.Helper()
	click := kittest.Golden(t, "4-click-example")
	before, _, _ := strings.Cut(click, `"click":{`)
	bot := before + `"click":{"country":null,"is_eu_country":false,"platform":null,"browser_name":null,"referer":null,` +
		`"isp":null,"bot_name":"Googlebot","destination":"https://example.com/landing-page","params":{}}}`
	var all []string
	for range n + 1 {
		all = append(all, click)
	}
	for range n + 1 {
		all = append(all, bot)
	}
	for range n {
		all = append(all, click)
	}
	return all
}

func TestPrint(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-print"}, &out); err != nil {
		t.Fatalf("run(-print) = %v", err)
	}
	printed := kittest.ParsePrinted(t, out.String())
	want := bodies(t, 1)
	if len(printed) != len(want) {
		t.Fatalf("run(-print) printed %d requests, want %d", len(printed), len(want))
	}
	for i, p := range printed {
		if p.ContentType != "application/json" || p.Body != want[i] {
			t.Errorf("request %d = %q %s, want application/json %s", i+1, p.ContentType, p.Body, want[i])
		}
	}
	// The document's own click, in its order, compact.
	sum := sha256.Sum256([]byte(printed[0].Body))
	if got := hex.EncodeToString(sum[:]); len(printed[0].Body) != 860 || !strings.HasPrefix(got, "771268521b3a7965") {
		t.Errorf("the document's click has %d bytes and the sha256 %s, want 860 and 771268521b3a7965...", len(printed[0].Body), got)
	}
}

// TestReceiver sends to examples/receiver in a process of its own.
func TestReceiver(t *testing.T) {
	program := kittest.Build(t)
	t.Run("three URLs", func(t *testing.T) {
		r := kittest.Start(t, program)
		args := []string{"-allow-private"}
		paths := []string{"/a?secret=c4n4ry", "/b?secret=c4n4ry", "/c?secret=c4n4ry"}
		for _, path := range append(paths, paths[1]) { // a repeat
			args = append(args, "-to", r.URL+path)
		}
		var out bytes.Buffer
		if err := run(t.Context(), args, &out); err != nil {
			t.Fatalf("run = %v\n%s", err, out.String())
		}
		want := bodies(t, 3)
		got := r.Next(len(want))
		r.Silent()
		arrived := make(map[string]int)
		for i, req := range got {
			if req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/json" || req.Body != want[i] {
				t.Errorf("request %d = %+v, want POST %s", i+1, req, want[i])
			}
			arrived[req.Path+"?"+req.Query]++
		}
		// Three times each for the link; twice for the workspace.
		if arrived[paths[0]] != 5 || arrived[paths[1]] != 3 || arrived[paths[2]] != 3 {
			t.Errorf("arrived %v, want five at the first and three at each other", arrived)
		}
		if strings.Contains(out.String(), "c4n4ry") {
			t.Errorf("the story shows the secret in a URL:\n%s", out.String())
		}
	})
	t.Run("nothing is retried", func(t *testing.T) {
		r := kittest.Start(t, program, "-status", "503")
		var out bytes.Buffer
		if err := run(t.Context(), []string{"-allow-private", "-to", r.URL + "/a"}, &out); err != nil {
			t.Fatalf("run = %v\n%s", err, out.String())
		}
		r.Next(len(bodies(t, 1)))
		r.Silent()
		if n := strings.Count(out.String(), "a webhook is called: failed"); n != len(bodies(t, 1)) {
			t.Errorf("%d deliveries failed, want all:\n%s", n, out.String())
		}
	})
}

func TestStandalone(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), nil, &out); err != nil {
		t.Fatalf("run = %v\n%s", err, out.String())
	}
	if n := strings.Count(out.String(), "a webhook is called: delivered"); n != len(bodies(t, 2)) {
		t.Errorf("%d deliveries, want %d:\n%s", n, len(bodies(t, 2)), out.String())
	}
	for _, arg := range []string{"http://127.0.0.1:8080/?secret=c4n4ry", "https://127.0.0.1:8080/?secret=c4n4ry"} {
		err := run(t.Context(), []string{"-to", arg}, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "line 1: ") || strings.Contains(err.Error(), "c4n4ry") {
			t.Errorf("run to loopback without -allow-private = %v, want an error of line 1 without the secret", err)
		}
	}
}
