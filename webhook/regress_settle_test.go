package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// poisonQueue refuses every batch that holds a settlement of one endpoint.
type poisonQueue struct {
	*memstore.Store
	id string
}

func (q *poisonQueue) Settle(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
	for i := range items {
		if items[i].EndpointID == q.id {
			return webhook.Settled{}, errors.New("value too long for column")
		}
	}
	return q.Store.Settle(ctx, items)
}

// A settlement that the store never takes holds up no other.
func TestPoisonSettlementHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var refused atomic.Int64
		r := newRig(t, func(c *webhook.Config) {
			c.Queue = &poisonQueue{Store: c.Queue.(*memstore.Store), id: "bad"}
			c.Hooks.StoreFailed = func(context.Context, string, error) { refused.Add(1) }
		})
		r.net.Receiver("bad.example")
		recv := r.net.Receiver("good.example")
		r.set(webhook.Endpoint{ID: "bad", Scope: "link:2", URL: "http://bad.example/"})
		r.set(webhook.Endpoint{ID: "good", Scope: link1, URL: "http://good.example/"})
		r.run()
		r.dispatch(leadCreated{Email: "x"}, "link:2")
		time.Sleep(time.Second)
		for range 10 {
			r.dispatch(leadCreated{Email: "y"}, link1)
		}
		time.Sleep(10 * time.Minute)
		if got := r.states(); got[webhook.Delivered] != 10 || len(recv.Requests()) != 10 {
			t.Errorf("the other endpoint's 10 ended %v with %d requests, want 10 delivered with 10", got, len(recv.Requests()))
		}
		if refused.Load() == 0 {
			t.Error("StoreFailed was not called")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.d.Shutdown(ctx); !errors.Is(err, context.Canceled) { // in a hurry: the poison is there for good
			t.Errorf("Shutdown = %v, want canceled", err)
		}
	})
}

// A fault on our own side is charged neither to the endpoint nor to the delivery.
func TestOwnFaultIsNotCharged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Bool
		var notices, disabled atomic.Int64
		broken.Store(true)
		r := newRig(t, func(c *webhook.Config) {
			c.PollInterval = time.Second
			c.ResolveSigner = func(context.Context, *webhook.Endpoint) (signer.Signer, error) {
				if broken.Load() {
					return nil, errors.New("the vault is sealed")
				}
				return nil, nil
			}
			c.Failing = webhook.FailingRules{OpenAfter: -1, DisableAfter: time.Minute, DisableCount: 3}
			c.Hooks.EndpointFailing = func(context.Context, webhook.FailingNotice) { notices.Add(1) }
			c.Hooks.EndpointDisabled = func(context.Context, string, string) { disabled.Add(1) }
		})
		recv := r.net.Receiver("a.example")
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		r.set(webhook.Endpoint{ID: "once", Name: "o", Scope: link1, URL: "http://a.example/", Policy: "at-most-once"})
		r.run()
		r.dispatch(leadCreated{Email: "x"}, link1)
		time.Sleep(2 * time.Hour)
		broken.Store(false)
		time.Sleep(2 * time.Hour)
		if notices.Load() != 0 || disabled.Load() != 0 {
			t.Errorf("%d notices and %d endpoints disabled for our own fault, want none", notices.Load(), disabled.Load())
		}
		if got := r.states(); got[webhook.Delivered] != 2 || len(recv.Requests()) != 2 {
			t.Errorf("ended %v with %d requests, want 2 delivered with 2", got, len(recv.Requests()))
		}
	})
}

// An endpoint that has keys, all of which have ended, is never served unsigned.
func TestEndedKeysNeverMeanUnsigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		recv := r.net.Receiver("a.example")
		r.set(webhook.Endpoint{
			ID: "a", Scope: link1, URL: "http://a.example/",
			Secrets: []signer.Key{signer.GenerateSecret().Until(time.Now().Add(time.Minute))},
		})
		r.run()
		r.dispatch(leadCreated{Email: "x"}, link1)
		r.end()
		time.Sleep(2 * time.Minute)
		r.dispatch(leadCreated{Email: "x"}, link1)
		time.Sleep(time.Minute)
		for i, q := range recv.Requests() {
			if q.Header.Get("Webhook-Signature") == "" {
				t.Errorf("request %d went out unsigned", i+1)
			}
		}
		if len(recv.Requests()) == 0 {
			t.Error("nothing was sent while the key was valid")
		}
	})
}

// flakyQueue takes no settlements for a while, and gives this process work once.
type flakyQueue struct {
	*memstore.Store
	until time.Time
	given atomic.Bool
}

func (q *flakyQueue) Settle(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
	if time.Now().Before(q.until) {
		return webhook.Settled{}, errAway
	}
	return q.Store.Settle(ctx, items)
}

func (q *flakyQueue) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
	if q.given.Load() {
		return nil, nil
	}
	got, err := q.Store.Claim(ctx, c)
	q.given.Store(len(got) > 0)
	return got, err
}

// Ended is called for what is final in the store; what another process has
// claimed since is stale.
func TestEndedSaysWhatIsFinalInTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stale atomic.Int64
		r := newRig(t, func(c *webhook.Config) {
			c.Queue = &flakyQueue{Store: c.Queue.(*memstore.Store), until: time.Now().Add(2 * time.Minute)}
			c.Hooks.Stale = func(context.Context, string) { stale.Add(1) }
		})
		r.net.Receiver("a.example")
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		receipt := r.dispatch(leadCreated{Email: "x"}, link1)
		r.run()
		time.Sleep(61 * time.Second)
		got, err := r.store.Claim(t.Context(), webhook.Claim{Limit: 1, MaxBytes: 1 << 20, PerEndpoint: 1, Lease: time.Hour})
		if err != nil || len(got) != 1 {
			t.Fatalf("another process claimed %d, %v; want 1", len(got), err)
		}
		time.Sleep(2 * time.Minute)
		d, _, err := r.store.Delivery(t.Context(), receipt.Deliveries[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(r.ended); n != 0 || d.State.Final() || stale.Load() != 1 {
			t.Errorf("Ended called %d times, Stale %d times, the store has it %v; want Stale once and it pending", n, stale.Load(), d.State)
		}
	})
}

// awayQueue has a time in which it settles nothing, though it hands out work.
type awayQueue struct {
	*memstore.Store
	from, to time.Time
}

func (q *awayQueue) Settle(ctx context.Context, s []webhook.Settlement) (webhook.Settled, error) {
	if now := time.Now(); now.After(q.from) && now.Before(q.to) {
		return webhook.Settled{}, errAway
	}
	return q.Store.Settle(ctx, s)
}

// While the store takes no settlements for several leases, though it hands out
// work, nothing of which the answer is known is sent once more, and in the end
// it is all stored.
func TestOutageRepeatsNothingThatIsKnown(t *testing.T) {
	for _, policy := range []string{"at-least-once", "at-most-once"} {
		for _, n := range []int{1, 2, 100} {
			t.Run(fmt.Sprintf("%s, %d", policy, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { outage(t, policy, n) })
			})
		}
	}
}

func outage(t *testing.T, policy string, n int) {
	t.Helper()
	now := time.Now()
	var stale atomic.Int64
	r := newRig(t, func(c *webhook.Config) {
		c.Queue = &awayQueue{
			Store: c.Queue.(*memstore.Store),
			from:  now.Add(500 * time.Millisecond), to: now.Add(5 * time.Minute),
		}
		c.Hooks.StoreFailed = nil
		c.Hooks.Stale = func(context.Context, string) { stale.Add(1) }
	})
	recv := r.net.Receiver("a.example", webhooktest.Answer{Delay: time.Second})
	for i := range n {
		id := fmt.Sprintf("e%02d", i)
		r.set(webhook.Endpoint{ID: id, Name: id, Scope: link1, URL: "http://a.example/", Policy: policy})
	}
	r.run()
	r.dispatch(leadCreated{Email: "x"}, link1)
	time.Sleep(299 * time.Second)
	if got := len(recv.Requests()); got != n {
		t.Errorf("%d requests for %d deliveries that were all accepted, want %d", got, n, n)
	}
	if got := r.states(); len(got) != 0 {
		t.Errorf("Ended said %v while nothing could be settled, want nothing", got)
	}
	time.Sleep(10 * time.Minute)
	if got := len(recv.Requests()); got != n {
		t.Errorf("%d requests after the store's return, want %d still", got, n)
	}
	if got := r.states(); got[webhook.Delivered] != n || len(got) != 1 || stale.Load() != 0 {
		t.Errorf("Ended said %v, and Stale %d times; want %d delivered, and never", got, stale.Load(), n)
	}
	list, _, err := r.store.Deliveries(t.Context(), webhook.HistoryQuery{States: []webhook.State{webhook.Delivered}, Limit: 1000})
	if err != nil || len(list) != n {
		t.Errorf("the store has %d delivered, %v; want %d", len(list), err, n)
	}
	for _, d := range list {
		if as, err := r.store.Attempts(t.Context(), d.ID); err != nil || len(as) != 1 {
			t.Errorf("%s has the attempts %+v, %v; want one", d.ID, as, err)
		}
	}
}

// A receiver that answers, if only to reject, does not keep its circuit open.
func TestRejectionsCloseTheCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config) {
			c.PollInterval = time.Second
			c.Policies = []retry.Policy{{
				Name: "p", Schedule: retry.Fixed(time.Second, time.Second, time.Second), Jitter: -1,
				Judge: func(r retry.Response) retry.Outcome {
					if r.Status == 422 {
						return retry.Rejected
					}
					return retry.Default(r)
				},
			}}
			c.Failing.OpenAfter = 5
		})
		recv := r.net.Receiver("a.example", webhooktest.Answer{Status: 500})
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		r.run()
		for range 10 {
			r.dispatch(leadCreated{Email: "x"}, link1)
		}
		time.Sleep(time.Minute)
		recv.Script(webhooktest.Answer{Status: 422, Delay: time.Second})
		for range 500 {
			r.dispatch(leadCreated{Email: "x"}, link1)
		}
		before := len(recv.Requests())
		time.Sleep(time.Hour)
		if n := len(recv.Requests()) - before; n < 500 {
			t.Errorf("%d requests in the hour after the receiver came back, want 500 or more", n)
		}
		recv.Script(webhooktest.Answer{})
		r.cancelAll(t)
	})
}

// An inline endpoint, which cannot be disabled, keeps its circuit past the
// point where another would be disabled.
func TestInlineEndpointKeepsItsCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var disabled atomic.Int64
		r := newRig(t, func(c *webhook.Config) {
			c.PollInterval = time.Second
			c.Policies = []retry.Policy{{
				Name: "p", Jitter: -1,
				Schedule: retry.Exponential{Base: time.Second, Factor: 1, Max: time.Second, Attempts: 1_000_000},
			}}
			c.Failing = webhook.FailingRules{OpenAfter: 5, DisableAfter: time.Hour, DisableCount: 10}
			c.Hooks.EndpointDisabled = func(context.Context, string, string) { disabled.Add(1) }
		})
		recv := r.net.Receiver("a.example", webhooktest.Answer{Status: 500})
		r.run()
		if _, err := r.d.DispatchTo(t.Context(), leadCreated{Email: "x"}, webhook.Endpoint{URL: "http://a.example/"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		before := len(recv.Requests())
		time.Sleep(time.Hour)
		if n := len(recv.Requests()) - before; n > 100 || disabled.Load() > 1 {
			t.Errorf("%d requests in the third hour, EndpointDisabled called %d times; want 100 and 1 at most", n, disabled.Load())
		}
		r.cancelAll(t)
	})
}

// pickyQueue refuses settlements of one endpoint while it is picky, and all
// while it is away.
type pickyQueue struct {
	*memstore.Store
	id          string
	picky, away atomic.Bool
}

func (q *pickyQueue) Settle(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
	if q.away.Load() {
		return webhook.Settled{}, errAway
	}
	for i := range items {
		if q.picky.Load() && items[i].EndpointID == q.id {
			return webhook.Settled{}, errors.New("deadlock detected")
		}
	}
	return q.Store.Settle(ctx, items)
}

// An item that the store refused once while it took another is not forgotten in
// an outage that begins then.
func TestOutageForgetsNothingRefusedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &pickyQueue{id: "bad"}
		r := newRig(t, func(c *webhook.Config) {
			q.Store = c.Queue.(*memstore.Store)
			c.Queue = q
			c.Hooks.StoreFailed = nil
		})
		q.picky.Store(true)
		bad := r.net.Receiver("bad.example")
		r.net.Receiver("good.example", webhooktest.Answer{Delay: time.Second})
		r.set(webhook.Endpoint{ID: "bad", Name: "bad", Scope: link1, URL: "http://bad.example/"})
		r.set(webhook.Endpoint{ID: "good", Name: "good", Scope: link1, URL: "http://good.example/"})
		r.dispatch(leadCreated{Email: "x"}, link1)
		r.run()
		r.end()
		q.away.Store(true)
		time.Sleep(5 * time.Minute)
		q.picky.Store(false)
		q.away.Store(false)
		time.Sleep(10 * time.Minute)
		if n, got := len(bad.Requests()), r.states(); n != 1 || got[webhook.Delivered] != 1 {
			t.Errorf("%d requests after the outage, and then ended %v; want 1 and 1 delivered", n, got)
		}
	})
}

// An outage in which the store hands out work, but settles nothing, uses up no
// attempts.
func TestOutageUsesUpNoAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		r := newRig(t, func(c *webhook.Config) {
			c.Queue = &awayQueue{
				Store: c.Queue.(*memstore.Store),
				from:  now.Add(500 * time.Millisecond), to: now.Add(20 * time.Minute),
			}
			c.Hooks.StoreFailed = nil
		})
		recv := r.net.Receiver("a.example", webhooktest.Answer{Status: 500, Delay: time.Second}, webhooktest.Answer{Status: 500}, webhooktest.Answer{})
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		r.run()
		r.dispatch(leadCreated{Email: "x"}, link1)
		if d, n := r.end(), len(recv.Requests()); d.State != webhook.Delivered || d.Attempts != 3 || n != 3 {
			t.Errorf("ended %v (%s) after %d attempts with %d requests, want it delivered by the third", d.State, d.Reason, d.Attempts, n)
		}
	})
}
