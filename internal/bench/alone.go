package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strconv"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

// lead is the form of the leadform example.
type lead struct {
	AdID   string `form:"ad_id" webhook:"required"`
	Email  string `form:"email" webhook:"required"`
	Coupon string `form:"coupon_code,omitempty"`
	First  string `form:"first_name,omitempty"`
	Zip    string `form:"zip_code,omitempty"`
}

// EventType implements webhook.Event.
func (*lead) EventType() string { return "lead.created" }

func newLead() *lead {
	return &lead{AdID: "72", Email: "test@transactionale.com", Coupon: "TRCOUPON", First: "Marianna", Zip: "12345"}
}

// alone are the scenarios of the caller's side: nothing is delivered.
func alone() []scenario {
	return []scenario{
		{
			Name: "dispatch/lead", N: 200_000, Short: 50_000, Of: cost,
			About:  "Dispatch alone of a lead of 5 form fields to one volatile endpoint",
			Floor:  "HMAC-SHA256 over 1 KiB",
			Limits: []limit{{Fact: factAllocs, Most: 8}},
			Open: func(context.Context, *env) ([]arm, func() error, error) {
				return []arm{
					{Name: "floor", Run: hmacs},
					{Name: "registered=1", Aims: []aim{{Of: cost, Limit: 3}}, Run: dispatchAlone(1)},
				}, nil, nil
			},
		},
		{
			Name: "dispatch/registered=100000", N: 200_000, Short: 50_000, Of: cost,
			About: "Dispatch alone of the same lead, with 100,000 endpoints registered",
			Floor: "the same with one endpoint registered",
			Open: func(context.Context, *env) ([]arm, func() error, error) {
				return []arm{
					{Name: "floor", Run: dispatchAlone(1)},
					{Name: "registered=100000", Aims: []aim{{Of: cost, Limit: 2}}, Run: dispatchAlone(100_000)},
				}, nil, nil
			},
		},
		{
			Name: "fanout/endpoints=10000", N: 200_000, Short: 50_000, Step: 10_000, Of: cost,
			About:  "Dispatch alone of 1 KB to 10,000 endpoints of a stored policy, per delivery",
			Floor:  "HMAC-SHA256 over 1 KiB",
			Limits: []limit{{Fact: factPending, Most: 300, Unit: "B"}, {Fact: factBodies, Most: 1, Unit: "encoding"}},
			Open: func(_ context.Context, e *env) ([]arm, func() error, error) {
				return []arm{
					{Name: "floor", Run: hmacs},
					{Name: "memstore", Aims: []aim{{Of: cost, Limit: 1}}, Run: fanOut(e, 10_000)},
				}, nil, nil
			},
		},
		{
			Name: "pending/1000000", N: 1_000_000, Short: 100_000, Step: 10, Of: cost, Repeat: 1,
			About:  "100,000 messages of 1 KB to 10 endpoints each wait in memory",
			Floor:  "HMAC-SHA256 over 1 KiB",
			Limits: []limit{{Fact: factPending, Most: 400, Unit: "B: 400 MB for a million"}},
			Open: func(_ context.Context, e *env) ([]arm, func() error, error) {
				return []arm{{Name: "floor", Run: hmacs}, {Name: "memstore", Run: fanOut(e, 10)}}, nil, nil
			},
		},
	}
}

// The facts of these scenarios.
const (
	factAllocs  = "allocations per Dispatch"
	factPending = "heap bytes per pending delivery after GC"
	factBodies  = "bodies per message"
)

// hmacs makes l.n HMACs with one keyed state.
func hmacs(ctx context.Context, l load) (sample, error) {
	mac := hmac.New(sha256.New, make([]byte, 32))
	body, sum := make([]byte, 1024), make([]byte, 0, sha256.Size)
	m, err := startMeter(ctx)
	if err != nil {
		return sample{}, err
	}
	for range l.n {
		mac.Reset()
		mac.Write(body)
		sum = mac.Sum(sum[:0])
	}
	runtime.KeepAlive(sum)
	return m.stop(l.n)
}

// hanging is a way out on which every request hangs until its time is over, so
// that what is dispatched waits in its lane, and nothing but Dispatch runs.
type hanging struct{}

// RoundTrip implements http.RoundTripper.
func (hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// dispatchAlone measures Dispatch with so many endpoints registered, of which
// one is matched.
func dispatchAlone(registered int) func(context.Context, load) (sample, error) {
	return func(ctx context.Context, l load) (_ sample, err error) {
		s := memstore.New(memstore.Options{})
		for i := range registered {
			_, err := s.Set(ctx, &webhook.Endpoint{
				ID: strconv.Itoa(i), Scope: webhook.In("link", strconv.Itoa(i)), URL: "http://a.example/", Encoder: "form", Policy: volatile,
			})
			if err != nil {
				return sample{}, err
			}
		}
		d, err := webhook.New(webhook.Config{
			Endpoints: s, Queue: s, MaxWaiting: 1 << 30, MaxVolatile: 1 << 30,
			Transports: []webhook.Transport{{Name: "hanging", RoundTripper: hanging{}}},
		})
		if err != nil {
			return sample{}, err
		}
		defer func() { err = errors.Join(err, abandon(ctx, d)) }()
		e, scope := newLead(), webhook.In("link", "0")
		for range 1000 { // plans compiled, pools filled
			if _, err := d.Dispatch(ctx, e, scope); err != nil {
				return sample{}, err
			}
		}
		m, err := startMeter(ctx)
		if err != nil {
			return sample{}, err
		}
		for range l.n {
			if _, err := d.Dispatch(ctx, e, scope); err != nil {
				return sample{}, err
			}
		}
		out, err := m.stop(l.n)
		out.Facts = map[string]float64{factAllocs: out.value(allocs)}
		return out, err
	}
}

// abandon shuts d down without waiting for what hangs.
func abandon(ctx context.Context, d *webhook.Dispatcher) error {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	if err := d.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("shutdown: got %w, want %w", err, context.Canceled)
	}
	return nil
}

// fanOut dispatches to so many endpoints each time, without a Run, and then
// looks at what the heap holds.
func fanOut(e *env, endpoints int) func(context.Context, load) (sample, error) {
	return func(ctx context.Context, l load) (_ sample, err error) {
		p := &product{wire: newWire(e), policy: stored}
		p.endpoints = endpoints
		bodies := 0
		r, err := p.start(ctx, func(c *webhook.Config) {
			c.Hooks.Dispatched = func(_ context.Context, m *webhook.Message, _ webhook.Receipt) { bodies = max(bodies, len(m.Bodies)) }
		})
		if err != nil {
			return sample{}, err
		}
		defer func() { err = errors.Join(err, r.stop()) }()
		before := liveHeap()
		m, err := startMeter(ctx)
		if err != nil {
			return sample{}, err
		}
		if err := r.feed(ctx, l.n, false); err != nil {
			return sample{}, err
		}
		out, err := m.stop(l.n)
		after := liveHeap()
		out.Facts = map[string]float64{
			factPending: float64(after-before) / float64(l.n), factBodies: float64(bodies), factHeap: float64(after),
		}
		runtime.KeepAlive(r)
		return out, err
	}
}

const factHeap = "heap bytes in all after GC"
