package storetest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/outhook/outhook/webhook"
)

func dueCases() []testCase {
	return []testCase{
		{
			name:        "due/delay",
			explanation: "a retry is never handed out before its Delay is over, and is afterwards; each delivery has its own",
			run:         dueDelay,
		},
		{
			name:        "due/order",
			explanation: "within a lane deliveries come in the order in which they are due, or the oldest wait for ever",
			run:         dueOrder,
		},
		{
			name:        "due/slice",
			explanation: "the deliveries of one Claim stand in the order in which they are due, lane by lane; the dispatcher sends in that order",
			run:         dueSlice,
		},
		{
			name:        "due/fresh",
			explanation: "deliveries that were enqueued one after the other are due one after the other",
			run:         dueFresh,
		},
		{
			name:        "due/long",
			explanation: "a Delay of days does not overflow, and Claim returns the others meanwhile",
			run:         dueLong,
		},
	}
}

func dueDelay(ctx context.Context, e *env) {
	const n = 6
	e.enqueue(ctx, e.Queue, e.batch(names("a", n)...))
	got := e.drain(ctx, e.Queue, webhook.Claim{}, n)
	delays := map[string]time.Duration{}
	items := make([]webhook.Settlement, len(got))
	for i := range got {
		items[i] = item(got[i], webhook.Pending)
		items[i].Delay = time.Duration(i+1) * 2 * e.tick
		delays[items[i].ID] = items[i].Delay
	}
	start := time.Now()
	e.settle(ctx, e.Queue, items...)
	e.eventually(ctx, "all retries", func() bool {
		for _, c := range e.claim(ctx, e.Queue, webhook.Claim{}) {
			id := c.Delivery.ID
			if took := time.Since(start); took < delays[id]-grain {
				e.errorf("delivery %s was due after %v and handed out after %v", id, delays[id], took)
			}
			if c.Expired || c.Delivery.Attempts != 2 {
				e.errorf("a retry has Expired %v, Attempts %d; want false, 2", c.Expired, c.Delivery.Attempts)
			}
			delete(delays, id)
		}
		return len(delays) == 0
	})
}

// backwards enqueues n deliveries of an endpoint and settles each as due
// before the one before it. It returns their ids in the order in which they
// are due, when all are.
func (e *env) backwards(ctx context.Context, n int, endpoint string) []string {
	for _, b := range e.batches(n, endpoint) {
		e.enqueue(ctx, e.Queue, b)
	}
	got := e.drain(ctx, e.Queue, webhook.Claim{}, n)
	slices.SortFunc(got, func(a, b webhook.Claimed) int { return strings.Compare(a.Delivery.ID, b.Delivery.ID) })
	items := make([]webhook.Settlement, len(got))
	want := make([]string, len(got))
	for i := range got {
		items[i] = item(got[i], webhook.Pending)
		items[i].Delay = time.Duration(n-i) * e.tick
		want[n-1-i] = items[i].ID
	}
	e.settle(ctx, e.Queue, items...)
	e.sleep(ctx, float64(n)+1)
	return want
}

func dueOrder(ctx context.Context, e *env) {
	for i, id := range e.backwards(ctx, 6, "a") {
		if got := e.one(ctx, e.Queue, webhook.Claim{}); got.Delivery.ID != id {
			e.fatalf("number %d to be handed out was %s, want %s, which was due earlier", i, got.Delivery.ID, id)
		}
	}
}

func dueSlice(ctx context.Context, e *env) {
	want := e.backwards(ctx, 6, "a")
	var got []string
	for _, c := range e.drain(ctx, e.Queue, webhook.Claim{}, len(want)) {
		got = append(got, c.Delivery.ID)
	}
	if !slices.Equal(got, want) {
		e.errorf("Claim returned the lane as %v, want %v", got, want)
	}
}

func dueFresh(ctx context.Context, e *env) {
	batches := e.batches(8, "a")
	for _, b := range batches {
		e.enqueue(ctx, e.Queue, b)
		e.pause(ctx, 2*grain)
	}
	for i, b := range batches {
		if got := e.one(ctx, e.Queue, webhook.Claim{}); got.Delivery.ID != b.Deliveries[0].ID {
			e.fatalf("number %d to be handed out was %s, want %s, which was enqueued earlier", i, got.Delivery.ID, b.Deliveries[0].ID)
		}
	}
}

func dueLong(ctx context.Context, e *env) {
	e.enqueue(ctx, e.Queue, e.batch("a"))
	it := item(e.one(ctx, e.Queue, webhook.Claim{}), webhook.Pending)
	it.Delay = 400 * 24 * time.Hour
	e.settle(ctx, e.Queue, it)
	e.none(ctx, e.Queue, "it is due in 400 days")
	b := e.batch("a", "b")
	e.enqueue(ctx, e.Queue, b)
	e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(b)...)
}
