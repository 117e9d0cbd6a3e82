package storetest

import (
	"context"
	"strings"

	"github.com/outhook/outhook/webhook"
)

func fairCases() []testCase {
	return []testCase{
		{
			name:        "fair/backlog",
			explanation: "while several endpoints have due deliveries, none waits for another's backlog: the older one is not served first",
			run:         func(ctx context.Context, e *env) { e.quietFirst(ctx, webhook.Claim{Limit: 50, PerEndpoint: 5}, 10) },
		},
		{
			name:        "fair/greedy",
			explanation: "where one endpoint may fill a whole Claim, the next Claim goes on with others",
			run:         func(ctx context.Context, e *env) { e.quietFirst(ctx, webhook.Claim{Limit: 25}, 30) },
		},
		{
			name:        "fair/again",
			explanation: "fairness lasts: endpoints that get new work while the backlog drains are served again and again",
			run:         fairAgain,
		},
		{
			name:        "fair/ordered-backlog",
			explanation: "what waits behind the head of an ordered lane costs the other endpoints nothing",
			run:         fairOrderedBacklog,
		},
		{
			name:        "fair/retries",
			explanation: "a storm of late retries of one endpoint does not starve fresh deliveries of others",
			run:         fairRetries,
		},
	}
}

// backlog is how many deliveries a noisy endpoint has.
const backlog = 2000

// flood enqueues a backlog for one endpoint, in one batch.
func (e *env) flood(ctx context.Context, endpoint string) *webhook.Batch {
	b := &webhook.Batch{Message: e.message()}
	for range backlog {
		b.Deliveries = append(b.Deliveries, e.delivery(b.Message, endpoint))
	}
	e.enqueue(ctx, e.Queue, b)
	return b
}

// quietFirst enqueues a backlog, and then one delivery each of many quiet
// endpoints, which must come within some Claims.
func (e *env) quietFirst(ctx context.Context, c webhook.Claim, within int) {
	e.flood(ctx, "noisy")
	e.sleep(ctx, 0.2)
	e.enqueue(ctx, e.Queue, e.batch(names("quiet", 20)...))
	e.serveQuiet(ctx, c, 20, within)
}

// serveQuiet claims until n deliveries of quiet endpoints came.
func (e *env) serveQuiet(ctx context.Context, c webhook.Claim, n, within int) {
	quiet := 0
	for range within {
		got := e.claim(ctx, e.Queue, c)
		for i := range got {
			if strings.HasPrefix(got[i].Delivery.EndpointID, "quiet") {
				quiet++
			}
		}
		e.finish(ctx, e.Queue, got...)
		if quiet >= n {
			return
		}
	}
	e.errorf("after %d Claims of up to %d, %d of %d deliveries to quiet endpoints came, behind a backlog of %d to another",
		within, c.Limit, quiet, n, backlog)
}

func fairAgain(ctx context.Context, e *env) {
	e.flood(ctx, "noisy")
	for range 6 {
		e.enqueue(ctx, e.Queue, e.batch(names("quiet", 5)...))
		e.serveQuiet(ctx, webhook.Claim{Limit: 20, PerEndpoint: 10}, 5, 6)
	}
}

func fairOrderedBacklog(ctx context.Context, e *env) {
	b := &webhook.Batch{Message: e.message()}
	for range backlog {
		d := e.delivery(b.Message, "noisy")
		d.Ordered, d.Key = true, "k"
		b.Deliveries = append(b.Deliveries, d)
	}
	e.enqueue(ctx, e.Queue, b)
	head := e.one(ctx, e.Queue, webhook.Claim{})
	e.enqueue(ctx, e.Queue, e.batch(names("quiet", 20)...))
	e.serveQuiet(ctx, webhook.Claim{Limit: 10}, 20, 10)
	e.none(ctx, e.Queue, "the head of the one lane is under lease")
	e.finish(ctx, e.Queue, head)
	if got := e.drain(ctx, e.Queue, webhook.Claim{}, 1); len(got) != 1 {
		e.errorf("after the head ended Claim returned %d deliveries, want the next one", len(got))
	}
}

func fairRetries(ctx context.Context, e *env) {
	b := e.flood(ctx, "noisy")
	got := e.drain(ctx, e.Queue, webhook.Claim{}, len(b.Deliveries))
	items := make([]webhook.Settlement, len(got))
	for i := range got {
		items[i] = item(got[i], webhook.Pending)
		items[i].Delay = e.tick
	}
	e.settle(ctx, e.Queue, items...)
	e.sleep(ctx, 2)
	e.enqueue(ctx, e.Queue, e.batch(names("quiet", 20)...))
	e.serveQuiet(ctx, webhook.Claim{Limit: 50, PerEndpoint: 5}, 20, 10)
}
