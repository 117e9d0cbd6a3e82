package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/outhook/outhook/webhook"
)

func fenceCases() []testCase {
	return []testCase{
		{
			name:        "fence/stale-token",
			explanation: "who lost the lease cannot settle: a stale item changes nothing at all, and is reported, or a slow worker undoes what another did",
			run:         fenceStaleToken,
		},
		{
			name:        "fence/twice",
			explanation: "a Settle that returned an error may have done its work; the retry is harmless: it moves no due time and counts no failure twice",
			run:         fenceTwice,
		},
		{
			name:        "fence/final",
			explanation: "a final state never changes, whatever token somebody comes with",
			run:         fenceFinal,
		},
		{
			name:        "fence/unknown",
			explanation: "an item for a delivery that is unknown, or never was claimed, is stale and no error",
			run:         fenceUnknown,
		},
		{
			name:        "fence/independent",
			explanation: "the items of one Settle are independent: stale ones are reported by index, the others are applied",
			run:         fenceIndependent,
		},
		{
			name:        "fence/peers",
			explanation: "tokens fence across processes",
			needs:       Peers,
			run:         fencePeers,
		},
	}
}

func fenceStaleToken(ctx context.Context, e *env) { e.fence(ctx, e.Queue, e.Queue) }

func fencePeers(ctx context.Context, e *env) { e.fence(ctx, e.Queue, e.peer().Queue) }

// fence lets the lease of slow end, and fast take over.
func (e *env) fence(ctx context.Context, slow, fast webhook.Queue) {
	b := e.batch("a")
	e.enqueue(ctx, slow, b)
	start := time.Now()
	old := e.one(ctx, slow, webhook.Claim{Lease: e.tick})
	now := e.reclaim(ctx, fast, webhook.Claim{}, start, e.tick)[0]
	for _, state := range []webhook.State{webhook.Delivered, webhook.Pending, webhook.Failed, webhook.Cancelled, webhook.Duplicate} {
		it := item(old, state)
		it.Health = webhook.Failing
		e.stale(ctx, slow, it, "its lease ended and another claimed the delivery")
	}
	unsent := item(old, webhook.Pending)
	unsent.Unsent = true
	e.stale(ctx, slow, unsent, "its lease ended and another claimed the delivery")
	e.none(ctx, slow, "the delivery is under the second lease")

	e.settle(ctx, fast, item(now, webhook.Pending))
	third := e.one(ctx, fast, webhook.Claim{})
	if third.Delivery.Attempts != 3 {
		e.errorf("Attempts = %d after two claims, want 3: a stale item gave an attempt back", third.Delivery.Attempts)
	}
	e.stale(ctx, slow, item(old, webhook.Delivered), "two claims came after it")
	e.stale(ctx, fast, item(now, webhook.Failed), "a claim came after it")
	e.finish(ctx, fast, third)
	e.none(ctx, fast, "it is delivered")
}

func fenceTwice(ctx context.Context, e *env) {
	e.enqueue(ctx, e.Queue, e.batch("a"))
	e.enqueue(ctx, e.Queue, e.batch("b"))
	got := e.claim(ctx, e.Queue, webhook.Claim{})
	if len(got) != 2 {
		got = append(got, e.drain(ctx, e.Queue, webhook.Claim{}, 2-len(got))...)
	}
	it := item(got[0], webhook.Pending)
	it.Health = webhook.Failing
	res := e.settle(ctx, e.Queue, it)
	e.failing(res, webhook.EndpointHealth{EndpointID: it.EndpointID, Failures: 1})
	again := it
	again.Delay = never
	e.stale(ctx, e.Queue, again, "the same claim was settled before")
	e.one(ctx, e.Queue, webhook.Claim{}) // due still, not in an hour

	done := item(got[1], webhook.Delivered)
	e.settle(ctx, e.Queue, done)
	e.stale(ctx, e.Queue, done, "the same claim was settled before")
}

func fenceFinal(ctx context.Context, e *env) {
	for _, state := range []webhook.State{webhook.Delivered, webhook.Duplicate, webhook.Failed, webhook.Cancelled} {
		e.enqueue(ctx, e.Queue, e.batch("a"))
		got := e.one(ctx, e.Queue, webhook.Claim{})
		e.settle(ctx, e.Queue, item(got, state))
		for _, next := range []webhook.State{webhook.Pending, webhook.Delivered, webhook.Failed} {
			e.stale(ctx, e.Queue, item(got, next), "the delivery is "+state.String())
		}
		e.none(ctx, e.Queue, "a delivery that is "+state.String()+" is never due again")
		if h, ok := e.Queue.(webhook.History); ok {
			d, _, err := h.Delivery(ctx, got.Delivery.ID)
			e.ok(err, "Delivery")
			if d.State != state {
				e.errorf("State = %v, want %v", d.State, state)
			}
		}
	}
}

func fenceUnknown(ctx context.Context, e *env) {
	unknown := webhook.Settlement{ID: "dlv_unknown", EndpointID: "a", Token: 1, State: webhook.Delivered, Health: webhook.Failing}
	e.stale(ctx, e.Queue, unknown, "there is no such delivery")
	b := e.batch("a")
	e.enqueue(ctx, e.Queue, b)
	for _, token := range []int64{0, 1, -1} {
		e.stale(ctx, e.Queue, webhook.Settlement{
			ID: b.Deliveries[0].ID, EndpointID: "a", Token: token, State: webhook.Delivered,
		}, "it was never claimed")
	}
	e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(b)...)
}

func fenceIndependent(ctx context.Context, e *env) {
	batches := e.batches(6, "a")
	for _, b := range batches {
		e.enqueue(ctx, e.Queue, b)
	}
	got := e.drain(ctx, e.Queue, webhook.Claim{}, 6)
	if len(got) != 6 {
		e.fatalf("Claim handed out %d of 6 deliveries", len(got))
	}
	items := make([]webhook.Settlement, len(got))
	for i := range got {
		items[i] = item(got[i], webhook.Delivered)
	}
	items[1].Token++
	items[4].ID = "dlv_unknown"
	res, err := e.Queue.Settle(ctx, items)
	e.ok(err, "Settle")
	slices.Sort(res.Stale)
	if !slices.Equal(res.Stale, []int{1, 4}) {
		e.errorf("Stale = %v, want [1 4]", res.Stale)
	}
	e.finish(ctx, e.Queue, got[1], got[4])
	for _, i := range []int{0, 2, 3, 5} {
		e.stale(ctx, e.Queue, items[i], "it was settled beside the stale ones")
	}
}
