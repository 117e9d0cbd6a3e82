package webhook_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// A Lease that leaves no time to wait for a place and to settle is refused:
// nothing would ever be sent under it.
func TestNewRefusesALeaseThatNothingFitsInto(t *testing.T) {
	for _, tt := range []struct {
		name    string
		timeout time.Duration
		ok      bool
	}{
		{name: "no margin", timeout: 60 * time.Second},
		{name: "the margin of settling alone", timeout: 55 * time.Second},
		{name: "a little less than both margins", timeout: 50*time.Second + 1},
		{name: "both margins", timeout: 50 * time.Second, ok: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := retry.AtLeastOnce()
			p.Timeout = tt.timeout
			store := memstore.New(memstore.Options{})
			_, err := webhook.New(webhook.Config{Endpoints: store, Queue: store, Policies: []retry.Policy{p}, Lease: time.Minute})
			if tt.ok != (err == nil) || err != nil && !strings.Contains(err.Error(), "Lease") {
				t.Errorf("New with Timeout %v, Lease 1m = %v, want ok %v", tt.timeout, err, tt.ok)
			}
		})
	}
}

// The least Lease that New takes is long enough to send.
func TestLeastLeaseIsEnoughToSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config) {
			p := retry.AtLeastOnce()
			p.Timeout = 50 * time.Second // and the default Lease is 60 s
			c.Policies = []retry.Policy{p}
		})
		r.net.Receiver("a.example")
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		r.run()
		start := time.Now()
		r.dispatch(leadCreated{Email: "x"}, link1)
		if d := r.end(); d.State != webhook.Delivered || time.Since(start) > time.Second {
			t.Errorf("ended %v after %v, want delivered at once", d.State, time.Since(start))
		}
	})
}

// Claims by processes that die before they send anything use up no attempts.
func TestCrashLoopUsesUpNoAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		recv := r.net.Receiver("a.example")
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		for range 100 {
			r.dispatch(leadCreated{Email: "x"}, link1)
		}
		for range 10 { // claimed, and killed while all of it waited in lanes
			got, err := r.store.Claim(t.Context(), webhook.Claim{Limit: 500, MaxBytes: 16 << 20, PerEndpoint: 500, Lease: time.Minute})
			if err != nil || len(got) != 100 {
				t.Fatalf("Claim = %d, %v; want 100", len(got), err)
			}
			time.Sleep(2 * time.Minute)
		}
		r.run()
		time.Sleep(10 * time.Minute)
		if got := r.states(); got[webhook.Delivered] != 100 || len(recv.Requests()) != 100 {
			t.Errorf("ended %v with %d requests, want 100 delivered with 100", got, len(recv.Requests()))
		}
	})
}

// lateClaim is a store whose answer to a claim is a while on its way.
type lateClaim struct{ *memstore.Store }

func (q lateClaim) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
	got, err := q.Store.Claim(ctx, c)
	select {
	case <-time.After(50 * time.Millisecond):
		return got, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// The end of Run does not cut off a claim whose work the store has handed out.
func TestEndOfRunLosesNoClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config) {
			c.Queue = lateClaim{c.Queue.(*memstore.Store)}
			onlyAtMostOnce(c)
		})
		r.net.Receiver("a.example")
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		for range 20 {
			r.dispatch(leadCreated{Email: "x"}, link1)
		}
		if v := r.runFor(t, 20*time.Millisecond); v != nil { // a deploy
			t.Errorf("Run panicked: %v", v)
		}
		r.run()
		time.Sleep(10 * time.Minute)
		if got := r.states(); got[webhook.Delivered] != 20 || len(got) != 1 {
			t.Errorf("ended %v after a clean end of Run, want 20 delivered", got)
		}
	})
}

// What waits behind a slow request of its endpoint, in one of two processes,
// is not sent twice nor given up because its lease ends.
func TestWaitingBehindASlowRequestOutlivesNoLease(t *testing.T) {
	for _, policy := range []retry.Policy{retry.AtMostOnce(), retry.AtLeastOnce()} {
		t.Run(policy.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				ended := map[webhook.State]int{}
				change := func(c *webhook.Config) {
					c.Policies = []retry.Policy{policy}
					c.Hooks.Ended = func(_ context.Context, d webhook.Delivery) {
						mu.Lock()
						defer mu.Unlock()
						if d.EndpointID == "slow" {
							ended[d.State]++
						}
					}
				}
				r := newRig(t, change)
				other := newRig(t, func(c *webhook.Config) {
					change(c)
					c.Endpoints, c.Queue, c.Transports = r.store, r.store, []webhook.Transport{r.net.Transport()}
				})
				slow := r.net.Receiver("slow.example", webhooktest.Answer{Delay: 14 * time.Second})
				r.net.Receiver("busy.example")
				r.set(webhook.Endpoint{ID: "slow", Scope: "link:2", URL: "http://slow.example/", MaxConcurrent: 1})
				r.set(webhook.Endpoint{ID: "busy", Scope: link1, URL: "http://busy.example/"})
				for range 8 {
					r.dispatch(leadCreated{Email: "x"}, "link:2")
				}
				r.run()
				synctest.Wait() // it claims all eight
				other.run()
				for range 20 * 180 { // three minutes of 20 events a second
					r.dispatch(leadCreated{Email: "y"}, link1)
					time.Sleep(50 * time.Millisecond)
				}
				mu.Lock()
				defer mu.Unlock()
				if ended[webhook.Delivered] != 8 || len(ended) != 1 || len(slow.Requests()) != 8 {
					t.Errorf("the slow endpoint's eight ended %v with %d requests, want 8 delivered with 8", ended, len(slow.Requests()))
				}
			})
		})
	}
}

// slowClaim is a store that takes its time once it has handed out work.
type slowClaim struct{ *memstore.Store }

func (q slowClaim) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
	got, err := q.Store.Claim(ctx, c)
	if len(got) > 0 {
		time.Sleep(20 * time.Millisecond)
	}
	return got, err
}

// Shutdown in a hurry cancels also what a claim under way brings in.
func TestHurriedShutdownWaitsForNoReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config) { c.Queue = slowClaim{c.Queue.(*memstore.Store)} })
		r.net.Receiver("a.example", webhooktest.Answer{Hang: true})
		for id := range strings.SplitSeq("abcdefghijklmnopqrstuvwxyz", "") {
			r.set(webhook.Endpoint{ID: id, Name: id, Scope: link1, URL: "http://a.example/"})
		}
		r.dispatch(leadCreated{Email: "x"}, link1)
		done := make(chan error, 1)
		go func() { done <- r.d.Run(context.Background()) }()
		time.Sleep(10 * time.Millisecond)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		if err := r.d.Shutdown(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown = %v, want canceled", err)
		}
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("Shutdown with an ended context took %v", took)
		}
		r.net.Close()
	})
}
