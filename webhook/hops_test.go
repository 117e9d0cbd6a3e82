package webhook_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// requestContext returns the context of a request that a Middleware let
// through, with a header of hops if there is one.
func requestContext(t *testing.T, hops ...string) context.Context {
	t.Helper()
	key := signer.GenerateSecret()
	v, err := signer.NewVerifier(signer.VerifierOptions{Keys: []signer.Key{key}})
	if err != nil {
		t.Fatal(err)
	}
	r := &signer.Request{ID: "msg_1", Time: time.Now(), Header: http.Header{}, Keys: []signer.Key{key}}
	if err := signer.Standard().Sign(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if hops != nil {
		r.Header[signer.HopsHeader] = hops
	}
	in, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://a.example/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	in.Header = r.Header
	var through *http.Request
	v.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { through = r })).ServeHTTP(nil, in)
	return through.Context()
}

// TestHopsAreCounted dispatches with the context of requests, and looks at what
// goes out: the first attempt, a retry, and a redelivery.
func TestHopsAreCounted(t *testing.T) {
	for _, tt := range []struct {
		name string
		hops []string // of the request; empty: without the header
		none bool     // without any request
		want string
	}{
		{name: "no request", none: true},
		{name: "a first message", want: "1"},
		{name: "an explicit zero", hops: []string{"0"}, want: "1"},
		{name: "the third", hops: []string{"2"}, want: "3"},
		{name: "the last but one", hops: []string{"7"}, want: "8"},
		{name: "the last", hops: []string{"8"}, want: "loop"},
		{name: "far", hops: []string{"999"}, want: "loop"},
		{name: "nonsense", hops: []string{"-1"}, want: "loop"},
		{name: "two lines", hops: []string{"1", "1"}, want: "loop"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *webhook.Config) {
					c.Policies = []retry.Policy{{Name: "p", Schedule: retry.Fixed(time.Second, time.Second)}}
				})
				recv := r.net.Receiver("a.example", webhooktest.Answer{Status: 500}, webhooktest.Answer{})
				e := webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"}
				r.set(e)
				r.run()
				ctx := context.Background()
				if !tt.none {
					ctx = requestContext(t, tt.hops...)
				}
				receipt, err := r.d.Dispatch(ctx, leadCreated{Email: "x@example.com"}, link1)
				if tt.want == "loop" {
					_, err1 := r.d.DispatchTo(ctx, leadCreated{Email: "x@example.com"}, e)
					tx := r.store.Begin()
					_, err2 := r.d.DispatchTx(ctx, r.store.InTx(tx), leadCreated{Email: "x@example.com"}, link1)
					for _, err := range []error{err, err1, err2} {
						if !errors.Is(err, webhook.ErrLoop) {
							t.Errorf("Dispatch, DispatchTo, DispatchTx = %v, want ErrLoop", err)
						}
					}
					if err := tx.Commit(); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Minute)
					if n := len(recv.Requests()); n > 0 {
						t.Errorf("%d requests were sent, want none", n)
					}
					return
				}
				if err != nil {
					t.Fatalf("Dispatch = %v, want nil", err)
				}
				r.end()
				if _, err := r.d.Redeliver(context.Background(), receipt.Deliveries[0].ID); err != nil {
					t.Fatalf("Redeliver = %v, want nil", err)
				}
				r.end()
				var got []string
				for _, req := range recv.Requests() {
					got = append(got, req.Header.Get(signer.HopsHeader))
				}
				if want := []string{tt.want, tt.want, tt.want}; !slices.Equal(got, want) {
					t.Errorf("attempt, retry and redelivery carried the hops %q, want %q", got, want)
				}
				a := <-r.tries
				i := slices.IndexFunc(a.Header, func(h payload.Header) bool { return h.Name == signer.HopsHeader })
				if tt.want != "" && (i < 0 || a.Header[i].Value != tt.want) {
					t.Errorf("the history shows %v, want the hops %s", a.Header, tt.want)
				}
			})
		})
	}
}

// TestHopsAreNotForEndpoints wants the header refused where a customer sets it.
func TestHopsAreNotForEndpoints(t *testing.T) {
	r := newRig(t, nil)
	for _, name := range []string{signer.HopsHeader, strings.ToLower(signer.HopsHeader), strings.ToUpper(signer.HopsHeader)} {
		e := webhook.Endpoint{Scope: link1, URL: "http://a.example/", Headers: []webhook.Header{{Name: name, Value: "0"}}}
		if err := r.d.Check(&e); err == nil {
			t.Errorf("Check with the header %s = nil, want an error", name)
		}
	}
}

func TestMaxHopsIsChecked(t *testing.T) {
	for _, n := range []int{-1, signer.MaxHops + 1} {
		_, err := webhook.New(webhook.Config{MaxHops: n})
		if fault := new(webhook.ConfigError); !errors.As(err, &fault) || fault.Field != "MaxHops" {
			t.Errorf("New with MaxHops %d = %v, want a fault of MaxHops", n, err)
		}
	}
}
