package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/examples/internal/kittest"
	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// site is the demo's platform with a network in memory.
type site struct {
	*platform
	t     *testing.T
	net   *webhooktest.Network
	mux   http.Handler
	ended chan webhook.Delivery
	logs  *bytes.Buffer // to be read once the platform is idle
}

// newSite returns a site that takes http URLs, since its network has no
// certificates. Call it in a bubble.
func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, net: webhooktest.NewNetwork(t), ended: make(chan webhook.Delivery, 1024), logs: new(bytes.Buffer)}
	p, err := newPlatform(webhook.Config{
		Transports: []webhook.Transport{s.net.Transport()},
		Logger:     slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Hooks:      webhook.Hooks{Ended: func(_ context.Context, d webhook.Delivery) { s.ended <- d }},
	}, func(*webhook.Endpoint) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	s.platform = p
	p.addDemo()
	s.mux = p.Handler()
	t.Cleanup(func() {
		if err := p.d.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		s.net.Close()
	})
	return s
}

// box fills in a box with one URL a line.
func (s *site) box(scope webhook.Scope, lines ...string) {
	s.t.Helper()
	if err := s.api.SetURLs(s.t.Context(), scope, strings.Join(lines, "\r\n")); err != nil {
		s.t.Fatal(err)
	}
}

// visit follows the demo's link and fails the test unless it is redirected at
// once.
func (s *site) visit(agent, query string) {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, "/abc123"+query, http.NoBody)
	r.Header.Set("User-Agent", agent)
	r.Header.Set("Referer", "https://twitter.com/")
	w := httptest.NewRecorder()
	start := time.Now()
	s.mux.ServeHTTP(w, r)
	if took := time.Since(start); took != 0 {
		s.t.Errorf("the redirect took %v of virtual time, want none", took)
	}
	if to := w.Header().Get("Location"); w.Code != http.StatusFound || to != "https://example.com/landing-page" {
		s.t.Errorf("the link answers %d to %q, want 302 to its destination", w.Code, to)
	}
}

func TestSameBytesForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		a, b, c := s.net.Receiver("a.example"), s.net.Receiver("b.example"), s.net.Receiver("c.example")
		s.box(linkScope(12345), "http://a.example/1", "", "  http://b.example/2 ", "http://a.example/1", "http://c.example/3", "")
		s.box(workspaceScope(1), "http://a.example/1") // the same URL at both levels
		s.box(linkScope(7), "http://c.example/other")  // another link's
		s.visit(human, "?utm_source=twitter")
		for range 4 {
			if d := <-s.ended; d.State != webhook.Delivered {
				t.Errorf("%v: %s, want delivered", d.State, d.Reason)
			}
		}
		want := kittest.Golden(t, "4-click-example")
		ids := make(map[string]bool)
		for name, r := range map[string]*webhooktest.Receiver{"a": a, "b": b, "c": c} {
			n := 1
			if name == "a" {
				n = 2
			}
			if got := len(r.Requests()); got != n {
				t.Errorf("%s got %d requests, want %d", name, got, n)
			}
			for _, req := range r.Requests() {
				ids[req.ID()] = true
				if string(req.Body) != want {
					t.Errorf("%s got %s, want %s", name, req.Body, want)
				}
			}
		}
		if len(ids) != 1 || ids[""] {
			t.Errorf("ids %v, want one message", ids)
		}
	})
}

func TestBotWithNulls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		r := s.net.Receiver("a.example")
		s.box(workspaceScope(1), "http://a.example/")
		e := exampleClick()
		e.Link.Domain, e.Link.Rules, e.Link.URL = nil, nil, "https://example.com/?a=1&b=<2>"
		e.Click = Click{BotName: known("Googlebot"), Destination: e.Link.URL}
		s.clicked(t.Context(), e)
		<-s.ended
		if got, want := string(r.Requests()[0].Body), kittest.Golden(t, "4-click-bot-nulls"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestHangingReceiverIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		r := s.net.Receiver("hangs.example", webhooktest.Answer{Hang: true})
		s.box(linkScope(12345), "http://hangs.example/?secret=c4n4ry")
		start := time.Now()
		s.visit(human, "")
		if d := <-s.ended; d.State != webhook.Failed || d.Attempts != 1 {
			t.Errorf("%v after %d attempts, want failed after one", d.State, d.Attempts)
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("given up after %v, want 5s", took)
		}
		time.Sleep(24 * time.Hour)
		if n := len(r.Requests()); n != 1 || len(s.ended) != 0 {
			t.Errorf("%d requests a day later, want the one", n)
		}
	})
}

func TestHangingReceiversKeepNoClickFromAHealthyOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		healthy := s.net.Receiver("healthy.example")
		var lines []string
		for i := range 64 {
			host := fmt.Sprintf("hangs%d.example", i)
			s.net.Receiver(host, webhooktest.Answer{Hang: true})
			lines = append(lines, "http://"+host+"/")
		}
		s.box(workspaceScope(1), append(lines, "http://healthy.example/")...)
		start := time.Now()
		for range 3 {
			s.visit(human, "")
		}
		if _, err := healthy.Wait(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("the healthy receiver has its third click after %v, want it within 1s", took)
		}
		for range 3 * 65 {
			<-s.ended
		}
	})
}

func TestExcludedVisitors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		r := s.net.Receiver("a.example")
		s.box(linkScope(12345), "http://a.example/")
		s.visit(ignored, "")
		s.visit(office, "")
		look := s.look
		s.look = func(r *http.Request) Visitor {
			v := look(r)
			v.IP = netip.MustParseAddr("::ffff:198.51.100.7") // the same address, in IPv6
			return v
		}
		s.visit(human, "")
		synctest.Wait()
		if n := len(r.Requests()); n != 0 {
			t.Errorf("%d requests arrived, want none", n)
		}
		s.look = look
		s.visit(crawler, "")
		<-s.ended
		if got := r.Requests(); len(got) != 1 || !strings.Contains(string(got[0].Body), `"bot_name":"Googlebot"`) {
			t.Errorf("%d requests arrived, want one that names the crawler", len(got))
		}
	})
}

// TestNoErrorForTheVisitor: visit checks the redirect.
func TestNoErrorForTheVisitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		r := s.net.Receiver("a.example")
		s.box(linkScope(12345), "http://a.example/", "http://nowhere.example/")
		s.visit(human, "?a=%ff&b=1&b=2")
		<-s.ended
		<-s.ended
		if got := r.Requests(); len(got) != 1 || !strings.Contains(string(got[0].Body), "\"params\":{\"a\":\"\ufffd\",\"b\":\"1\"}") {
			t.Errorf("arrived %s, want params that are UTF-8", got)
		}
		s.visit(human, "?x="+strings.Repeat("x", 100_000)) // a body over the limit
		synctest.Wait()
		if n := len(r.Requests()); n != 1 || !strings.Contains(s.logs.String(), "a click called no webhook") {
			t.Errorf("%d requests and the log %s, want no second and a line", n, s.logs)
		}
		if err := s.d.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.visit(human, "") // the platform is about to end
		for _, path := range []string{"/", "/nothing"} {
			w := httptest.NewRecorder()
			s.mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
			if w.Code != http.StatusNotFound {
				t.Errorf("GET %s = %d, want 404", path, w.Code)
			}
		}
	})
}

func TestNoAnswerDisables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		r := s.net.Receiver("a.example", webhooktest.Statuses(410, 500, 200)...)
		s.box(linkScope(12345), "http://a.example/")
		for _, want := range []webhook.State{webhook.Failed, webhook.Failed, webhook.Delivered} {
			s.visit(human, "")
			if d := <-s.ended; d.State != want || d.Attempts != 1 {
				t.Errorf("%v after %d attempts, want %v after one", d.State, d.Attempts, want)
			}
		}
		if n := len(r.Requests()); n != 3 {
			t.Errorf("%d requests arrived, want 3", n)
		}
	})
}

func TestSecretsAreNotLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.net.Receiver("ok.example", webhooktest.Answer{Body: "you said c4n4ry-query"})
		s.net.Receiver("broken.example", webhooktest.Answer{Status: 500, Body: "c4n4ry-query"})
		s.net.Receiver("moved.example", webhooktest.Answer{Status: 302, Header: http.Header{"Location": {"http://x.example/c4n4ry"}}})
		s.net.Receiver("gone.example", webhooktest.Answer{Status: 410})
		s.net.Receiver("hangs.example", webhooktest.Answer{Hang: true})
		const secrets = "/c4n4ry-path/x?secret=c4n4ry-query"
		s.box(linkScope(12345), "http://ok.example"+secrets, "http://broken.example"+secrets, "http://moved.example"+secrets,
			"http://gone.example"+secrets, "http://hangs.example"+secrets, "http://nowhere.example"+secrets)
		s.visit(human, "")
		for range 6 {
			d := <-s.ended
			if text := fmt.Sprintf("%+v", d); strings.Contains(text, "c4n4ry") {
				t.Errorf("a delivery shows a secret: %s", text)
			}
		}
		if err := s.d.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		logs := s.logs.String()
		if n := strings.Count(logs, "delivery failed"); n != 5 {
			t.Errorf("the log has %d failures, want 5:\n%s", n, logs)
		}
		if strings.Contains(logs, "c4n4ry") {
			t.Errorf("the log shows a secret:\n%s", logs)
		}
	})
}

// TestNoAddressInTheType holds that a type with an address is refused before
// anything can be sent.
func TestNoAddressInTheType(t *testing.T) {
	type leaky struct {
		ClickEvent
		Visitor struct {
			IP netip.Addr `json:"ip"`
		} `json:"visitor"`
	}
	if err := payload.Describe(payload.NewCatalog(), "click", "", leaky{ClickEvent: exampleClick()}); !errors.Is(err, payload.ErrUnsupported) {
		t.Errorf("Describe = %v, want %v", err, payload.ErrUnsupported)
	}
	p, err := newPlatform(webhook.Config{}, httpsOnly)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.d.Dispatch(t.Context(), leaky{ClickEvent: exampleClick()}, linkScope(1))
	var field *payload.FieldError
	if !errors.As(err, &field) || field.Path != "visitor.ip" || !errors.Is(err, payload.ErrUnsupported) {
		t.Errorf("Dispatch = %v, want an error of visitor.ip, also where nobody listens", err)
	}
}
