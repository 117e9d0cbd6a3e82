package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/outhook/outhook/webhook"
)

func extendCases() []testCase {
	return []testCase{
		{
			name:        "extend/lengthens",
			explanation: "an extended lease ends lease from now: a long request is not overtaken",
			needs:       Extender,
			run:         extendLengthens,
		},
		{
			name:        "extend/ends",
			explanation: "an extended lease still ends, so that a worker that dies after it loses nothing",
			needs:       Extender,
			run:         extendEnds,
		},
		{
			name:        "extend/many",
			explanation: "one call extends all leases of a process",
			needs:       Extender,
			run:         extendMany,
		},
		{
			name:        "extend/stale",
			explanation: "who lost a lease learns it before sending: Extend reports what is no longer the caller's, and leaves it alone",
			needs:       Extender,
			run:         extendStale,
		},
	}
}

func lease(c webhook.Claimed) webhook.Lease {
	return webhook.Lease{ID: c.Delivery.ID, Token: c.Token}
}

func (e *env) extend(ctx context.Context, d time.Duration, want []int, leases ...webhook.Lease) {
	stale, err := e.Queue.(webhook.Extender).Extend(ctx, leases, d) //nolint:forcetypeassert // the case needs it
	e.ok(err, "Extend")
	slices.Sort(stale)
	if !slices.Equal(stale, want) && len(stale)+len(want) > 0 {
		e.errorf("Extend: stale = %v, want %v", stale, want)
	}
}

func extendLengthens(ctx context.Context, e *env) {
	e.enqueue(ctx, e.Queue, e.batch("a"))
	first := 10 * e.tick
	start := time.Now()
	got := e.one(ctx, e.Queue, webhook.Claim{Lease: first})
	e.extend(ctx, never, nil, lease(got))
	e.pause(ctx, first+e.tick-time.Since(start))
	e.none(ctx, e.Queue, "the lease was extended by an hour")
	e.finish(ctx, e.Queue, got)
}

func extendEnds(ctx context.Context, e *env) {
	e.enqueue(ctx, e.Queue, e.batch("a"))
	got := e.one(ctx, e.Queue, webhook.Claim{Lease: never})
	start := time.Now()
	e.extend(ctx, 2*e.tick, nil, lease(got))
	again := e.reclaim(ctx, e.Queue, webhook.Claim{}, start, 2*e.tick)[0]
	if !again.Expired || again.Delivery.Attempts != 2 {
		e.errorf("after an extended lease: Expired %v, Attempts %d; want true, 2", again.Expired, again.Delivery.Attempts)
	}
	e.stale(ctx, e.Queue, item(got, webhook.Delivered), "the extended lease ended and another claimed")
}

func extendMany(ctx context.Context, e *env) {
	n := e.volume / 5
	b := e.batch(names("a", n)...)
	e.enqueue(ctx, e.Queue, b)
	got := e.drain(ctx, e.Queue, webhook.Claim{Lease: 1000 * e.tick}, n)
	leases := make([]webhook.Lease, len(got))
	for i := range got {
		leases[i] = lease(got[i])
	}
	leases[n/2].Token++
	e.extend(ctx, e.tick, []int{n / 2}, leases...)
	seen := map[string]bool{}
	e.eventually(ctx, "the end of the leases, which were made short", func() bool {
		for _, c := range e.claim(ctx, e.Queue, webhook.Claim{}) {
			if seen[c.Delivery.ID] {
				e.errorf("delivery %s came twice within an hour's lease", c.Delivery.ID)
			}
			seen[c.Delivery.ID] = true
		}
		return len(seen) >= n-1
	})
	e.none(ctx, e.Queue, "all are under lease, one under its first")
	if id := leases[n/2].ID; seen[id] {
		e.errorf("Extend with another token changed the lease of %s", id)
	}
}

func extendStale(ctx context.Context, e *env) {
	e.enqueue(ctx, e.Queue, e.batch("done"))
	done := e.one(ctx, e.Queue, webhook.Claim{})
	e.finish(ctx, e.Queue, done)
	e.enqueue(ctx, e.Queue, e.batch("back"))
	back := e.one(ctx, e.Queue, webhook.Claim{})
	later := item(back, webhook.Pending)
	later.Delay = never
	e.settle(ctx, e.Queue, later)
	e.enqueue(ctx, e.Queue, e.batch("lost"))
	start := time.Now()
	old := e.one(ctx, e.Queue, webhook.Claim{Lease: e.tick})
	now := e.reclaim(ctx, e.Queue, webhook.Claim{}, start, e.tick)[0]

	e.extend(ctx, e.tick, []int{0, 1, 2, 4},
		lease(old), lease(done), lease(back), lease(now), webhook.Lease{ID: "dlv_unknown", Token: 1})
	e.extend(ctx, never, nil, lease(now))
	e.extend(ctx, e.tick, []int{0}, lease(old))
	e.sleep(ctx, 3)
	e.none(ctx, e.Queue, "a stale Extend must not shorten the new lease, nor bring back what waits")
	e.finish(ctx, e.Queue, now)
	e.extend(ctx, never, []int{0}, lease(now))
}
