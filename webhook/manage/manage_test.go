package manage_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/manage"
	"github.com/outhook/outhook/webhook/memstore"
)

// site is a host with the API mounted in both forms.
type site struct {
	t     *testing.T
	store *memstore.Store
	mux   *http.ServeMux
}

func newSite(t *testing.T, change func(*manage.Options)) *site {
	t.Helper()
	store := memstore.New(memstore.Options{})
	d, err := webhook.New(webhook.Config{Endpoints: store, Queue: store})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Shutdown(context.Background()) })
	o := manage.Options{Store: store, Dispatcher: d, Authorize: byKey}
	if change != nil {
		change(&o)
	}
	api, err := manage.New(o)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	api.Register(mux, "/users/{user}/webhooks")
	api.RegisterURLs(mux, "/links/{link}/webhooks")
	return &site{t: t, store: store, mux: mux}
}

// byKey lets "admin" manage and "reader" view.
func byKey(r *http.Request) (manage.Grant, error) {
	scope := webhook.In("user", r.PathValue("user"))
	if id := r.PathValue("link"); id != "" {
		scope = webhook.In("link", id)
	}
	switch r.Header.Get("X-Api-Key") {
	case "admin":
		return manage.Grant{Scope: scope, Access: manage.View | manage.Manage}, nil
	case "reader":
		return manage.Grant{Scope: scope, Access: manage.View}, nil
	case "":
		return manage.Grant{}, manage.ErrUnauthenticated
	}
	return manage.Grant{}, errors.New("no")
}

// call makes one request and returns the status and the body.
func (s *site) call(key, method, path, contentType, body string) (int, string) {
	s.t.Helper()
	r := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	r.Header.Set("X-Api-Key", key)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	out, _ := io.ReadAll(w.Result().Body)
	return w.Code, string(out)
}

func TestNewNeedsAuthorize(t *testing.T) {
	_, err := manage.New(manage.Options{})
	for _, want := range []string{"Store", "Dispatcher", "Authorize"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want an error that names %s", err, want)
		}
	}
}

func TestEndpoints(t *testing.T) {
	s := newSite(t, nil)
	const base = "/users/u9/webhooks"
	code, body := s.call("admin", "POST", base, "application/json", `{"name":"n","url":"https://a.example/1","types":["A"]}`)
	var first struct{ ID, URL, Status string }
	if err := json.Unmarshal([]byte(body), &first); code != 201 || err != nil || first.Status != "active" {
		t.Fatalf("POST = %d %s", code, body)
	}
	code, body = s.call("admin", "POST", base, "application/json", `{"name":"n","url":"https://a.example/2","types":["A"]}`)
	if code != 200 || !strings.Contains(body, first.ID) || !strings.Contains(body, "example/2") {
		t.Errorf("setting the same type and name again = %d %s, want it replaced", code, body)
	}
	if code, body = s.call("reader", "GET", base, "", ""); code != 200 || strings.Count(body, `"id"`) != 1 {
		t.Errorf("GET = %d %s, want one endpoint", code, body)
	}
	one := base + "/" + first.ID
	if code, body = s.call("admin", "POST", one+"/pause", "", ""); code != 200 || !strings.Contains(body, `"paused"`) {
		t.Errorf("pause = %d %s", code, body)
	}
	if code, body = s.call("admin", "POST", one+"/resume", "", ""); code != 200 || !strings.Contains(body, `"active"`) {
		t.Errorf("resume = %d %s", code, body)
	}
	other := strings.Replace(one, "u9", "u8", 1)
	for _, m := range []string{"GET", "DELETE"} {
		if code, body = s.call("admin", m, other, "", ""); code != 404 {
			t.Errorf("%s from another scope = %d %s, want 404", m, code, body)
		}
	}
	if code, _ = s.call("admin", "DELETE", one, "", ""); code != 204 {
		t.Errorf("DELETE = %d, want 204", code)
	}
	if code, _ = s.call("admin", "GET", one, "", ""); code != 404 {
		t.Errorf("GET after DELETE = %d, want 404", code)
	}
}

func TestRefusedChangesNothing(t *testing.T) {
	s := newSite(t, func(o *manage.Options) {
		o.MaxEndpoints = 1
		o.Rule = func(e *webhook.Endpoint) error {
			if strings.HasPrefix(e.URL, "http:") {
				return errors.New("use https")
			}
			if strings.HasSuffix(e.URL, "/forbidden") {
				return &webhook.URLError{Rule: "path", Detail: "choose another path"}
			}
			return nil
		}
	})
	s.call("admin", "POST", "/links/1/webhooks", "application/json", `{"url":"https://a.example/"}`)
	const one = "/links/1/webhooks/https%3A%2F%2Fa.example%2F"
	for _, tt := range []struct {
		name, key, method, path, contentType, body string
		code                                       int
		want                                       string
	}{
		{name: "nobody", method: "POST", path: "/links/1/webhooks", body: `{"url":"https://b.example/"}`, code: 401, want: "unauthenticated"},
		{name: "stranger", key: "x", method: "DELETE", path: one, code: 403, want: "forbidden"},
		{name: "reader adds", key: "reader", method: "POST", path: "/links/1/webhooks", body: `{"url":"https://b.example/"}`, code: 403, want: "forbidden"},
		{name: "reader removes", key: "reader", method: "DELETE", path: one, code: 403, want: "forbidden"},
		{name: "reader replaces", key: "reader", method: "PUT", path: "/links/1/webhooks", body: `{"urls":[]}`, code: 403, want: "forbidden"},
		{name: "bad URL", key: "admin", method: "POST", path: "/links/2/webhooks", body: `{"url":"https://u:p@b.example/"}`, code: 422, want: "url-userinfo"},
		{name: "private address", key: "admin", method: "POST", path: "/links/2/webhooks", body: `{"url":"https://10.0.0.1/"}`, code: 422, want: "url-address"},
		{name: "host's rule", key: "admin", method: "POST", path: "/links/2/webhooks", body: `{"url":"http://b.example/"}`, code: 422, want: "use https"},
		{name: "line of a list", key: "admin", method: "PUT", path: "/links/1/webhooks", contentType: "text/plain", body: "https://a.example/\r\n\r\nnonsense\r\n", code: 422, want: `"line":3`},
		{name: "too many", key: "admin", method: "POST", path: "/links/1/webhooks", body: `{"url":"https://b.example/"}`, code: 422, want: "too-many"},
		{name: "too many lines", key: "admin", method: "PUT", path: "/links/1/webhooks", body: `{"urls":["https://b.example/","https://c.example/"]}`, code: 422, want: "too-many"},
		{name: "unknown field", key: "admin", method: "POST", path: "/users/1/webhooks", body: `{"url":"https://a.example/","scope":"*"}`, code: 422, want: "unknown-field"},
		{name: "host's own URL rule", key: "admin", method: "POST", path: "/links/2/webhooks", body: `{"url":"https://b.example/forbidden"}`, code: 422, want: "url-path"},
		{name: "no JSON", key: "admin", method: "POST", path: "/links/1/webhooks", body: `{`, code: 400, want: "body-invalid"},
		{name: "a form", key: "admin", method: "POST", path: "/links/1/webhooks", contentType: "application/x-www-form-urlencoded", body: "url=x", code: 415, want: "content-type"},
		{name: "large", key: "admin", method: "POST", path: "/links/1/webhooks", body: `{"url":"` + strings.Repeat("a", 70_000) + `"}`, code: 413, want: "body-too-large"},
		{name: "unknown URL", key: "admin", method: "DELETE", path: "/links/1/webhooks/nothing", code: 404, want: "not-found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.contentType == "" && tt.body != "" {
				tt.contentType = "application/json"
			}
			code, body := s.call(tt.key, tt.method, tt.path, tt.contentType, tt.body)
			if code != tt.code || !strings.Contains(body, tt.want) {
				t.Errorf("%s %s = %d %s, want %d with %q", tt.method, tt.path, code, body, tt.code, tt.want)
			}
			if _, urls := s.call("admin", "GET", "/links/1/webhooks", "", ""); urls != `{"results":["https://a.example/"]}`+"\n" {
				t.Errorf("the list is now %s", urls)
			}
			if _, urls := s.call("admin", "GET", "/links/2/webhooks", "", ""); urls != `{"results":[]}`+"\n" {
				t.Errorf("the other list is now %s", urls)
			}
		})
	}
}

func TestURLs(t *testing.T) {
	s := newSite(t, nil)
	const base = "/links/7/webhooks"
	odd := "https://a.example/x/y?token=1%2F2&b=%20"
	steps := []struct{ name, method, path, contentType, body, want string }{
		{"empty", "GET", base, "", "", `{"results":[]}`},
		{"add", "POST", base, "application/json", `{"url":"` + odd + `"}`, `{"results":["` + odd + `"]}`},
		{"add again", "POST", base, "application/json", `{"url":"` + odd + `"}`, `{"results":["` + odd + `"]}`},
		{"box", "PUT", base, "text/plain", "https://b.example/\r\n\r\n  " + odd + "\r\nhttps://b.example/\n", `{"results":["` + odd + `","https://b.example/"]}`},
		{"remove", "DELETE", base + "/" + url.PathEscape(odd), "", "", ""},
		{"left", "GET", base, "", "", `{"results":["https://b.example/"]}`},
		{"replace", "PUT", base, "application/json", `{"urls":["https://c.example/"]}`, `{"results":["https://c.example/"]}`},
	}
	for _, st := range steps {
		code, body := s.call("admin", st.method, st.path, st.contentType, st.body)
		if code >= 300 || strings.TrimSpace(body) != st.want {
			t.Errorf("%s: %s = %d %s, want %s", st.name, st.method, code, body, st.want)
		}
	}
}

func TestSettingAgainRevives(t *testing.T) {
	s := newSite(t, nil)
	const base = "/links/7/webhooks"
	ctx := context.Background()
	for _, again := range []struct{ method, contentType, body string }{
		{"POST", "application/json", `{"url":"https://a.example/","workspace_id":1}`},
		{"PUT", "text/plain", "https://a.example/"},
	} {
		s.call("admin", "POST", base, "application/json", `{"url":"https://a.example/"}`)
		found, err := s.store.List(ctx, webhook.In("link", "7"))
		if err != nil || len(found) != 1 {
			t.Fatalf("List = %v, %v; want one", found, err)
		}
		if err := s.store.Disable(ctx, found[0].ID, "gone"); err != nil {
			t.Fatal(err)
		}
		if code, body := s.call("admin", again.method, base, again.contentType, again.body); code >= 300 {
			t.Fatalf("%s = %d %s", again.method, code, body)
		}
		found, _ = s.store.List(ctx, webhook.In("link", "7"))
		if len(found) != 1 || found[0].Status == webhook.Disabled {
			t.Errorf("after %s again: %v, want one that is active", again.method, found)
		}
	}
}

func TestCrossSiteIsRefused(t *testing.T) {
	s := newSite(t, nil)
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/links/7/webhooks", strings.NewReader(`{"url":"https://a.example/"}`))
	r.Header.Set("X-Api-Key", "admin")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("a cross-site POST = %d, want 403", w.Code)
	}
}
