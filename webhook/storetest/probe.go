package storetest

import (
	"context"
	"time"

	"github.com/outhook/outhook/webhook"
)

func probeCases() []testCase {
	return []testCase{
		{
			name: "probe/one-at-a-time",
			explanation: "after the park of a broken endpoint Claim hands out one delivery at a time, whatever its neighbours do, " +
				"until a settlement says Healthy: then all",
			run: func(ctx context.Context, e *env) { e.probing(ctx, e.Queue) },
		},
		{
			name:        "probe/peers",
			explanation: "over all processes there is one probe",
			needs:       Peers,
			run:         func(ctx context.Context, e *env) { e.probing(ctx, e.peer().Queue) },
		},
		{
			name:        "probe/lost",
			explanation: "a probe whose process died, or that was given back unsent, is followed by another; otherwise the endpoint is closed for ever",
			run:         probeLost,
		},
		{
			name:        "probe/replaced",
			explanation: "a later Park replaces a probe: closed again, or open to all",
			run:         probeReplaced,
		},
	}
}

// probed enqueues n deliveries for an endpoint that is parked with a probe,
// and waits for the first.
func (e *env) probed(ctx context.Context, n int, c webhook.Claim) webhook.Claimed {
	start := time.Now()
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "a", For: e.tick, Probe: true})
	for _, b := range e.batches(n, "a") {
		e.enqueue(ctx, e.Queue, b)
	}
	got := e.reclaim(ctx, e.Queue, c, start, e.tick)
	if len(got) != 1 {
		e.fatalf("Claim returned %d deliveries of an endpoint that is to be probed with one", len(got))
	}
	return got[0]
}

func (e *env) probing(ctx context.Context, other webhook.Queue) {
	const n = 6
	probe := e.probed(ctx, n, webhook.Claim{})
	for _, step := range []struct {
		state  webhook.State
		health webhook.Health
	}{
		{state: webhook.Pending, health: webhook.Failing},
		{state: webhook.Failed, health: webhook.Failing},
		{state: webhook.Delivered, health: webhook.NoSign},
		{state: webhook.Pending, health: webhook.NoSign},
	} {
		e.none(ctx, e.Queue, "the probe is under way")
		free := e.batch("free")
		e.enqueue(ctx, e.Queue, free)
		for _, c := range e.want(ctx, other, webhook.Claim{}, deliveryIDs(free)...) {
			it := item(c, webhook.Delivered)
			it.Health = webhook.Healthy
			e.settle(ctx, other, it)
		}
		e.none(ctx, other, "the probe is under way; another endpoint's health says nothing of this one")
		it := item(probe, step.state)
		it.Health = step.health
		e.settle(ctx, e.Queue, it)
		got := e.drain(ctx, other, webhook.Claim{}, 1)
		if len(got) != 1 {
			e.fatalf("after a probe that ended as %v, and not Healthy, Claim handed out %d deliveries, want 1", step.state, len(got))
		}
		probe = got[0]
	}
	it := item(probe, webhook.Delivered)
	it.Health = webhook.Healthy
	e.settle(ctx, other, it)
	// Two ended as final before, one now.
	if got := e.drain(ctx, e.Queue, webhook.Claim{}, n); len(got) != n-3 {
		e.errorf("after a probe that was Healthy Claim handed out %d deliveries, want all %d", len(got), n-3)
	}
}

func probeLost(ctx context.Context, e *env) {
	probe := e.probed(ctx, 3, webhook.Claim{Lease: 2 * e.tick})
	var again []webhook.Claimed
	e.eventually(ctx, "another probe after the lease of the first", func() bool {
		again = e.claim(ctx, e.Queue, webhook.Claim{})
		return len(again) > 0
	})
	if len(again) != 1 {
		e.fatalf("after a lost probe Claim returned %d deliveries, want 1", len(again))
	}
	it := item(again[0], webhook.Pending)
	it.Unsent = true
	e.settle(ctx, e.Queue, it)
	third := e.drain(ctx, e.Queue, webhook.Claim{}, 1)
	if len(third) != 1 {
		e.fatalf("after a probe that was given back Claim returned %d deliveries, want 1", len(third))
	}
	if again[0].Delivery.ID == probe.Delivery.ID {
		e.stale(ctx, e.Queue, item(probe, webhook.Delivered), "its lease ended and another claimed it")
	}
	e.none(ctx, e.Queue, "the third probe is under way")
}

func probeReplaced(ctx context.Context, e *env) {
	probe := e.probed(ctx, 4, webhook.Claim{})
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "a", For: never, Probe: true})
	e.settle(ctx, e.Queue, item(probe, webhook.Pending))
	e.none(ctx, e.Queue, "the endpoint is parked again")
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "a"})
	if got := e.drain(ctx, e.Queue, webhook.Claim{}, 4); len(got) != 4 {
		e.errorf("after a Park that opens Claim handed out %d deliveries, want all 4", len(got))
	}
}
