package hostile_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
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

type locked struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}
