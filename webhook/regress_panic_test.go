package webhook_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// table is a Schedule that trusts in n being at least one.
type table []time.Duration

func (s table) Next(n int) (time.Duration, bool) {
	if n > len(s) {
		return 0, false
	}
	return s[n-1], true
}

// A Schedule is asked for n of one and more, as its contract says.
func TestScheduleIsNeverAskedForZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config) {
			c.Policies = []retry.Policy{{Name: "p", Schedule: table{time.Second, time.Second}}}
		})
		r.net.Receiver("a.example", webhooktest.Statuses(500, 200)...)
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		r.dispatch(leadCreated{Email: "x"}, link1)
		if v := r.runFor(t, time.Minute); v != nil {
			t.Errorf("Run panicked: %v", v)
		}
		r.finish(t)
		if got := r.states(); got[webhook.Delivered] != 1 {
			t.Errorf("ended %v, want one delivered", got)
		}
	})
}

// fragile is a Schedule that panics after the second attempt.
type fragile struct{}

func (fragile) Next(n int) (time.Duration, bool) {
	if n == 2 {
		panic("schedule")
	}
	return time.Millisecond, true
}

// A Schedule's panic on a worker is contained: it costs its own delivery.
func TestPanicInAScheduleCostsOneDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var panicked atomic.Int64
		r := newRig(t, func(c *webhook.Config) {
			c.Policies = []retry.Policy{{Name: "p", Schedule: fragile{}, Jitter: -1}, retry.AtMostOnce()}
			c.Hooks.Panicked = func(context.Context, string, any, []byte) { panicked.Add(1) }
		})
		r.net.Receiver("a.example", webhooktest.Answer{Status: 500})
		r.net.Receiver("b.example")
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		r.set(webhook.Endpoint{ID: "b", Name: "b", Scope: link1, URL: "http://b.example/", Policy: "at-most-once"})
		r.run()
		r.dispatch(leadCreated{Email: "x"}, link1)
		time.Sleep(time.Minute)
		if got := r.states(); got[webhook.Failed] != 1 || got[webhook.Delivered] != 1 {
			t.Errorf("ended %v, want the fragile one failed, and its neighbour delivered", got)
		}
		if panicked.Load() == 0 {
			t.Error("Panicked was not called")
		}
	})
}

// panicEndpoints panics while it is armed.
type panicEndpoints struct {
	webhook.EndpointStore
	armed *atomic.Bool
}

func (p panicEndpoints) Endpoints(ctx context.Context, ids []string) ([]*webhook.Endpoint, error) {
	if p.armed.Load() {
		panic("endpoints")
	}
	return p.EndpointStore.Endpoints(ctx, ids)
}

// A panic of the EndpointStore is a failure of the store: Run goes on.
func TestPanicInEndpointsIsAFailureOfTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var armed atomic.Bool
		armed.Store(true)
		r := newRig(t, func(c *webhook.Config) { c.Endpoints = panicEndpoints{c.Endpoints, &armed} })
		r.net.Receiver("a.example")
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		r.dispatch(leadCreated{Email: "x"}, link1)
		time.AfterFunc(10*time.Second, func() { armed.Store(false) })
		if v := r.runFor(t, 5*time.Minute); v != nil {
			t.Errorf("Run panicked: %v", v)
		}
		r.finish(t)
		if got := r.states(); got[webhook.Delivered] != 1 {
			t.Errorf("ended %v, want one delivered once the store was well", got)
		}
	})
}

// A panic of ResolveTransport costs one delivery, whatever its policy.
func TestPanicInResolveTransportCostsOneDelivery(t *testing.T) {
	for _, tt := range []struct {
		name, policy string
		atDispatch   bool // it panics from the beginning, else once Run begins
	}{
		{name: "volatile", policy: "fire-and-forget", atDispatch: true},
		{name: "stored, at Dispatch", policy: "at-least-once", atDispatch: true},
		{name: "stored, later", policy: "at-least-once"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var armed atomic.Bool
				armed.Store(tt.atDispatch)
				r := newRig(t, func(c *webhook.Config) {
					c.ResolveTransport = func(e *webhook.Endpoint) string {
						if e.ID == "a" && armed.Load() {
							panic("transport")
						}
						return ""
					}
				})
				r.net.Receiver("a.example")
				for _, e := range []webhook.Endpoint{{ID: "a", Name: "a"}, {ID: "b", Name: "b"}} {
					e.Scope, e.URL, e.Policy = link1, "http://a.example/", tt.policy
					if _, err := r.store.Set(t.Context(), &e); err != nil { // past Check, which asks for the transport too
						t.Fatal(err)
					}
				}
				receipt := r.dispatch(leadCreated{Email: "x"}, link1)
				armed.Store(true)
				if v := r.runFor(t, time.Minute); v != nil {
					t.Errorf("Run panicked: %v", v)
				}
				r.finish(t)
				failed := 0
				for _, d := range receipt.Deliveries {
					if d.State == webhook.Failed {
						failed++
					}
				}
				got := r.states()
				if got[webhook.Delivered] != 1 || failed+got[webhook.Failed] == 0 {
					t.Errorf("receipt %+v, ended %v; want a failed and b delivered", receipt.Deliveries, got)
				}
			})
		})
	}
}

type panicTransport struct{}

func (panicTransport) RoundTrip(*http.Request) (*http.Response, error) { panic("transport") }

// A transport's panic under SendSample is an attempt that failed on our side.
func TestPanicInATransportFailsTheSample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config) {
			c.Transports = []webhook.Transport{{Name: "x", RoundTripper: panicTransport{}}}
			c.Catalog = payload.NewCatalog()
			if err := payload.Describe(c.Catalog, "lead.created", "a lead", leadCreated{Email: "x@example.com"}); err != nil {
				t.Fatal(err)
			}
		})
		defer r.finish(t)
		defer func() {
			if v := recover(); v != nil {
				t.Errorf("SendSample panicked: %v", v)
			}
		}()
		a, err := r.d.SendSample(t.Context(), webhook.Endpoint{URL: "http://a.example/"}, "lead.created")
		if err != nil || a.Class != webhook.Internal {
			t.Errorf("SendSample = %v %q, %v; want an internal failure", a.Class, a.Error, err)
		}
	})
}

// wildExisting answers with an index that the batch does not have.
type wildExisting struct{ webhook.Queue }

func (q wildExisting) Enqueue(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
	_, err := q.Queue.Enqueue(ctx, b)
	return []webhook.Existing{{Index: 7, ID: "dlv_x"}, {Index: -1, ID: "dlv_y"}}, err
}

// An index out of range from Enqueue does not panic after the event is stored.
func TestExistingOutOfRangeIsNoPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config) { c.Queue = wildExisting{c.Queue} })
		defer r.finish(t)
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		defer func() {
			if v := recover(); v != nil {
				t.Errorf("Dispatch panicked after it had stored the delivery: %v", v)
			}
		}()
		_, _ = r.d.Dispatch(t.Context(), leadCreated{Email: "x"}, link1) // an error is as good
		if c, err := r.store.Counts(t.Context()); err != nil || c.Pending != 1 {
			t.Errorf("Counts = %+v, %v; want one pending", c, err)
		}
	})
}
