package webhook_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// leadCreated is the event of most tests.
type leadCreated struct {
	Email string `json:"email" form:"email" webhook:"required"`
	Name  string `json:"name,omitempty" form:"name,omitempty"`
	ID    string `json:"-" form:"-"`
	Key   string `json:"-" form:"-"`
}

func (leadCreated) EventType() string  { return "lead.created" }
func (l leadCreated) EventID() string  { return l.ID }
func (l leadCreated) EventKey() string { return l.Key }

// rig is a dispatcher over memstore and a network in memory, in a bubble.
type rig struct {
	t     *testing.T
	d     *webhook.Dispatcher
	store *memstore.Store
	net   *webhooktest.Network
	ended chan webhook.Delivery
	tries chan webhook.Attempt
}

// newRig makes a rig; change may alter its Config.
func newRig(t *testing.T, change func(*webhook.Config)) *rig {
	t.Helper()
	r := &rig{
		t: t, store: memstore.New(memstore.Options{}), net: webhooktest.NewNetwork(t),
		ended: make(chan webhook.Delivery, 100_000), tries: make(chan webhook.Attempt, 100_000),
	}
	cfg := webhook.Config{
		Endpoints: r.store, Queue: r.store,
		Transports: []webhook.Transport{r.net.Transport()},
		Hooks: webhook.Hooks{
			Ended:       func(_ context.Context, d webhook.Delivery) { r.ended <- d },
			AttemptDone: func(_ context.Context, a webhook.Attempt) { r.tries <- a },
			StoreFailed: func(_ context.Context, op string, err error) { t.Logf("store failed: %s: %v", op, err) },
		},
	}
	if change != nil {
		change(&cfg)
	}
	d, err := webhook.New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	r.d = d
	return r
}

// run runs the dispatcher until the test ends, and then shuts it down.
func (r *rig) run() {
	r.t.Helper()
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- r.d.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("Run = %v, want nil", err)
		}
		if err := r.d.Shutdown(context.Background()); err != nil {
			r.t.Errorf("Shutdown = %v, want nil", err)
		}
		r.net.Close()
	})
}

func (r *rig) set(e webhook.Endpoint) {
	r.t.Helper()
	if err := r.d.Check(&e); err != nil {
		r.t.Fatalf("Check: %v", err)
	}
	if _, err := r.store.Set(context.Background(), &e); err != nil {
		r.t.Fatalf("Set: %v", err)
	}
}

func (r *rig) dispatch(e webhook.Event, scopes ...webhook.Scope) webhook.Receipt {
	r.t.Helper()
	receipt, err := r.d.Dispatch(context.Background(), e, scopes...)
	if err != nil {
		r.t.Fatalf("Dispatch: %v", err)
	}
	return receipt
}

func (r *rig) end() webhook.Delivery {
	r.t.Helper()
	select {
	case d := <-r.ended:
		return d
	case <-time.After(200 * time.Hour):
		r.t.Fatal("no delivery ended")
		panic("unreachable")
	}
}

func TestDispatchReachesItsEndpoint(t *testing.T) {
	for _, policy := range []string{"at-least-once", "at-most-once", "fire-and-forget"} {
		t.Run(policy, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				recv := r.net.Receiver("a.example")
				r.set(webhook.Endpoint{ID: "a", Scope: webhook.In("list", "7"), URL: "http://a.example/hook", Policy: policy})
				r.run()
				receipt := r.dispatch(leadCreated{Email: "x@example.com"}, webhook.In("list", "7"))
				if got := len(receipt.Deliveries); got != 1 {
					t.Fatalf("receipt has %d deliveries, want 1", got)
				}
				d := r.end()
				if d.State != webhook.Delivered || d.ID != receipt.Deliveries[0].ID || d.Attempts != 1 {
					t.Errorf("ended %+v, want %s delivered at the first attempt", d, receipt.Deliveries[0].ID)
				}
				reqs := recv.Requests()
				if len(reqs) != 1 || reqs[0].ID() != receipt.MessageID {
					t.Fatalf("got %d requests, want one with id %s", len(reqs), receipt.MessageID)
				}
				var body map[string]string
				if err := json.Unmarshal(reqs[0].Body, &body); err != nil || body["email"] != "x@example.com" {
					t.Errorf("body %s: %v", reqs[0].Body, err)
				}
			})
		})
	}
}

func TestRetriesCarryOneMessageID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config) {
			c.Policies = []retry.Policy{{Name: "quick", Schedule: retry.Fixed(time.Second, time.Minute), Jitter: -1}}
		})
		recv := r.net.Receiver("a.example", webhooktest.Statuses(503, 503, 200)...)
		r.set(webhook.Endpoint{ID: "a", Scope: webhook.In("list", "7"), URL: "http://a.example/hook"})
		r.run()
		start := time.Now()
		receipt := r.dispatch(leadCreated{Email: "x@example.com"}, webhook.In("list", "7"))
		d := r.end()
		if d.State != webhook.Delivered || d.Attempts != 3 {
			t.Errorf("ended %v after %d attempts, want delivered after 3", d.State, d.Attempts)
		}
		reqs := recv.Requests()
		want := []time.Duration{0, time.Second, time.Second + time.Minute}
		if len(reqs) != len(want) {
			t.Fatalf("got %d requests, want %d", len(reqs), len(want))
		}
		for i, req := range reqs {
			if at := req.At.Sub(start); at < want[i] || at > want[i]+500*time.Millisecond {
				t.Errorf("attempt %d after %v, want %v", i+1, at, want[i])
			}
			if req.ID() != receipt.MessageID {
				t.Errorf("attempt %d has id %s, want %s", i+1, req.ID(), receipt.MessageID)
			}
		}
	})
}
