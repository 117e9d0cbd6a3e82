package storetest

import (
	"context"
	"time"

	"github.com/outhook/outhook/webhook"
)

func cancelCases() []testCase {
	return []testCase{
		{
			name:        "cancel/open",
			explanation: "Cancel ends a delivery that is Pending, waiting for a retry, or Held: it is never claimed again",
			needs:       Canceler,
			run:         cancelOpen,
		},
		{
			name:        "cancel/refused",
			explanation: "Cancel of a running delivery is ErrRunning, of a final or unknown one ErrNotFound; both stay as they are",
			needs:       Canceler,
			run:         cancelRefused,
		},
		{
			name:        "counts",
			explanation: "Counts tells what is pending (waiting and held included) and running, and how long the oldest due delivery has been due",
			needs:       Counter,
			run:         counts,
		},
	}
}

func (e *env) cancel(ctx context.Context, id string) error {
	return e.Queue.(webhook.Canceler).Cancel(ctx, id, "no longer wanted") //nolint:forcetypeassert // the cases need it
}

func cancelOpen(ctx context.Context, e *env) {
	b := e.batch("due", "held", "retry")
	e.enqueue(ctx, e.Queue, b)
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "held", For: never, Hold: true})
	got := e.one(ctx, e.Queue, webhook.Claim{Skip: []string{"due"}})
	it := item(got, webhook.Pending)
	it.Delay = e.tick
	e.settle(ctx, e.Queue, it)
	for _, id := range deliveryIDs(b) {
		e.ok(e.cancel(ctx, id), "Cancel of an open delivery")
		e.is(e.cancel(ctx, id), webhook.ErrNotFound, "Cancel, again")
	}
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "held"})
	e.sleep(ctx, 2)
	e.none(ctx, e.Queue, "all are cancelled")
	e.stale(ctx, e.Queue, item(got, webhook.Delivered), "the delivery is cancelled")
	if _, ok := e.Queue.(webhook.History); ok {
		e.shows(ctx, b.Deliveries[0].ID, webhook.Cancelled, 0, "no longer wanted")
		e.shows(ctx, b.Deliveries[1].ID, webhook.Cancelled, 0, "no longer wanted")
		e.shows(ctx, b.Deliveries[2].ID, webhook.Cancelled, 1, "no longer wanted")
	}
}

func cancelRefused(ctx context.Context, e *env) {
	e.enqueue(ctx, e.Queue, e.batch("a"))
	got := e.one(ctx, e.Queue, webhook.Claim{})
	e.is(e.cancel(ctx, got.Delivery.ID), webhook.ErrRunning, "Cancel of a running delivery")
	e.finish(ctx, e.Queue, got)
	e.is(e.cancel(ctx, got.Delivery.ID), webhook.ErrNotFound, "Cancel of a delivered delivery")
	e.is(e.cancel(ctx, "dlv_unknown"), webhook.ErrNotFound, "Cancel of an unknown delivery")
	if _, ok := e.Queue.(webhook.History); ok {
		e.shows(ctx, got.Delivery.ID, webhook.Delivered, 1, "")
	}
}

func counts(ctx context.Context, e *env) {
	c := e.Queue.(webhook.Counter) //nolint:forcetypeassert // the case needs it
	holds := func(what string, pending, running int) time.Duration {
		got, err := c.Counts(ctx)
		e.ok(err, "Counts")
		if got.Pending != pending || got.Running != running {
			e.errorf("%s: Counts = %d pending, %d running; want %d, %d", what, got.Pending, got.Running, pending, running)
		}
		return got.Oldest
	}
	if oldest := holds("an empty store", 0, 0); oldest != 0 {
		e.errorf("an empty store: Oldest = %v, want 0", oldest)
	}
	before := time.Now()
	e.enqueue(ctx, e.Queue, e.batch("a", "b", "c", "d"))
	after := time.Now()
	e.sleep(ctx, 2)
	low := time.Since(after) - grain
	oldest := holds("four due", 4, 0)
	if high := time.Since(before) + grain; oldest < low || oldest > high {
		e.errorf("Oldest = %v, want %v to %v", oldest, low, high)
	}
	first := e.one(ctx, e.Queue, webhook.Claim{Skip: []string{"b", "c", "d"}})
	second := e.one(ctx, e.Queue, webhook.Claim{Skip: []string{"c", "d"}})
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "c", For: never, Hold: true})
	holds("two due, two claimed", 2, 2)
	later := item(first, webhook.Pending)
	later.Delay = never
	e.settle(ctx, e.Queue, later, item(second, webhook.Delivered))
	holds("one due, one held, one waiting, one done", 3, 0)
	e.finish(ctx, e.Queue, e.one(ctx, e.Queue, webhook.Claim{}))
	if oldest := holds("one held, one waiting, two done", 2, 0); oldest > time.Since(before)+grain {
		e.errorf("Oldest = %v, though the store is not as old", oldest)
	}
}
