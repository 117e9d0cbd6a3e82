package storetest

import (
	"context"
	"time"

	"github.com/outhook/outhook/webhook"
)

func leaseCases() []testCase {
	return []testCase{
		{
			name:        "lease/ends",
			explanation: "a Running delivery whose lease has ended is due again, and never before: a worker that died must lose nothing, one that lives must not be overtaken",
			run:         leaseEnds,
		},
		{
			name:        "lease/own-length",
			explanation: "each Claim says how long its lease is; a short one does not shorten, and a long one does not lengthen, another's",
			run:         leaseOwnLength,
		},
		{
			name:        "lease/expired",
			explanation: "Expired tells that an earlier attempt may have reached the receiver; who forgets it sends an at-most-once delivery twice",
			run:         leaseExpired,
		},
		{
			name:        "lease/late-settle",
			explanation: "a settlement that comes after the lease ended, but before anybody else claimed, has the latest token and counts",
			run:         leaseLateSettle,
		},
		{
			name:        "lease/many",
			explanation: "the leases of a process that died with its hands full all end",
			run:         leaseMany,
		},
	}
}

// reclaim claims until the delivery comes, and reports if that is sooner than
// after hidden, from a moment at or after start.
func (e *env) reclaim(ctx context.Context, q webhook.Queue, c webhook.Claim, start time.Time, hidden time.Duration) []webhook.Claimed {
	var got []webhook.Claimed
	e.eventually(ctx, "a delivery that is due again", func() bool {
		got = e.claim(ctx, q, c)
		return len(got) > 0
	})
	if took := time.Since(start); len(got) > 0 && took < hidden-grain {
		e.errorf("Claim handed out %s %v after it was to be hidden for %v", ids(got), took, hidden)
	}
	if len(got) == 0 {
		e.fatalf("the delivery never came back")
	}
	return got
}

func leaseEnds(ctx context.Context, e *env) {
	b := e.batch("a")
	e.enqueue(ctx, e.Queue, b)
	start, lease := time.Now(), 3*e.tick
	first := e.one(ctx, e.Queue, webhook.Claim{Lease: lease})
	second := e.reclaim(ctx, e.Queue, webhook.Claim{Limit: 1}, start, lease)[0]
	if second.Delivery.ID != first.Delivery.ID || second.Token == first.Token || second.Delivery.Attempts != 2 {
		e.errorf("after the lease: delivery %s, token new %v, Attempts %d; want %s, true, 2",
			second.Delivery.ID, second.Token != first.Token, second.Delivery.Attempts, first.Delivery.ID)
	}
	e.finish(ctx, e.Queue, second)
	e.none(ctx, e.Queue, "it is delivered")
}

func leaseOwnLength(ctx context.Context, e *env) {
	long, short := e.batch("long"), e.batch("short")
	e.enqueue(ctx, e.Queue, long)
	e.want(ctx, e.Queue, webhook.Claim{Lease: never}, deliveryIDs(long)...)
	e.enqueue(ctx, e.Queue, short)
	start := time.Now()
	e.one(ctx, e.Queue, webhook.Claim{Lease: e.tick})
	got := e.reclaim(ctx, e.Queue, webhook.Claim{}, start, e.tick)
	if len(got) != 1 || got[0].Delivery.ID != short.Deliveries[0].ID {
		e.errorf("after the short lease Claim returned %s, want %s alone", ids(got), short.Deliveries[0].ID)
	}
}

func leaseExpired(ctx context.Context, e *env) {
	e.enqueue(ctx, e.Queue, e.batch("a"))
	start := time.Now()
	first := e.one(ctx, e.Queue, webhook.Claim{Lease: e.tick})
	if first.Expired {
		e.errorf("Expired at the first claim")
	}
	second := e.reclaim(ctx, e.Queue, webhook.Claim{}, start, e.tick)[0]
	if !second.Expired {
		e.errorf("Expired = false after a lease that ended unsettled")
	}
	give := item(second, webhook.Pending)
	give.Unsent = true
	e.settle(ctx, e.Queue, give)
	third := e.one(ctx, e.Queue, webhook.Claim{})
	if !third.Expired || third.Delivery.Attempts != 2 {
		e.errorf("after giving back what had expired: Expired %v, Attempts %d; want true, 2: the first attempt may have been sent",
			third.Expired, third.Delivery.Attempts)
	}
}

func leaseLateSettle(ctx context.Context, e *env) {
	b := e.batch("a")
	e.enqueue(ctx, e.Queue, b)
	got := e.one(ctx, e.Queue, webhook.Claim{Lease: e.tick})
	e.sleep(ctx, 3)
	e.finish(ctx, e.Queue, got)
	e.none(ctx, e.Queue, "it is delivered")
}

func leaseMany(ctx context.Context, e *env) {
	const n = 200
	var want []string
	for range n / 20 {
		b := e.batch(names("a", 20)...)
		e.enqueue(ctx, e.Queue, b)
		want = append(want, deliveryIDs(b)...)
	}
	e.want(ctx, e.Queue, webhook.Claim{Lease: 40 * e.tick}, want...)
	seen := map[string]bool{}
	e.eventually(ctx, "all deliveries of the process that died", func() bool {
		for _, c := range e.claim(ctx, e.Queue, webhook.Claim{Limit: 50}) {
			if seen[c.Delivery.ID] || !c.Expired {
				e.errorf("delivery %s: again %v, Expired %v; want false, true", c.Delivery.ID, seen[c.Delivery.ID], c.Expired)
			}
			seen[c.Delivery.ID] = true
		}
		return len(seen) == n
	})
}
