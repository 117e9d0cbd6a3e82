package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// A window that has grown is used at once: more workers wake for it.
func TestGrownWindowIsUsedAtOnce(t *testing.T) {
	for _, policy := range []string{"fire-and-forget", "at-least-once"} {
		t.Run(policy, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				r.net.Receiver("a.example", webhooktest.Answer{Delay: 90 * time.Millisecond})
				r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/", Policy: policy})
				for range 64 {
					r.dispatch(leadCreated{Email: "x"}, link1)
				}
				start := time.Now()
				r.run()
				for range 64 {
					r.end()
				}
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("64 deliveries of 90ms took %v, want well below the 5.76s of one after another", took)
				}
			})
		})
	}
}

// Volatile deliveries that wait behind one of their key count for MaxWaiting.
func TestOrderedVolatileDeliveriesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config) {
			c.MaxWaiting, c.MaxVolatile = 10, 100
			c.Policies = []retry.Policy{retry.FireAndForget()}
		})
		r.net.Receiver("a.example", webhooktest.Answer{}, webhooktest.Answer{}, webhooktest.Answer{}, webhooktest.Answer{Hang: true})
		r.net.Receiver("b.example")
		r.set(webhook.Endpoint{ID: "a", Scope: "link:2", URL: "http://a.example/", Ordered: true})
		r.set(webhook.Endpoint{ID: "b", Scope: link1, URL: "http://b.example/"})
		for range 3 {
			r.dispatch(leadCreated{Email: "x"}, "link:2")
			r.end()
		}
		kept := 0
		for range 1000 {
			if got := r.dispatch(leadCreated{Email: "x"}, "link:2"); got.Deliveries[0].State == webhook.Pending {
				kept++
			}
			synctest.Wait()
		}
		neighbour := r.dispatch(leadCreated{Email: "y"}, link1).Deliveries[0]
		if kept > 12 || neighbour.State != webhook.Pending {
			t.Errorf("a keeps %d with MaxWaiting 10; its neighbour's delivery is %v (%s)", kept, neighbour.State, neighbour.Reason)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.d.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown = %v, want deadline exceeded", err)
		}
		r.net.Close()
	})
}

// hangingBatches is a Queue whose shared commits hang.
type hangingBatches struct{ webhook.Queue }

func (hangingBatches) EnqueueAll(ctx context.Context, _ []*webhook.Batch) ([][]webhook.Existing, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Dispatch returns when its context ends, also out of a commit that it shares.
func TestDispatchOutlivesNotItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config) { c.Queue = hangingBatches{c.Queue} })
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		for range 6 { // the first lead commits, the last wait for a leader
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			start := time.Now()
			_, err := r.d.Dispatch(ctx, leadCreated{Email: "x"}, link1)
			if took := time.Since(start); took > 200*time.Millisecond || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Dispatch with 100ms = %v after %v, want deadline exceeded in time", err, took)
			}
			cancel()
		}
		r.finish(t)
	})
}

// Fields are told apart one by one: ["email,name"] is not ["email", "name"].
func TestFieldsOfOneEndpointSpoilNoOthers(t *testing.T) {
	r := newRig(t, func(c *webhook.Config) {
		c.Catalog = payload.NewCatalog()
		if err := payload.Describe(c.Catalog, "lead.created", "a lead", leadCreated{Email: "x@example.com"}); err != nil {
			t.Fatal(err)
		}
	})
	bad := webhook.Endpoint{ID: "bad", Scope: "user:2", URL: "http://a.example/", Fields: []string{"email,name"}}
	if err := r.d.Check(&bad); err == nil {
		t.Error("Check of the field \"email,name\" = nil, want an error")
	}
	good := webhook.Endpoint{ID: "good", Scope: link1, URL: "http://a.example/", Fields: []string{"email", "name"}}
	if err := r.d.Check(&good); err != nil {
		t.Errorf("Check of a good endpoint after a bad one = %v, want nil", err)
	}
	r.finish(t)
}

// A store that cannot park is not asked for the same deliveries in a hot loop.
func TestFailingParkIsNoHotLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q *queueCounts
		r := newRig(t, func(c *webhook.Config) {
			q = &queueCounts{Queue: c.Queue, noPark: true}
			c.Queue = q
			c.Hooks.StoreFailed = nil
		})
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/", Status: webhook.Paused})
		for range 2000 {
			r.dispatch(leadCreated{Email: "x"}, link1)
		}
		r.run()
		time.Sleep(10 * time.Second)
		if n := q.claims.Load(); n > 300 {
			t.Errorf("%d claims and %d settlements in 10 s, want one claim each PollInterval or so", n, q.settled.Load())
		}
		if q.parks.Load() == 0 {
			t.Error("Park was not called")
		}
	})
}

// awayEndpoints finds who listens, and then no endpoint.
type awayEndpoints struct{ webhook.EndpointStore }

func (awayEndpoints) Endpoints(context.Context, []string) ([]*webhook.Endpoint, error) {
	return nil, errAway
}

// An EndpointStore that is away does not make a hot loop of claims.
func TestEndpointsAwayIsNoHotLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q *queueCounts
		r := newRig(t, func(c *webhook.Config) {
			q = &queueCounts{Queue: c.Queue}
			c.Queue = q
			c.Endpoints = awayEndpoints{c.Endpoints}
			c.Hooks.StoreFailed = nil
		})
		for i := range 20 {
			id := strconv.Itoa(i)
			r.set(webhook.Endpoint{ID: id, Name: id, Scope: link1, URL: "http://a.example/"})
		}
		for range 1000 {
			r.dispatch(leadCreated{Email: "x"}, link1)
		}
		r.run()
		time.Sleep(10 * time.Second)
		if n := q.claims.Load(); n > 300 {
			t.Errorf("20,000 pending and endpoints away for 10 s: %d claims, %d settlements", n, q.settled.Load())
		}
	})
}

// Endpoints that are all new use the whole of the dispatcher.
func TestNewEndpointsUseAllSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const endpoints, delay = 1000, 50 * time.Millisecond
		r := newRig(t, nil)
		recv := r.net.Receiver("a.example", webhooktest.Answer{Delay: delay})
		for i := range endpoints {
			id := fmt.Sprintf("e%03d", i)
			r.set(webhook.Endpoint{ID: id, Name: id, Scope: link1, URL: "http://a.example/"})
		}
		r.dispatch(leadCreated{Email: "x"}, link1)
		r.run()
		most := (endpoints/64 + 1) * delay // 64 at a time
		time.Sleep(most)
		if got := r.states(); got[webhook.Delivered] != endpoints || len(recv.Requests()) != endpoints {
			t.Errorf("after %v: %v with %d requests, want %d delivered", most, got, len(recv.Requests()), endpoints)
		}
	})
}
