package storetest

import (
	"context"
	"time"

	"github.com/outhook/outhook/webhook"
)

func healthCases() []testCase {
	return []testCase{
		{
			name: "health/row",
			explanation: "Settle tells how long an endpoint has been failing, and what was true before the batch: " +
				"who sees a threshold between the two is the only one",
			run: func(ctx context.Context, e *env) { e.failingRow(ctx, e.Queue) },
		},
		{
			name:        "health/peers",
			explanation: "a row of failures is counted over all processes",
			needs:       Peers,
			run:         func(ctx context.Context, e *env) { e.failingRow(ctx, e.peer().Queue) },
		},
		{
			name:        "health/batch",
			explanation: "a batch counts each failure of each endpoint, and reports an endpoint once",
			run:         healthBatch,
		},
		{
			name:        "health/healthy",
			explanation: "a success ends the row of its own endpoint; NoSign and the zero Health change nothing",
			run:         healthHealthy,
		},
	}
}

// failing compares counts; durations are looked at where they are known.
func (e *env) failing(got webhook.Settled, want ...webhook.EndpointHealth) []webhook.EndpointHealth {
	if len(got.Failing) != len(want) {
		e.fatalf("Settle reported %+v as failing, want %+v", got.Failing, want)
	}
	out := make([]webhook.EndpointHealth, len(want))
	for i, w := range want {
		found := false
		for _, g := range got.Failing {
			if g.EndpointID != w.EndpointID {
				continue
			}
			found = true
			out[i] = g
			if g.Failures != w.Failures || g.WasFailures != w.WasFailures {
				e.errorf("endpoint %s: Failures %d, WasFailures %d; want %d, %d", w.EndpointID, g.Failures, g.WasFailures, w.Failures, w.WasFailures)
			}
		}
		if !found {
			e.fatalf("Settle reported %+v as failing, want endpoint %s among them", got.Failing, w.EndpointID)
		}
	}
	return out
}

// attempt claims the one delivery that is due and settles it as Pending.
func (e *env) attempt(ctx context.Context, q webhook.Queue, health webhook.Health) webhook.Settled {
	it := item(e.one(ctx, q, webhook.Claim{}), webhook.Pending)
	it.Health = health
	return e.settle(ctx, q, it)
}

func (e *env) failingRow(ctx context.Context, other webhook.Queue) {
	e.enqueue(ctx, e.Queue, e.batch("a"))
	queues := []webhook.Queue{e.Queue, other}
	first := time.Now() // before the first failure
	var begun time.Time // after it
	was := time.Duration(0)
	for n := range 5 {
		low := time.Duration(0)
		if n > 0 {
			low = time.Since(begun) - grain
		}
		res := e.attempt(ctx, queues[n%2], webhook.Failing)
		high := time.Since(first) + grain
		if n == 0 {
			begun = time.Now()
		}
		got := e.failing(res, webhook.EndpointHealth{EndpointID: "a", Failures: n + 1, WasFailures: n})[0]
		if got.FailingFor < low || got.FailingFor > high {
			e.errorf("failure %d: FailingFor = %v, want %v to %v", n+1, got.FailingFor, low, high)
		}
		if n == 0 && got.FailingFor > grain {
			e.errorf("FailingFor = %v at the first failure, want 0", got.FailingFor)
		}
		if off := got.WasFailingFor - was; off < -grain || off > grain {
			e.errorf("failure %d: WasFailingFor = %v, want %v, as of the failure before", n+1, got.WasFailingFor, was)
		}
		was = got.FailingFor
		e.sleep(ctx, 1)
	}
}

func healthBatch(ctx context.Context, e *env) {
	for range 3 {
		e.enqueue(ctx, e.Queue, e.batch("a", "b", "c"))
	}
	round := func(health func(i int, endpoint string) webhook.Health) webhook.Settled {
		got := e.drain(ctx, e.Queue, webhook.Claim{}, 9)
		items := make([]webhook.Settlement, len(got))
		for i := range got {
			items[i] = item(got[i], webhook.Pending)
			items[i].Health = health(i, items[i].EndpointID)
		}
		return e.settle(ctx, e.Queue, items...)
	}
	all := func(_ int, endpoint string) webhook.Health {
		if endpoint == "c" {
			return webhook.Healthy
		}
		return webhook.Failing
	}
	e.failing(round(all),
		webhook.EndpointHealth{EndpointID: "a", Failures: 3}, webhook.EndpointHealth{EndpointID: "b", Failures: 3})
	e.failing(round(all),
		webhook.EndpointHealth{EndpointID: "a", Failures: 6, WasFailures: 3}, webhook.EndpointHealth{EndpointID: "b", Failures: 6, WasFailures: 3})
	e.failing(round(func(_ int, endpoint string) webhook.Health {
		if endpoint == "a" {
			return webhook.Healthy
		}
		return webhook.NoSign
	}))
	e.failing(round(all),
		webhook.EndpointHealth{EndpointID: "a", Failures: 3}, webhook.EndpointHealth{EndpointID: "b", Failures: 9, WasFailures: 6})
}

func healthHealthy(ctx context.Context, e *env) {
	e.enqueue(ctx, e.Queue, e.batch("a"))
	for _, step := range []struct {
		health webhook.Health
		count  int // after it; -1: not failing
		was    int
	}{
		{health: webhook.Failing, count: 1},
		{health: webhook.NoSign, count: -1},
		{health: webhook.Failing, count: 2, was: 1},
		{health: 0, count: -1},
		{health: webhook.Failing, count: 3, was: 2},
		{health: webhook.Healthy, count: -1},
		{health: webhook.Healthy, count: -1},
		{health: webhook.Failing, count: 1},
	} {
		res := e.attempt(ctx, e.Queue, step.health)
		if step.count < 0 {
			e.failing(res)
			continue
		}
		got := e.failing(res, webhook.EndpointHealth{EndpointID: "a", Failures: step.count, WasFailures: step.was})[0]
		if step.count == 1 && (got.FailingFor > grain || got.WasFailingFor != 0) {
			e.errorf("at the first failure of a row FailingFor = %v, WasFailingFor = %v; want 0, 0", got.FailingFor, got.WasFailingFor)
		}
		e.sleep(ctx, 0.2)
	}
}
