package storetest

import (
	"context"
	"time"

	"github.com/outhook/outhook/webhook"
)

func parkCases() []testCase {
	return []testCase{
		{
			name:        "park/closes",
			explanation: "Claim returns nothing of a parked endpoint, be it old, new, or retried, and the others flow",
			run:         parkCloses,
		},
		{
			name:        "park/ends",
			explanation: "a park ends by itself after For, never before; nobody has to remember it",
			run:         parkEnds,
		},
		{
			name:        "park/opens",
			explanation: "a Park with For of zero or less opens the endpoint at once, and all that waited comes",
			run:         parkOpens,
		},
		{
			name:        "park/replaces",
			explanation: "a later Park replaces an earlier one, be it longer or shorter",
			run:         parkReplaces,
		},
		{
			name:        "park/running",
			explanation: "what is under way when its endpoint is parked is settled as ever, counts no attempt while it waits, and opens no pause",
			run:         parkRunning,
		},
		{
			name:        "park/expired",
			explanation: "a lease that ends while its endpoint is parked does not bring the delivery back before the park ends",
			run:         parkExpired,
		},
		{
			name:        "park/ordered",
			explanation: "parking an endpoint closes all its lanes, and their order outlasts it",
			run:         parkOrdered,
		},
		{
			name:        "park/many",
			explanation: "thousands of parked endpoints keep nothing from the open ones, and one call parks or opens them all",
			run:         parkMany,
		},
		{
			name:        "park/peers",
			explanation: "an endpoint parked by one process is parked for all",
			needs:       Peers,
			run:         parkPeers,
		},
		{
			name:        "park/held",
			explanation: "deliveries of a paused endpoint are shown as Held, those of one that is parked otherwise as Pending",
			needs:       History,
			run:         parkHeld,
		},
	}
}

func parkCloses(ctx context.Context, e *env) {
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "before", For: never})
	old := e.batch("a", "b", "before")
	e.enqueue(ctx, e.Queue, old)
	retried := e.one(ctx, e.Queue, webhook.Claim{Skip: []string{"b", "before"}})
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "a", For: never})
	e.settle(ctx, e.Queue, item(retried, webhook.Pending))
	fresh := e.batch("a", "b", "A")
	e.enqueue(ctx, e.Queue, fresh)
	e.want(ctx, e.Queue, webhook.Claim{}, old.Deliveries[1].ID, fresh.Deliveries[1].ID, fresh.Deliveries[2].ID)
}

func parkEnds(ctx context.Context, e *env) {
	e.enqueue(ctx, e.Queue, e.batch("a"))
	start, closed := time.Now(), 4*e.tick
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "a", For: closed})
	got := e.reclaim(ctx, e.Queue, webhook.Claim{}, start, closed)
	if got[0].Delivery.Attempts != 1 {
		e.errorf("Attempts = %d after a park, want 1", got[0].Delivery.Attempts)
	}
	e.finish(ctx, e.Queue, got...)
	b := e.batch("a")
	e.enqueue(ctx, e.Queue, b)
	e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(b)...)
}

func parkOpens(ctx context.Context, e *env) {
	for _, d := range []time.Duration{0, -time.Second} {
		batches := e.batches(5, "a")
		e.park(ctx, e.Queue, webhook.Park{EndpointID: "a", For: never, Hold: d == 0})
		for _, b := range batches {
			e.enqueue(ctx, e.Queue, b)
		}
		e.none(ctx, e.Queue, "the endpoint is parked")
		e.park(ctx, e.Queue, webhook.Park{EndpointID: "a", For: d})
		e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(batches...)...)
		e.park(ctx, e.Queue, webhook.Park{EndpointID: "a", For: d}, webhook.Park{EndpointID: "open", For: d})
	}
}

func parkReplaces(ctx context.Context, e *env) {
	b := e.batch("a", "b")
	e.enqueue(ctx, e.Queue, b)
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "a", For: e.tick}, webhook.Park{EndpointID: "b", For: never})
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "a", For: never})
	start := time.Now()
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "b", For: 2 * e.tick})
	got := e.reclaim(ctx, e.Queue, webhook.Claim{}, start, 2*e.tick)
	if len(got) != 1 || got[0].Delivery.EndpointID != "b" {
		e.errorf("Claim returned %s, want the delivery of b alone: its hour became %v, and a's %v an hour", ids(got), 2*e.tick, e.tick)
	}
}

func parkRunning(ctx context.Context, e *env) {
	e.enqueue(ctx, e.Queue, e.batch("a"))
	e.enqueue(ctx, e.Queue, e.batch("a"))
	got := e.drain(ctx, e.Queue, webhook.Claim{}, 2)
	if len(got) != 2 {
		e.fatalf("Claim handed out %d of 2 deliveries", len(got))
	}
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "a", For: never, Hold: true})
	done := item(got[0], webhook.Delivered)
	done.Health = webhook.Healthy
	back := item(got[1], webhook.Pending)
	back.Unsent = true
	e.settle(ctx, e.Queue, done, back)
	e.none(ctx, e.Queue, "the endpoint is paused; the success of a request that was under way does not end that")
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "a"})
	if c := e.one(ctx, e.Queue, webhook.Claim{}); c.Delivery.Attempts != 1 {
		e.errorf("Attempts = %d, want 1: nothing was sent before the park", c.Delivery.Attempts)
	}
}

func parkExpired(ctx context.Context, e *env) {
	b := e.batch("a")
	e.enqueue(ctx, e.Queue, b)
	e.one(ctx, e.Queue, webhook.Claim{Lease: e.tick})
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "a", For: never})
	e.sleep(ctx, 3)
	e.none(ctx, e.Queue, "the endpoint is parked")
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "a"})
	if got := e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(b)...)[b.Deliveries[0].ID]; !got.Expired {
		e.errorf("Expired = false after a park; the earlier lease ended unsettled")
	}
}

func parkOrdered(ctx context.Context, e *env) {
	first, second, other := e.ordered("a", "k"), e.ordered("a", "k"), e.ordered("a", "other")
	e.enqueue(ctx, e.Queue, first)
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "a", For: never})
	e.enqueue(ctx, e.Queue, second)
	e.enqueue(ctx, e.Queue, other)
	e.none(ctx, e.Queue, "the endpoint is parked, with all its keys")
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "a"})
	got := e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(first, other)...)
	e.finish(ctx, e.Queue, got[first.Deliveries[0].ID])
	e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(second)...)
}

func parkMany(ctx context.Context, e *env) {
	many := names("parked", e.volume)
	parks := make([]webhook.Park, len(many))
	for i := range many {
		parks[i] = webhook.Park{EndpointID: many[i], For: never}
	}
	e.park(ctx, e.Queue, parks...)
	e.enqueue(ctx, e.Queue, e.batch(many...))
	open := e.batch(names("z-open", 5)...)
	e.enqueue(ctx, e.Queue, open)
	e.want(ctx, e.Queue, webhook.Claim{Limit: 3}, deliveryIDs(open)...)
	for i := range parks {
		parks[i].For = 0
	}
	e.park(ctx, e.Queue, parks...)
	if got := e.drain(ctx, e.Queue, webhook.Claim{}, len(many)); len(got) != len(many) {
		e.errorf("after all were opened Claim handed out %d of %d deliveries", len(got), len(many))
	}
}

func parkPeers(ctx context.Context, e *env) {
	peer := e.peer()
	b := e.batch("a", "b")
	e.enqueue(ctx, e.Queue, b)
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "a", For: never})
	e.want(ctx, peer.Queue, webhook.Claim{}, b.Deliveries[1].ID)
	e.park(ctx, peer.Queue, webhook.Park{EndpointID: "a"})
	e.want(ctx, e.Queue, webhook.Claim{}, b.Deliveries[0].ID)
}

func parkHeld(ctx context.Context, e *env) {
	h := e.Queue.(webhook.History) //nolint:forcetypeassert // the case needs it
	b := e.batch("paused", "closed", "open")
	e.enqueue(ctx, e.Queue, b)
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "paused", For: never, Hold: true},
		webhook.Park{EndpointID: "closed", For: never})
	late := e.batch("paused")
	e.enqueue(ctx, e.Queue, late)
	state := func(id string, want webhook.State) {
		d, _, err := h.Delivery(ctx, id)
		e.ok(err, "Delivery")
		if d.State != want {
			e.errorf("State of %s (endpoint %s) = %v, want %v", id, d.EndpointID, d.State, want)
		}
	}
	state(b.Deliveries[0].ID, webhook.Held)
	state(late.Deliveries[0].ID, webhook.Held)
	state(b.Deliveries[1].ID, webhook.Pending)
	state(b.Deliveries[2].ID, webhook.Pending)
	e.listed(ctx, webhook.HistoryQuery{States: []webhook.State{webhook.Held}}, b.Deliveries[0].ID, late.Deliveries[0].ID)
	e.listed(ctx, webhook.HistoryQuery{States: []webhook.State{webhook.Pending}}, b.Deliveries[1].ID, b.Deliveries[2].ID)
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "paused"})
	state(b.Deliveries[0].ID, webhook.Pending)
	e.listed(ctx, webhook.HistoryQuery{States: []webhook.State{webhook.Held}})
}
