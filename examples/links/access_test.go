package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/manage"
)

// server is the platform's API under its real rule.
type server struct {
	t   *testing.T
	p   *platform
	mux http.Handler
}

func newServer(t *testing.T) *server {
	t.Helper()
	p, err := newPlatform(webhook.Config{}, httpsOnly)
	if err != nil {
		t.Fatal(err)
	}
	p.addDemo()
	p.links[7] = &Link{ID: 7, Slug: "/seven", WorkspaceID: 2, Enabled: true}
	p.addKey("reader", 1, manage.View)
	p.addKey("stranger", 2, manage.View|manage.Manage)
	return &server{t: t, p: p, mux: p.Handler()}
}

// call makes one request and returns the status and the body.
func (s *server) call(key, method, path, contentType, body string) (int, string) {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	if key != "" {
		r.Header.Set("X-API-KEY", key)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	out, err := io.ReadAll(w.Result().Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return w.Code, strings.TrimSpace(string(out))
}

const (
	linkHooks      = "/api/v1/link/12345/webhooks"
	workspaceHooks = "/api/v1/workspace/1/webhooks"
	jsonType       = "application/json"
)

func TestREST(t *testing.T) {
	for _, base := range []string{linkHooks, workspaceHooks} {
		t.Run(base, func(t *testing.T) {
			s := newServer(t)
			const first, second = "https://a.example/x/y?secret=1%2F2&b=%20", "https://b.example/"
			for _, step := range []struct {
				name, method, path, contentType, body string
				status                                int
				want                                  string
			}{
				{name: "none", method: "GET", status: 200, want: `{"results":[]}`},
				{name: "add", method: "POST", contentType: jsonType, body: `{"url":"` + first + `"}`, status: 201, want: `{"results":["` + first + `"]}`},
				{name: "add again", method: "POST", contentType: jsonType, body: `{"url":"` + first + `"}`, status: 201, want: `{"results":["` + first + `"]}`},
				{name: "add another", method: "POST", contentType: jsonType, body: `{"url":"` + second + `"}`, status: 201, want: `{"results":["` + first + `","` + second + `"]}`},
				{name: "list", method: "GET", status: 200, want: `{"results":["` + first + `","` + second + `"]}`},
				{name: "remove", method: "DELETE", path: "/" + url.PathEscape(first), status: 204},
				{name: "remove again", method: "DELETE", path: "/" + url.PathEscape(first), status: 404, want: "not-found"},
				{name: "left", method: "GET", status: 200, want: `{"results":["` + second + `"]}`},
				{name: "box", method: "PUT", contentType: "text/plain", body: "\r\n" + first + "\r\n" + first + "\r\n", status: 200, want: `{"results":["` + first + `"]}`},
			} {
				status, got := s.call(apiKey, step.method, base+step.path, step.contentType, step.body)
				if status != step.status || !strings.Contains(got, step.want) {
					t.Errorf("%s: %s = %d %s, want %d %s", step.name, step.method, status, got, step.status, step.want)
				}
			}
			other := map[string]string{linkHooks: workspaceHooks, workspaceHooks: linkHooks}[base]
			if _, got := s.call(apiKey, "GET", other, "", ""); got != `{"results":[]}` {
				t.Errorf("the other scope has %s, want nothing", got)
			}
		})
	}
}

func TestRefusedChangesNothing(t *testing.T) {
	s := newServer(t)
	const one = "https://a.example/"
	want := `{"results":["` + one + `"]}`
	for _, base := range []string{linkHooks, workspaceHooks} {
		if status, got := s.call(apiKey, "POST", base, jsonType, `{"url":"`+one+`"}`); status != 201 {
			t.Fatalf("POST = %d %s", status, got)
		}
	}
	for _, tt := range []struct {
		name, key string
		status    int
	}{
		{name: "no key", status: 401},
		{name: "unknown key", key: "guess", status: 401},
		{name: "key of another workspace", key: "stranger", status: 403},
		{name: "key that may only look", key: "reader", status: 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, base := range []string{linkHooks, workspaceHooks} {
				for _, call := range []struct{ method, path, contentType, body string }{
					{method: "POST", contentType: jsonType, body: `{"url":"https://evil.example/"}`},
					{method: "PUT", contentType: "text/plain", body: "https://evil.example/"},
					{method: "PUT", contentType: jsonType, body: `{"urls":[]}`},
					{method: "DELETE", path: "/" + url.PathEscape(one)},
				} {
					if status, got := s.call(tt.key, call.method, base+call.path, call.contentType, call.body); status != tt.status {
						t.Errorf("%s %s = %d %s, want %d", call.method, base, status, got, tt.status)
					}
				}
				if tt.key != "reader" {
					if status, got := s.call(tt.key, "GET", base, "", ""); status != tt.status || strings.Contains(got, "a.example") {
						t.Errorf("GET %s = %d %s, want %d and no URL", base, status, got, tt.status)
					}
				}
				if status, got := s.call(apiKey, "GET", base, "", ""); status != 200 || got != want {
					t.Errorf("the list of %s is %d %s, want %s", base, status, got, want)
				}
			}
		})
	}
	for _, path := range []string{"/api/v1/link/99/webhooks", "/api/v1/link/7/webhooks", "/api/v1/link/x/webhooks", "/api/v1/link/012345x/webhooks", "/api/v1/workspace/2/webhooks", "/api/v1/workspace/01/webhooks"} {
		if status, got := s.call(apiKey, "POST", path, jsonType, `{"url":"`+one+`"}`); status != 403 {
			t.Errorf("POST %s = %d %s, want 403", path, status, got)
		}
	}
}

func TestBadURLs(t *testing.T) {
	s := newServer(t)
	if err := s.p.api.SetURLs(t.Context(), linkScope(12345), "https://a.example/"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, box, want string }{
		{name: "http", box: "https://b.example/\r\n\r\nhttp://c.example/?s=c4n4ry", want: "line 3: "},
		{name: "https only", box: "http://c.example/?s=c4n4ry", want: "must begin with https://"},
		{name: "no URL", box: "https://b.example/\nhttps://b.example/\n c4n4ry \n", want: "line 3: url-scheme"},
		{name: "userinfo", box: "https://u:c4n4ry@c.example/", want: "line 1: url-userinfo"},
		{name: "private address", box: "\n\n\nhttps://10.0.0.1/?s=c4n4ry", want: "line 4: url-address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := s.p.api.SetURLs(t.Context(), linkScope(12345), tt.box)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "c4n4ry") {
				t.Errorf("SetURLs(%q) = %v, want %q and no secret", tt.box, err, tt.want)
			}
			status, got := s.call(apiKey, "PUT", linkHooks, "text/plain", tt.box)
			if status != 422 || !strings.Contains(got, `"line":`) || strings.Contains(got, "c4n4ry") {
				t.Errorf("PUT %q = %d %s, want 422 with a line and no secret", tt.box, status, got)
			}
			if urls, err := s.p.api.URLs(t.Context(), linkScope(12345)); err != nil || strings.Join(urls, " ") != "https://a.example/" {
				t.Errorf("the box holds %q, %v, want what it held", urls, err)
			}
		})
	}
}

func TestRules(t *testing.T) {
	for _, tt := range []struct {
		url         string
		https, loop bool
	}{
		{url: "https://a.example/", https: true, loop: true},
		{url: "HTTPS://a.example/", https: true, loop: true},
		{url: "http://a.example/"},
		{url: "http://127.0.0.1.a.example/"},
		{url: "http://10.0.0.1/"},
		{url: "http://127.0.0.1:8080/", loop: true},
		{url: "http://[::1]:8080/", loop: true},
		{url: "http://localhost/", loop: true},
		{url: "https"},
	} {
		e := &webhook.Endpoint{URL: tt.url}
		if got := httpsOnly(e) == nil; got != tt.https {
			t.Errorf("httpsOnly(%s) allows it: %t, want %t", tt.url, got, tt.https)
		}
		if got := httpsOrLoopback(e) == nil; got != tt.loop {
			t.Errorf("httpsOrLoopback(%s) allows it: %t, want %t", tt.url, got, tt.loop)
		}
	}
}

// TestRESTTakesEffect: what the API adds and removes is called, and called no
// more.
func TestRESTTakesEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		api := &server{t: t, p: s.platform, mux: s.mux}
		r := s.net.Receiver("a.example")
		const hook = "http://a.example/?secret=1"
		for i, base := range []string{linkHooks, workspaceHooks} {
			if status, got := api.call(apiKey, "POST", base, jsonType, `{"url":"`+hook+`"}`); status != 201 {
				t.Fatalf("POST = %d %s", status, got)
			}
			s.visit(human, "")
			<-s.ended
			if status, got := api.call(apiKey, "DELETE", base+"/"+url.PathEscape(hook), "", ""); status != 204 {
				t.Fatalf("DELETE = %d %s", status, got)
			}
			s.visit(human, "")
			synctest.Wait()
			if n := len(r.Requests()); n != i+1 {
				t.Errorf("%d requests, want %d", n, i+1)
			}
		}
	})
}
