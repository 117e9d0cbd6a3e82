package kit_test

import (
	"bytes"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/outhook/outhook/examples/internal/kit"
	"github.com/outhook/outhook/examples/internal/kittest"
	"github.com/outhook/outhook/retry"
)

func parse(args ...string) (kit.Options, error) {
	fs := flag.NewFlagSet("example", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	return kit.Parse(fs, args)
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name       string
		args       []string
		to         string
		standalone bool
		transport  string
		shortened  bool
	}{
		{name: "nothing", standalone: true, transport: "loopback", shortened: true},
		{name: "to", args: []string{"-to", "https://a.example/", "-to", "https://b.example/"}, to: "https://a.example/ https://b.example/", transport: "public"},
		{name: "fast", args: []string{"-to", "https://a.example/", "-fast"}, to: "https://a.example/", transport: "public", shortened: true},
		{name: "private", args: []string{"-to", "http://127.0.0.1:80/", "-allow-private"}, to: "http://127.0.0.1:80/", transport: "loopback"},
		{name: "print", args: []string{"-print"}, to: "https://receiver.example/hook", transport: "print"},
		{name: "print to", args: []string{"-print", "-to", "https://a.example/"}, to: "https://a.example/", transport: "print"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, err := parse(tt.args...)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(o.To, " "); got != tt.to || o.Standalone != tt.standalone {
				t.Errorf("Parse(%q) = to %q, standalone %t, want %q, %t", tt.args, got, o.Standalone, tt.to, tt.standalone)
			}
			if got := o.Transport(io.Discard).Name; got != tt.transport {
				t.Errorf("Transport = %s, want %s", got, tt.transport)
			}
			delay, _ := o.Schedule(retry.Fixed(time.Hour)).Next(1)
			if shortened := delay < time.Second; shortened != tt.shortened {
				t.Errorf("the first delay is %v, want it shortened: %t", delay, tt.shortened)
			}
		})
	}
	for _, args := range [][]string{{"https://a.example/"}, {"-bogus"}} {
		if _, err := parse(args...); err == nil {
			t.Errorf("Parse(%q) = nil, want an error", args)
		}
	}
}

func TestPrint(t *testing.T) {
	o, err := parse("-print")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	rt := o.Transport(&out).RoundTripper
	for _, body := range []string{"a=1", "", "two\n\nlines\n"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://a.example/", strings.NewReader(body))
		r.Header.Set("Content-Type", "text/plain")
		resp, err := rt.RoundTrip(r)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("RoundTrip = %v, %v, want 200", resp, err)
		}
		resp.Body.Close()
	}
	const first = "content-type: text/plain\ncontent-length: 3\n\na=1\n"
	if !strings.HasPrefix(out.String(), first) {
		t.Errorf("printed %q, want %q first", out.String(), first)
	}
	if got := kittest.ParsePrinted(t, out.String()); len(got) != 3 || got[1].Body != "" || got[2].Body != "two\n\nlines\n" {
		t.Errorf("printed %+v", got)
	}
}

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		name     string
		statuses []int
		want     []int
	}{
		{name: "none", want: []int{200, 200}},
		{name: "script", statuses: []int{503, 400, 204}, want: []int{503, 400, 204, 204}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var story bytes.Buffer
			server, err := kit.Serve(t.Context(), kit.Answers(&story, tt.statuses...))
			if err != nil {
				t.Fatal(err)
			}
			var got []int
			rt := new(http.Transport)
			for range tt.want {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/hook", strings.NewReader("x=1"))
				if err != nil {
					t.Fatal(err)
				}
				resp, err := rt.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				got = append(got, resp.StatusCode)
			}
			server.Close()
			for i, want := range tt.want {
				if got[i] != want {
					t.Errorf("answered %v, want %v", got, tt.want)
				}
			}
			if n := strings.Count(story.String(), "receiver: got x=1\n"); n != len(tt.want) {
				t.Errorf("the story tells of %d requests, want %d:\n%s", n, len(tt.want), story.String())
			}
		})
	}
}

func TestClip(t *testing.T) {
	if got := kit.Clip(strings.Repeat("x", 200)); len(got) != 200 {
		t.Errorf("Clip(200 bytes) = %q", got)
	}
	if got := kit.Clip(strings.Repeat("x", 1<<20)); !strings.HasSuffix(got, "x... (1048576 bytes)") || len(got) > 230 {
		t.Errorf("Clip(1 MiB) = %q", got)
	}
}
