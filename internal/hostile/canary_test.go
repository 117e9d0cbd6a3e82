package hostile_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/manage"
	"github.com/outhook/outhook/webhook/memstore"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// The canaries: one for each place where an endpoint holds a secret.
func canaries() map[string]string {
	return map[string]string{
		"path":      "cAnArYpath0123456789abcdef",
		"query":     "cAnArYquery0123456789abcd",
		"parameter": "cAnArYparam0123456789abcd",
		"header":    "cAnArYheader0123456789abc",
		"key":       "cAnArYkey0123456789abcdefghijkl",
	}
}

func canaryEndpoint(t *testing.T, id, base string) webhook.Endpoint {
	t.Helper()
	c := canaries()
	key, err := signer.ParseSecret("whsec_" + base64.StdEncoding.EncodeToString([]byte(c["key"])))
	if err != nil {
		t.Fatal(err)
	}
	return webhook.Endpoint{
		ID: id, Name: id, Scope: scope, URL: base + "/hooks/" + c["path"] + "?token=" + c["query"],
		Secrets: []signer.Key{key},
		Params: []payload.Param{
			{Name: "secrettoken", Value: c["parameter"], Secret: true},
			{Name: "asked", Value: c["parameter"], Secret: true, In: payload.InQuery},
		},
		Headers: []webhook.Header{{Name: "Authorization", Value: "Bearer " + c["header"]}, {Name: "X-Api-Key", Value: c["header"]}},
	}
}

// forms are the ways in which a secret may look.
func forms(secret string) []string {
	return []string{
		secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)),
		base64.RawURLEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret)),
	}
}

// witness looks at everything that leaves, and reports each canary once for
// each place.
type witness struct {
	t    *testing.T
	mu   sync.Mutex
	seen int
	told map[string]bool
}

// text looks at one text.
func (w *witness) text(where, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen++
	lower := strings.ToLower(text)
	for name, secret := range canaries() {
		for _, form := range forms(secret) {
			if strings.Contains(lower, strings.ToLower(form)) && !w.told[where+name] {
				w.told[where+name] = true
				w.t.Errorf("the %s canary is in %s: %.400q", name, where, text)
			}
		}
	}
}

// value looks at a value by every verb, as JSON, and through both handlers of
// slog; and at the errors that it wraps, where it is one.
func (w *witness) value(where string, v any) {
	if v == nil {
		return
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		w.text(where+" by "+verb, fmt.Sprintf(verb, v))
	}
	if p := reflect.ValueOf(v); p.Kind() == reflect.Struct {
		w.text(where+" as a slice", fmt.Sprintf("%+v", []any{v}))
	}
	if b, err := json.Marshal(v); err == nil {
		w.text(where+" as JSON", string(b))
	}
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", slog.Any("v", []any{v}), slog.Group("g", "v", v))
	w.text(where+" by slog", b.String())
}

func (w *witness) err(where string, err error) {
	if err == nil {
		return
	}
	w.value(where, err)
	w.text(where+" wrapped", fmt.Errorf("around: %w", err).Error())
	w.text(where+" joined", errors.Join(err, err).Error())
}

// TestCanary lets every way of an endpoint's secrets come to nothing: hooks,
// log, history, panics, errors, samples, handshakes, the manage API.
func TestCanary(t *testing.T) {
	before := canarySent(t)
	if before < len(canaries()) {
		t.Fatalf("only %d canaries reach the wire: the test shows nothing", before)
	}
	synctest.Test(t, func(t *testing.T) {
		w := &witness{t: t, told: make(map[string]bool)}
		n := webhooktest.NewNetwork(t)
		var log bytes.Buffer
		var logs sync.Mutex
		store := memstore.New(memstore.Options{})
		catalog := payload.NewCatalog()
		if err := payload.Describe(catalog, "link.clicked", "", clicked{Text: "sample"}); err != nil {
			t.Fatal(err)
		}
		d, err := webhook.New(webhook.Config{
			Endpoints: faulty{store}, Queue: store, Catalog: catalog, Hooks: witnessing(w),
			Transports: []webhook.Transport{n.Transport(), {Name: "panics", RoundTripper: panicking{}}, {Name: "public"}},
			Policies:   policies(),
			Signers:    []webhook.NamedSigner{{Name: "standard", Signer: signer.Standard()}, {Name: "panics", Signer: panicking{}}, {Name: "fails", Signer: failing{}}},
			Logger:     slog.New(slog.NewTextHandler(locked{&logs, &log}, &slog.HandlerOptions{Level: slog.LevelDebug})),
			Failing:    webhook.FailingRules{OpenAfter: 2, OpenFor: time.Second, DisableAfter: time.Minute, DisableCount: 3},
		})
		if err != nil {
			t.Fatal(err)
		}
		ran := make(chan error, 1)
		go func() { ran <- d.Run(context.Background()) }()

		endpoints := canaryEndpoints(t, n)
		for i := range endpoints {
			if _, err := store.Set(context.Background(), &endpoints[i]); err != nil {
				w.err("Set", err)
			}
			w.value("an endpoint", endpoints[i])
			w.value("an endpoint's address", &endpoints[i])
		}
		for range 4 {
			r, err := d.Dispatch(context.Background(), clicked{Text: "x"}, scope)
			w.err("Dispatch", err)
			w.value("a receipt", r)
			time.Sleep(5 * time.Minute)
		}
		askBeside(t, w, d, endpoints)
		wrongEndpoints(t, w, d)
		lookAtHistory(t, w, store)
		lookAtManage(t, w, d, store)
		if err := d.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown = %v, want nil", err)
		}
		if err := <-ran; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		n.Close()
		w.text("the log", log.String())
		if log.Len() == 0 || w.seen < 1000 {
			t.Errorf("%d texts and %d bytes of log were looked at: too few", w.seen, log.Len())
		}
		t.Logf("%d texts looked at, %d bytes of log", w.seen, log.Len())
	})
}

// canarySent counts the canaries that a receiver sees: they are really sent.
func canarySent(t *testing.T) (sent int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := webhooktest.NewNetwork(t)
		got := n.Receiver("a.example")
		r := start(t, time.Second, n.Transport(), func(c *webhook.Config) {
			c.Signers = []webhook.NamedSigner{{Name: "token", Signer: signer.GitLabToken()}}
		})
		e := canaryEndpoint(t, "a", "http://a.example")
		token, err := signer.Token(canaries()["key"])
		if err != nil {
			t.Fatal(err)
		}
		e.Secrets = []signer.Key{token}
		r.set(t, e)
		r.dispatch(t, clicked{})
		<-r.ended
		for _, req := range got.Requests() {
			text := fmt.Sprint(req.Path, req.Query, req.Header, string(req.Body))
			for _, secret := range canaries() {
				if strings.Contains(text, secret) {
					sent++
				}
			}
		}
		r.stop(t)
		n.Close()
	})
	return sent
}

// canaryEndpoints are endpoints whose attempts fail in every way.
func canaryEndpoints(t *testing.T, n *webhooktest.Network) []webhook.Endpoint {
	t.Helper()
	var list []webhook.Endpoint
	add := func(id string, change func(*webhook.Endpoint)) {
		e := canaryEndpoint(t, id, "http://"+id+".example")
		if change != nil {
			change(&e)
		}
		list = append(list, e)
	}
	for _, status := range []int{200, 302, 400, 401, 410, 429, 500} {
		id := fmt.Sprint("echo", status)
		n.Handle(id+".example", echo(status))
		add(id, nil)
		id = fmt.Sprint("form", status)
		n.Handle(id+".example", echo(status))
		add(id, func(e *webhook.Endpoint) { e.Encoder = "form" })
	}
	for _, where := range []string{"status", "code", "name", "line", "length", "encoding", "chunk"} {
		n.Handle("raw"+where+".example", rawEcho(where))
		add("raw"+where, nil)
	}
	n.Receiver("hangs.example", webhooktest.Answer{Hang: true})
	add("hangs", nil)
	add("nobody", nil)
	for id, change := range map[string]func(*webhook.Endpoint){
		"volatile":   func(e *webhook.Endpoint) { e.Policy = "volatile" },
		"judge":      func(e *webhook.Endpoint) { e.Policy = "judge" },
		"signpanics": func(e *webhook.Endpoint) { e.Signer = "panics" },
		"signfails":  func(e *webhook.Endpoint) { e.Signer = "fails" },
		"transport":  func(e *webhook.Endpoint) { e.Transport = "panics" },
		"private": func(e *webhook.Endpoint) {
			e.Transport, e.URL = "public", strings.Replace(e.URL, "private.example", "127.0.0.1", 1)
		},
		"noencoder":   func(e *webhook.Endpoint) { e.Encoder = "none" },
		"nopolicy":    func(e *webhook.Endpoint) { e.Policy = "none" },
		"nosigner":    func(e *webhook.Endpoint) { e.Signer = "none" },
		"notransport": func(e *webhook.Endpoint) { e.Transport = "none" },
		"badheader":   func(e *webhook.Endpoint) { e.Headers[1].Value += "\r\nX-Injected: 1" },
		"badurl": func(e *webhook.Endpoint) {
			e.URL = strings.Replace(e.URL, "http://", "http://user:"+canaries()["query"]+"@", 1)
		},
		"badparam": func(e *webhook.Endpoint) { e.Params[0].Name = "a\x00b" },
	} {
		n.Handle(id+".example", echo(500))
		add(id, change)
	}
	return list
}

// echo answers with everything that it was sent, in body and header.
func echo(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Location", "http://"+r.Host+r.URL.String())
		w.Header().Set("X-Echo", fmt.Sprint(r.Header))
		w.Header().Set("Retry-After", r.Header.Get("Authorization"))
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "%s\n%s\n%v\n%s\n", r.URL, r.URL.Query(), r.Header, body)
	})
}

// rawEcho answers with secrets where HTTP has no place for them, so that they
// come back in errors.
func rawEcho(where string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		all := r.Header.Get("Authorization") + " " + r.URL.RequestURI()
		answer := map[string]string{
			"status":   "HTTP/1.1 500 " + all + "\r\nContent-Length: 0\r\n\r\n",
			"code":     "HTTP/1.1 " + strings.ReplaceAll(all, " ", "+") + " OK\r\n\r\n",
			"name":     "HTTP/1.1 200 OK\r\n" + all + ": 1\r\n\r\n",
			"line":     "HTTP/1.1 200 OK\r\n" + all + "\r\n\r\n",
			"length":   "HTTP/1.1 200 OK\r\nContent-Length: " + all + "\r\n\r\n",
			"encoding": "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + all + "\r\n\r\n",
			"chunk":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + all + "\r\n",
		}[where]
		_, _ = io.WriteString(conn, answer)
	})
}

// policies are stored, volatile, and one whose judge panics with a secret.
func policies() []retry.Policy {
	stored := retry.Policy{Name: "stored", Schedule: retry.Fixed(time.Second, time.Second), Timeout: 2 * time.Second}
	volatile := retry.FireAndForget()
	volatile.Name = "volatile"
	judge := retry.FireAndForget()
	judge.Name = "judge"
	judge.Judge = func(r retry.Response) retry.Outcome { panic(string(r.Body)) }
	return []retry.Policy{stored, volatile, judge}
}

// panicking is a signer and a transport that panics with all it was given.
type panicking struct{}

func (panicking) Sign(_ context.Context, r *signer.Request) error {
	panic(fmt.Sprint(r.URL, map[string][]string(r.Header), string(r.Body)))
}

func (panicking) RoundTrip(r *http.Request) (*http.Response, error) {
	panic(fmt.Sprint(r.URL, map[string][]string(r.Header)))
}

// failing is a signer whose error is one of net/http, with the URL in it.
type failing struct{}

func (failing) Sign(_ context.Context, r *signer.Request) error {
	return &url.Error{Op: "Post", URL: r.URL, Err: errors.New("no token")}
}

// faulty is a store that fails now and then.
type faulty struct{ *memstore.Store }

func (f faulty) Endpoints(ctx context.Context, ids []string) ([]*webhook.Endpoint, error) {
	found, err := f.Store.Endpoints(ctx, ids)
	if len(ids) == 3 {
		return nil, fmt.Errorf("endpoints %v: %w", found, io.ErrUnexpectedEOF)
	}
	return found, err
}

type locked struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// witnessing sets every hook.
func witnessing(w *witness) webhook.Hooks {
	return webhook.Hooks{
		Dispatched: func(_ context.Context, m *webhook.Message, r webhook.Receipt) {
			w.value("Dispatched", *m)
			w.value("Dispatched's receipt", r)
		},
		AttemptDone: func(_ context.Context, a webhook.Attempt) {
			w.value("AttemptDone", a)
			w.text("an answer", string(a.Answer))
		},
		Retrying:         func(_ context.Context, d webhook.Delivery, _ time.Duration) { w.value("Retrying", d) },
		Ended:            func(_ context.Context, d webhook.Delivery) { w.value("Ended", d) },
		EndpointFailing:  func(_ context.Context, n webhook.FailingNotice) { w.value("EndpointFailing", n) },
		CircuitOpened:    func(_ context.Context, id string, _ time.Duration) { w.value("CircuitOpened", id) },
		EndpointDisabled: func(_ context.Context, id, reason string) { w.value("EndpointDisabled", id+reason) },
		StoreFailed:      func(_ context.Context, op string, err error) { w.err("StoreFailed "+op, err) },
		Stale:            func(_ context.Context, id string) { w.value("Stale", id) },
		// The value is the host's own, and goes to the host's own hook.
		Panicked: func(_ context.Context, where string, _ any, stack []byte) { w.text("Panicked", where+string(stack)) },
	}
}

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
