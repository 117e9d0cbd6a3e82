package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/outhook/outhook/examples/internal/kittest"
	"github.com/outhook/outhook/signer"
)

// post sends a request with these headers, in pairs, and returns the status.
func post(t *testing.T, url, body string, header ...string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	rt := &http.Transport{DisableKeepAlives: true}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Fatalf("POST: %v", err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func TestText(t *testing.T) {
	for _, tt := range []struct {
		name, query, kind, body string
		want                    []string
	}{
		{
			name: "form", kind: "application/x-www-form-urlencoded", body: "b=2&a=x%20y&empty=&c%5Bid%5D=%1B",
			want: []string{"form: b: 2\n   form: a: x y\n   form: empty: \n", `form: c[id]: "\x1b"`},
		},
		{name: "query", query: "?token=1&x", want: []string{"query: token: 1\n   query: x: \n"}},
		{
			name: "json", kind: "application/json; charset=utf-8", body: `{"z":1,"a":[true,null]}`,
			want: []string{"{\n     \"z\": 1,\n     \"a\": [\n"},
		},
		{name: "broken json", kind: "application/json", body: `{"z":`, want: []string{`no JSON: {"z":`}},
		{name: "text", kind: "text/plain", body: "hello\n", want: []string{`body: "hello\n"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			rv := &receiver{print: printText, out: &out, statuses: []int{202}}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/hook"+tt.query, strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.kind)
			w := httptest.NewRecorder()
			rv.ServeHTTP(w, r)
			if w.Code != 202 {
				t.Errorf("answered %d, want 202", w.Code)
			}
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("printed %q, want %q in it", out.String(), want)
				}
			}
		})
	}
}

func TestBoundedBody(t *testing.T) {
	var out bytes.Buffer
	rv := &receiver{print: printText, out: &out, statuses: []int{200}}
	w := httptest.NewRecorder()
	rv.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(make([]byte, maxBody+1))))
	if w.Code != http.StatusRequestEntityTooLarge || out.Len() != 0 {
		t.Errorf("a body over the limit: answered %d and printed %d bytes, want 413 and none", w.Code, out.Len())
	}
}

func TestProcess(t *testing.T) {
	program := kittest.Build(t)
	t.Run("statuses", func(t *testing.T) { testStatuses(t, program) })
	t.Run("signatures", func(t *testing.T) { testSignatures(t, program) })
}

func testStatuses(t *testing.T, program string) {
	t.Helper()
	r := kittest.Start(t, program, "-status", "503,302,200", "-body", "noted")
	for i, want := range []int{503, 302, 200, 200} {
		if got := post(t, r.URL+"/a?b=c", "x=1"); got != want {
			t.Errorf("request %d: answered %d, want %d", i+1, got, want)
		}
	}
	got := r.Next(4)[1]
	got.Header = nil
	want := kittest.Request{Method: "POST", Path: "/a", Query: "b=c", Body: "x=1", Signature: "not checked", Status: 302}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("printed %+v, want %+v", got, want)
	}
	r.Silent()
}

func testSignatures(t *testing.T, program string) {
	t.Helper()
	key := signer.GenerateSecret()
	r := kittest.Start(t, program, "-secret", key.Reveal())
	req := &signer.Request{ID: "msg_1", Time: time.Now(), Header: make(http.Header), Body: []byte("x=1"), Keys: []signer.Key{key}}
	if err := signer.Standard().Sign(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	var header []string
	for name := range req.Header {
		header = append(header, name, req.Header.Get(name))
	}
	for _, tt := range []struct {
		name, body string
		header     []string
		status     int
		signature  string
	}{
		{name: "signed", body: "x=1", header: header, status: 200, signature: "verified"},
		{name: "another body", body: "x=2", header: header, status: 401, signature: "no matching signature"},
		{name: "not signed", body: "x=1", status: 401, signature: "missing header"},
	} {
		if got := post(t, r.URL, tt.body, tt.header...); got != tt.status {
			t.Errorf("%s: answered %d, want %d", tt.name, got, tt.status)
		}
		if got := r.Next(1)[0]; !strings.HasPrefix(got.Signature, tt.signature) || got.Status != tt.status {
			t.Errorf("%s: printed %q and %d, want %q and %d", tt.name, got.Signature, got.Status, tt.signature, tt.status)
		}
	}
}

func TestBadFlags(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{name: "status", args: []string{"-status", "200,soon"}, want: `"soon" is no status`},
		{name: "secret", args: []string{"-secret", "abc"}, want: "-secret: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := run(t.Context(), tt.args, new(bytes.Buffer))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("run(%q) = %v, want %q in it", tt.args, err, tt.want)
			}
		})
	}
}

func TestEndsWhileItWaits(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := &announced{said: make(chan string, 2)}
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-addr", "127.0.0.1:0", "-delay", "1h"}, out) }()
	url := strings.TrimSpace(strings.TrimPrefix(<-out.said, "listening on "))
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		req, _ := http.NewRequestWithContext(context.Background(), http.MethodPost, url, strings.NewReader("x"))
		if resp, err := new(http.Transport).RoundTrip(req); err == nil {
			resp.Body.Close()
		}
	}()
	<-out.said // the request is there
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("run = %v, want nil", err)
	}
	<-asked
}

// announced passes on what is written, write by write.
type announced struct{ said chan string }

func (a *announced) Write(p []byte) (int, error) {
	a.said <- string(p)
	return len(p), nil
}
