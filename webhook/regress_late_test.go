package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

// hangingQueue keeps each Settle until its context ends, until it is open.
type hangingQueue struct {
	*memstore.Store
	open atomic.Bool
}

func (q *hangingQueue) Settle(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
	if q.open.Load() {
		return q.Store.Settle(ctx, items)
	}
	<-ctx.Done()
	return webhook.Settled{}, ctx.Err()
}

// Shutdown ends while the store hangs, whichever try of a settlement it meets.
func TestShutdownEndsWhileTheStoreHangs(t *testing.T) {
	for _, at := range []time.Duration{0, 10, 20, 30, 33, 40, 43, 50} {
		t.Run((at * time.Second).String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := &hangingQueue{}
				r := newRig(t, func(c *webhook.Config) {
					q.Store = c.Queue.(*memstore.Store)
					c.Queue = q
					c.DrainTimeout = 30 * time.Second
					c.Hooks.StoreFailed = nil
				})
				defer r.net.Close()
				r.net.Receiver("a.example")
				r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
				done := make(chan error, 2)
				go func() { done <- r.d.Run(context.Background()) }()
				r.dispatch(leadCreated{Email: "x"}, link1)
				synctest.Wait()
				time.Sleep(at * time.Second)
				go func() { done <- r.d.Shutdown(context.Background()) }()
				time.Sleep(time.Minute)
				if n := len(done); n != 2 {
					t.Errorf("of Run and Shutdown, %d ended within a minute, want both", n)
				}
				q.open.Store(true)
				for range 2 {
					if err := <-done; err != nil {
						t.Errorf("Run or Shutdown = %v, want nil", err)
					}
				}
			})
		})
	}
}

// deafTransport answers late, whatever becomes of the request's context.
type deafTransport struct{}

func (deafTransport) RoundTrip(*http.Request) (*http.Response, error) {
	time.Sleep(5 * time.Minute)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// What ends after Shutdown's patience is stored if the store takes it, and
// given up if not.
func TestShutdownEndsAfterALateRequest(t *testing.T) {
	for _, open := range []bool{true, false} {
		t.Run(fmt.Sprintf("open=%t", open), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := &hangingQueue{}
				r := newRig(t, func(c *webhook.Config) {
					q.Store = c.Queue.(*memstore.Store)
					c.Queue = q
					c.Hooks.StoreFailed = nil
					c.Transports = []webhook.Transport{{Name: "deaf", RoundTripper: deafTransport{}}}
				})
				defer r.net.Close()
				q.open.Store(open)
				r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
				done := make(chan error, 2)
				go func() { done <- r.d.Run(context.Background()) }()
				r.dispatch(leadCreated{Email: "x"}, link1)
				time.Sleep(time.Second)
				go func() { done <- r.d.Shutdown(context.Background()) }()
				time.Sleep(6 * time.Minute)
				if n := len(done); n != 2 {
					t.Errorf("of Run and Shutdown, %d ended within a minute of the answer, want both", n)
				}
				if n := len(r.ended); n == 1 != open {
					t.Errorf("%d deliveries ended, while the store was open: %t", n, open)
				}
				q.open.Store(true)
				for range 2 {
					if err := <-done; err != nil {
						t.Errorf("Run or Shutdown = %v, want nil", err)
					}
				}
			})
		})
	}
}
