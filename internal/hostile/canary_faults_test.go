package hostile_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
	"github.com/outhook/outhook/webhook/webhooktest"
)

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
