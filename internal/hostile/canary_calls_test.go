package hostile_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/manage"
	"github.com/outhook/outhook/webhook/memstore"
)

// askBeside sends what does not go through the queue.
func askBeside(t *testing.T, w *witness, d *webhook.Dispatcher, endpoints []webhook.Endpoint) {
	t.Helper()
	ctx := context.Background()
	for i, e := range endpoints {
		e.Scope = webhook.In("user", fmt.Sprint("sample", i)) // the rate of samples is by scope
		a, err := d.SendSample(ctx, e, "link.clicked")
		w.value("SendSample", a)
		w.text("SendSample's answer", string(a.Answer))
		w.err("SendSample", err)
		_, err = d.SendSample(ctx, e, "no.such")
		w.err("SendSample of nothing", err)
		for _, h := range []signer.Handshake{signer.OriginHandshake{}, signer.QueryHandshake{}, signer.HeaderHandshake{}, signer.BodyHandshake{}, signer.HMACHandshake{}} {
			g, err := d.Verify(ctx, e, h)
			w.value("Verify's grant", g)
			w.err("Verify", err)
		}
		e.ID = ""
		r, err := d.DispatchTo(ctx, clicked{Text: "x"}, e)
		w.value("DispatchTo", r)
		w.err("DispatchTo", err)
		time.Sleep(time.Minute)
	}
}

// wrongEndpoints are refused before anything is sent.
func wrongEndpoints(t *testing.T, w *witness, d *webhook.Dispatcher) {
	t.Helper()
	c := canaries()
	for _, raw := range []string{
		"http://user:" + c["query"] + "@a.example/", "http://a.example/?token=" + c["query"] + "#" + c["path"], "ftp://a.example/" + c["path"],
		"http://a.example/" + c["path"] + "/%zz", "http://a.example:99999/" + c["path"], "://" + c["path"], "http://a.example/ " + c["path"],
		"http://[::1/" + c["path"] + "?" + c["query"], "http://a.example/" + strings.Repeat(c["path"], 200), c["path"],
	} {
		e := canaryEndpoint(t, "wrong", "http://a.example")
		e.URL = raw
		w.err("Check", d.Check(&e))
		w.err("Validate", e.Validate())
		w.value("a wrong endpoint", e)
	}
	for _, change := range []func(*webhook.Endpoint){
		func(e *webhook.Endpoint) { e.Headers[0].Value = c["header"] + "\n" },
		func(e *webhook.Endpoint) { e.Headers[0].Name = "bad name" },
		func(e *webhook.Endpoint) { e.Params[0].Value = c["parameter"] + "\xff" },
		func(e *webhook.Endpoint) { e.Params = append(e.Params, e.Params[0]) },
		func(e *webhook.Endpoint) { e.Method = "GET" },
	} {
		e := canaryEndpoint(t, "wrong", "http://a.example")
		change(&e)
		w.err("Check", d.Check(&e))
		_, err := d.DispatchTo(context.Background(), clicked{}, e)
		w.err("DispatchTo a wrong endpoint", err)
	}
	proxy := &url.URL{Scheme: "gopher", Host: "proxy.example", User: url.UserPassword("u", c["header"])}
	_, err := webhook.New(webhook.Config{Transports: []webhook.Transport{{Name: "x", Proxy: proxy}, {Proxy: proxy}}})
	w.err("New", err)
	w.value("a transport", webhook.Transport{Name: "x", Proxy: proxy})
	e := canaryEndpoint(t, "json", "http://a.example")
	shown, err := json.Marshal(e)
	w.err("MarshalJSON", err)
	var again webhook.Endpoint
	if err := json.Unmarshal(shown, &again); !errors.Is(err, webhook.ErrRedacted) {
		t.Errorf("Unmarshal(redacted) = %v, want ErrRedacted", err)
	}
}

func lookAtHistory(t *testing.T, w *witness, store *memstore.Store) {
	t.Helper()
	ctx := context.Background()
	ds, _, err := store.Deliveries(ctx, webhook.HistoryQuery{Limit: 1000})
	if err != nil || len(ds) < 20 {
		t.Fatalf("Deliveries = %d, %v; want 20 or more", len(ds), err)
	}
	attempts := 0
	for _, d := range ds {
		w.value("a delivery", d)
		as, err := store.Attempts(ctx, d.ID)
		w.err("Attempts", err)
		for _, a := range as {
			attempts++
			w.value("an attempt", a)
			w.text("an attempt's answer", string(a.Answer))
		}
	}
	if attempts < 50 {
		t.Errorf("the history has %d attempts, want 50 or more", attempts)
	}
}

// lookAtManage asks the API that customers see.
func lookAtManage(t *testing.T, w *witness, d *webhook.Dispatcher, store *memstore.Store) {
	t.Helper()
	c := canaries()
	api, err := manage.New(manage.Options{
		Store: store, Dispatcher: d, Template: canaryEndpoint(t, "t", "http://a.example"),
		Authorize: func(*http.Request) (manage.Grant, error) {
			return manage.Grant{Scope: scope, Access: manage.View | manage.Manage}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	api.Register(mux, "/hooks")
	api.RegisterURLs(mux, "/urls")
	for _, call := range []struct{ method, path, body string }{
		{method: "GET", path: "/hooks"},
		{method: "GET", path: "/hooks/echo200"},
		{method: "GET", path: "/hooks/" + c["path"]},
		{method: "POST", path: "/hooks", body: `{"url":"http://user:` + c["query"] + `@a.example/"}`},
		{method: "POST", path: "/hooks", body: `{"url":"ftp://a.example/` + c["path"] + `"}`},
		{method: "POST", path: "/hooks", body: `{"url":"http://a.example/` + c["path"] + `","name":"new"}`},
		{method: "POST", path: "/hooks", body: `{"url":["` + c["header"] + `"]}`},
		{method: "POST", path: "/hooks", body: c["header"]},
		{method: "POST", path: "/hooks/echo200/pause"},
		{method: "POST", path: "/hooks/echo200/resume"},
		{method: "PUT", path: "/urls", body: "http://a.example/\nftp://" + c["path"] + "\n"},
		{method: "POST", path: "/urls", body: `{"url":"http://user:` + c["query"] + `@a.example/"}`},
		{method: "DELETE", path: "/hooks/echo200"},
	} {
		req := httptest.NewRequestWithContext(t.Context(), call.method, call.path, strings.NewReader(call.body))
		req.Header.Set("Content-Type", "application/json")
		if call.method == "PUT" {
			req.Header.Set("Content-Type", "text/plain")
		}
		rec := httptest.NewRecorder()
		mux.ServeHTTP(rec, req)
		body := rec.Body.String()
		if rec.Code < http.StatusBadRequest {
			// A customer may see the URL that is his own, and nothing else.
			body = strings.NewReplacer(c["path"], "", c["query"], "").Replace(body)
		}
		w.text(fmt.Sprintf("%s %s (%d)", call.method, call.path[:min(len(call.path), 12)], rec.Code), body)
	}
}
