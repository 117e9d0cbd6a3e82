package hostile_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// TestFanOutIsBounded registers one endpoint more than the default bound.
func TestFanOutIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 16384 // the documented default
		n := webhooktest.NewNetwork(t)
		got := n.Receiver("a.example")
		r := start(t, time.Second, n.Transport(), nil)
		for i := range most + 1 {
			id := strconv.Itoa(i)
			r.set(t, webhook.Endpoint{ID: id, Name: id, Scope: scope, URL: "http://a.example/" + id})
		}
		if _, err := r.Dispatch(context.Background(), clicked{}, scope); !errors.Is(err, webhook.ErrFanOut) {
			t.Errorf("Dispatch to %d endpoints = %v, want ErrFanOut", most+1, err)
		}
		synctest.Wait()
		if requests := len(got.Requests()); requests != 0 {
			t.Errorf("%d requests were sent, want none", requests)
		}
		r.stop(t)
		n.Close()
	})
}

// TestSamplesAreLimited presses the button too often.
func TestSamplesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := webhooktest.NewNetwork(t)
		got := n.Receiver("a.example")
		r := start(t, time.Second, n.Transport(), func(c *webhook.Config) {
			c.Catalog = payload.NewCatalog()
			if err := payload.Describe(c.Catalog, "link.clicked", "", clicked{Text: "sample"}); err != nil {
				t.Fatal(err)
			}
		})
		ctx := context.Background()
		press := func(s webhook.Scope, times int) (refused int) {
			for i := range times {
				e := webhook.Endpoint{Scope: s, URL: "http://a.example/" + strconv.Itoa(i)}
				_, err := r.SendSample(ctx, e, "link.clicked")
				if i%2 == 1 {
					_, err = r.Verify(ctx, e, signer.OriginHandshake{Origin: "example.com"})
				}
				if errors.Is(err, webhook.ErrRate) {
					refused++
				}
			}
			return refused
		}
		press("user:1", 30)
		if sent := len(got.Requests()); sent != 10 {
			t.Errorf("45 samples and handshakes in a moment sent %d requests, want 10", sent)
		}
		if refused := press("user:2", 5); refused != 0 {
			t.Errorf("another scope was refused %d of 5 samples, want none", refused)
		}
		time.Sleep(time.Minute + 2*time.Second) // the count is kept in slices of it
		if refused := press("user:1", 1); refused != 0 {
			t.Errorf("a minute later a sample was refused")
		}
		r.stop(t)
		n.Close()
	})
}

// TestLoopsStop lets two hosts feed each other over sockets, each dispatching
// what it hears with the context of the verified request.
func TestLoopsStop(t *testing.T) {
	const most = 3
	key := signer.GenerateSecret()
	v, err := signer.NewVerifier(signer.VerifierOptions{Keys: []signer.Key{key}})
	if err != nil {
		t.Fatal(err)
	}
	via := webhook.Transport{Name: "local", Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	var hosts [2]*rig
	for i := range hosts {
		hosts[i] = start(t, 10*time.Second, via, func(c *webhook.Config) { c.MaxHops = most })
	}
	type heard struct {
		hops int
		err  error // of the dispatch that followed
	}
	requests := make(chan heard, 100)
	for i, here := range hosts {
		s := httptest.NewServer(v.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got, _, _ := signer.FromContext(r.Context())
			_, err := here.Dispatch(r.Context(), clicked{Text: "again"}, scope)
			requests <- heard{got.Hops, err}
		})))
		defer s.Close()
		hosts[1-i].set(t, webhook.Endpoint{ID: "other", Scope: scope, URL: s.URL, Secrets: []signer.Key{key}})
	}
	hosts[0].dispatch(t, clicked{Text: "first"})
	var hops []int
	for len(hops) <= most {
		h := <-requests
		hops = append(hops, h.hops)
		if isLast := h.hops == most; errors.Is(h.err, webhook.ErrLoop) != isLast {
			t.Errorf("after %d hops Dispatch = %v, want ErrLoop after %d alone", h.hops, h.err, most)
		}
	}
	slices.Sort(hops) // a request may be told of after the one that followed it
	if want := []int{0, 1, 2, 3}; !slices.Equal(hops, want) {
		t.Errorf("requests had the hops %v, want %v", hops, want)
	}
	for _, h := range hosts {
		h.stop(t) // what was accepted has been sent by then
	}
	if n := len(requests); n > 0 {
		t.Errorf("%d requests followed the last, want none", n)
	}
	for i, h := range hosts {
		if n := len(h.ended); n != 2 {
			t.Errorf("host %d has sent %d messages, want 2", i, n)
		}
	}
}
