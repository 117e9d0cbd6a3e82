package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"

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

// instant answers 200 without a network.
type instant struct{}

func (instant) RoundTrip(req *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, req.Body)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}, Request: req}, nil
}

// BenchmarkDispatch measures the caller's side alone: validate, match, encode,
// hand over. Beside it stands the HMAC-SHA256 of 1 KiB.
func BenchmarkDispatch(b *testing.B) {
	for _, registered := range []int{1, 100_000} {
		b.Run(fmt.Sprintf("registered=%d", registered), func(b *testing.B) {
			store := memstore.New(memstore.Options{})
			for i := range registered {
				_, err := store.Set(context.Background(), &webhook.Endpoint{
					ID: strconv.Itoa(i), Scope: webhook.In("link", strconv.Itoa(i)), URL: "http://a.example/", Encoder: "form", Policy: "fire-and-forget",
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			d, err := webhook.New(webhook.Config{
				Endpoints: store, Queue: store, MaxWaiting: 1 << 30, MaxVolatile: 1 << 30,
				Transports: []webhook.Transport{{Name: "instant", RoundTripper: instant{}}},
			})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = d.Shutdown(context.Background()) }()
			e := &lead{AdID: "72", Email: "test@transactionale.com", Coupon: "TRCOUPON", First: "Marianna", Zip: "12345"}
			scope := webhook.In("link", "0")
			ctx := context.Background()
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
