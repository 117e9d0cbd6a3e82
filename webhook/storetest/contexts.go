package storetest

import (
	"context"
	"time"

	"github.com/outhook/outhook/webhook"
)

func contextCases() []testCase {
	return []testCase{
		{
			name:        "context/ended",
			explanation: "a method whose context has ended returns an error, and what it did or did not do is one whole",
			run:         contextEnded,
		},
		{
			name:        "context/claim",
			explanation: "a Claim whose caller gave up loses nothing: what it took comes back when the lease ends",
			run:         contextClaim,
		},
		{
			name:        "context/settle",
			explanation: "a Settle whose caller gave up is done or not, item by item, and the retry brings the rest",
			run:         contextSettle,
		},
		{
			name:        "context/optional",
			explanation: "optional methods, too, return an error when their context has ended",
			run:         contextOptional,
		},
	}
}

func contextEnded(ctx context.Context, e *env) {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	b := e.event("event-1", "a", "b")
	if _, err := e.Queue.Enqueue(ended, b); err == nil {
		e.errorf("Enqueue with an ended context returned no error")
	}
	e.enqueued(ctx, e.Queue, b)
	if _, err := e.Queue.Claim(ended, wide(webhook.Claim{Lease: e.tick})); err == nil {
		e.errorf("Claim with an ended context returned no error")
	}
	e.sleep(ctx, 2)
	got := e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(b)...)
	for _, c := range got {
		if _, err := e.Queue.Settle(ended, []webhook.Settlement{item(c, webhook.Delivered)}); err == nil {
			e.errorf("Settle with an ended context returned no error")
		}
		if _, err := e.Queue.Settle(ctx, []webhook.Settlement{item(c, webhook.Delivered)}); err != nil {
			e.errorf("the retry of a Settle whose context had ended: %v", err)
		}
	}
	if err := e.Queue.Park(ended, []webhook.Park{{EndpointID: "c", For: e.tick}}); err == nil {
		e.errorf("Park with an ended context returned no error")
	}
	e.none(ctx, e.Queue, "all are delivered")
	next := e.batch("c")
	e.enqueue(ctx, e.Queue, next)
	e.reclaim(ctx, e.Queue, webhook.Claim{}, time.Now(), 0)
}

func contextClaim(ctx context.Context, e *env) {
	const n = 30
	b := e.batch(names("a", n)...)
	e.enqueue(ctx, e.Queue, b)
	for looks := range 30 {
		f := newFuse(ctx, looks)
		_, _ = e.Queue.Claim(f, wide(webhook.Claim{Limit: 3, Lease: e.tick})) // what it returns is lost with its caller
		f.cut()
	}
	seen := map[string]bool{}
	e.eventually(ctx, "what the lost Claims took", func() bool {
		for _, c := range e.claim(ctx, e.Queue, webhook.Claim{}) {
			if seen[c.Delivery.ID] {
				e.errorf("delivery %s came twice within an hour's lease", c.Delivery.ID)
			}
			seen[c.Delivery.ID] = true
		}
		return len(seen) == n
	})
}

func contextSettle(ctx context.Context, e *env) {
	const n = 20
	for looks := range 20 {
		b := e.batch(names("a", n)...)
		e.enqueue(ctx, e.Queue, b)
		got := e.drain(ctx, e.Queue, webhook.Claim{}, n)
		items := make([]webhook.Settlement, len(got))
		for i := range got {
			items[i] = item(got[i], webhook.Delivered)
		}
		f := newFuse(ctx, looks)
		_, _ = e.Queue.Settle(f, items) // its answer is lost with its caller
		f.cut()
		_, err := e.Queue.Settle(ctx, items)
		e.ok(err, "the retry of a Settle that was cut off")
		for _, it := range items {
			e.stale(ctx, e.Queue, it, "the delivery was settled before")
		}
	}
	e.none(ctx, e.Queue, "all are delivered")
}

func contextOptional(ctx context.Context, e *env) {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for _, call := range e.optional() {
		if err := call.do(ended); err == nil {
			e.errorf("%s with an ended context returned no error", call.name)
		}
	}
	b := e.batch("a")
	e.enqueue(ctx, e.Queue, b)
	e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(b)...)
}

type call struct {
	name string
	do   func(ctx context.Context) error
}

// optional lists calls of what the store has beyond Queue.
func (e *env) optional() []call {
	var calls []call
	add := func(name string, do func(ctx context.Context) error) {
		calls = append(calls, call{name: name, do: do})
	}
	if s, ok := e.Queue.(webhook.BatchOutbox); ok {
		add("EnqueueAll", func(ctx context.Context) error {
			_, err := s.EnqueueAll(ctx, []*webhook.Batch{{Message: e.message()}})
			return err
		})
	}
	if s, ok := e.Queue.(webhook.Extender); ok {
		add("Extend", func(ctx context.Context) error {
			_, err := s.Extend(ctx, []webhook.Lease{{ID: "dlv_unknown", Token: 1}}, e.tick)
			return err
		})
	}
	if s, ok := e.Queue.(webhook.History); ok {
		add("Deliveries", func(ctx context.Context) error {
			_, _, err := s.Deliveries(ctx, webhook.HistoryQuery{})
			return err
		})
		add("Finals", func(ctx context.Context) error {
			_, _, err := s.Finals(ctx, "", 1)
			return err
		})
	}
	if s, ok := e.Queue.(webhook.Counter); ok {
		add("Counts", func(ctx context.Context) error {
			_, err := s.Counts(ctx)
			return err
		})
	}
	if s, ok := e.Queue.(webhook.Purger); ok {
		add("Purge", func(ctx context.Context) error {
			_, err := s.Purge(ctx, webhook.Purge{Age: never})
			return err
		})
	}
	if s := e.Endpoints; s != nil {
		add("Match", func(ctx context.Context) error {
			_, err := s.Match(ctx, webhook.Query{Scopes: []webhook.Scope{webhook.In("link", "1")}, Type: "contact.created"})
			return err
		})
		add("Endpoints", func(ctx context.Context) error {
			_, err := s.Endpoints(ctx, []string{"no such id"})
			return err
		})
		add("Disable", func(ctx context.Context) error { return s.Disable(ctx, "no such id", "gone") })
	}
	return calls
}
