package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

type lead struct {
	AdID   string `form:"ad_id" json:"ad_id" webhook:"required"`
	Email  string `form:"email" json:"email" webhook:"required"`
	Coupon string `form:"coupon_code,omitempty" json:"coupon_code,omitempty"`
	First  string `form:"first_name,omitempty" json:"first_name,omitempty"`
	Zip    string `form:"zip_code,omitempty" json:"zip_code,omitempty"`
}

func (*lead) EventType() string { return "lead" }

func newLead() *lead {
	return &lead{AdID: "72", Email: "test@transactionale.com", Coupon: "TRCOUPON", First: "Marianna", Zip: "12345"}
}

// instant answers 200 without a network.
type instant struct{}

func (instant) RoundTrip(req *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, req.Body)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}, Request: req}, nil
}

// hanging never answers, so that nothing but Dispatch runs.
type hanging struct{}

func (hanging) RoundTrip(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// benchDispatcher makes a dispatcher over n endpoints like e, of the scopes
// link:0, link:1 and so on, or all of the scope that e has.
func benchDispatcher(b *testing.B, rt http.RoundTripper, n int, e webhook.Endpoint, hooks webhook.Hooks) *webhook.Dispatcher {
	b.Helper()
	store := memstore.New(memstore.Options{MaxPending: 1 << 30, MaxBytes: 1 << 40})
	scope := e.Scope
	for i := range n {
		e.ID = strconv.Itoa(i)
		e.Name, e.URL = e.ID, "http://a.example/"
		if e.Scope = scope; scope == "" {
			e.Scope = webhook.In("link", e.ID)
		}
		if _, err := store.Set(context.Background(), &e); err != nil {
			b.Fatal(err)
		}
	}
	d, err := webhook.New(webhook.Config{
		Endpoints: store, Queue: store, MaxWaiting: 1 << 30, MaxVolatile: 1 << 30, Hooks: hooks,
		Transports: []webhook.Transport{{Name: "own", RoundTripper: rt}},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		over, cancel := context.WithCancel(context.Background())
		cancel()
		_ = d.Shutdown(over) // what hangs is cut off
	})
	return d
}

// BenchmarkDispatch measures the caller's side alone: validate, match, encode,
// hand over. Beside it stands the HMAC-SHA256 of 1 KiB.
func BenchmarkDispatch(b *testing.B) {
	for _, registered := range []int{1, 100_000} {
		b.Run(fmt.Sprintf("registered=%d", registered), func(b *testing.B) {
			d := benchDispatcher(b, hanging{}, registered, webhook.Endpoint{Encoder: "form", Policy: "fire-and-forget"}, webhook.Hooks{})
			e, scope, ctx := newLead(), webhook.In("link", "0"), context.Background()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Dispatch(ctx, e, scope); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("hmac-sha256-1KiB", func(b *testing.B) {
		mac := hmac.New(sha256.New, make([]byte, 32))
		body, sum := make([]byte, 1024), make([]byte, 0, 32)
		b.ReportAllocs()
		for b.Loop() {
			mac.Reset()
			mac.Write(body)
			sum = mac.Sum(sum[:0])
		}
	})
}

// BenchmarkFanOut stores one event for 10,000 endpoints.
func BenchmarkFanOut(b *testing.B) {
	const n = 10_000
	d := benchDispatcher(b, hanging{}, n, webhook.Endpoint{Scope: "list:1", Policy: "at-least-once"}, webhook.Hooks{})
	e, scope, ctx := newLead(), webhook.In("list", "1"), context.Background()
	e.Coupon = strings.Repeat("x", 1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Dispatch(ctx, e, scope); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/delivery")
}

// BenchmarkDeliver measures all that a delivery costs but the request itself,
// signing included: from Dispatch to the final state.
func BenchmarkDeliver(b *testing.B) {
	for _, policy := range []string{"fire-and-forget", "at-least-once"} {
		b.Run(policy, func(b *testing.B) {
			key, err := signer.ParseSecret("whsec_" + strings.Repeat("MDEy", 8))
			if err != nil {
				b.Fatal(err)
			}
			const most = 256 // on their way at a time
			room := make(chan struct{}, most)
			hooks := webhook.Hooks{Ended: func(context.Context, webhook.Delivery) { <-room }}
			d := benchDispatcher(b, instant{}, 1, webhook.Endpoint{Policy: policy, Secrets: []signer.Key{key}}, hooks)
			ctx, cancel := context.WithCancel(context.Background())
			ran := make(chan error, 1)
			go func() { ran <- d.Run(ctx) }()
			e, scope := newLead(), webhook.In("link", "0")
			e.Coupon = strings.Repeat("x", 1024)
			b.ReportAllocs()
			for b.Loop() {
				room <- struct{}{}
				if _, err := d.Dispatch(ctx, e, scope); err != nil {
					b.Fatal(err)
				}
			}
			for range most {
				room <- struct{}{}
			}
			cancel()
			if err := <-ran; err != nil {
				b.Fatal(err)
			}
		})
	}
}
