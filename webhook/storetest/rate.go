package storetest

import (
	"context"
	"sync"
	"time"

	"github.com/outhook/outhook/webhook"
)

func rateCases() []testCase {
	return []testCase{
		{
			name:        "rate/window",
			explanation: "in no window of length Per more than Limit requests are granted, whoever asks, and however much at a time",
			needs:       RateLimiter,
			run:         func(ctx context.Context, e *env) { e.limited(ctx, e.Queue) },
		},
		{
			name:        "rate/peers",
			explanation: "the limit holds over all processes together",
			needs:       RateLimiter | Peers,
			run:         func(ctx context.Context, e *env) { e.limited(ctx, e.peer().Queue) },
		},
		{
			name:        "rate/wait",
			explanation: "where less is granted than was asked for, wait tells when the next is: after it there is one, so that nobody waits for ever",
			needs:       RateLimiter,
			run:         rateWait,
		},
		{
			name:        "rate/endpoints",
			explanation: "each endpoint has its own limit",
			needs:       RateLimiter,
			run:         rateEndpoints,
		},
	}
}

func (e *env) take(ctx context.Context, q webhook.Queue, endpoint string, n int, rate webhook.Rate) (int, time.Duration) {
	granted, wait, err := q.(webhook.RateLimiter).Take(ctx, endpoint, n, rate) //nolint:forcetypeassert // the cases need it
	if err != nil {
		e.errorf("Take: %v", err)
		return 0, e.tick
	}
	if granted < 0 || granted > n {
		e.errorf("Take(%d) granted %d", n, granted)
	}
	if granted < n && (wait <= 0 || wait > rate.Per+grain) {
		e.errorf("Take(%d, %+v) granted %d and said to wait %v; want more than 0, and %v at most", n, rate, granted, wait, rate.Per)
	}
	return granted, wait
}

// grant is what a Take gave, at some moment between two.
type grant struct {
	after, before time.Time
	n             int
}

func (e *env) limited(ctx context.Context, other webhook.Queue) {
	rate := webhook.Rate{Limit: 5, Per: 4 * e.tick}
	queues := []webhook.Queue{e.Queue, other}
	var mu sync.Mutex
	var grants []grant
	end := time.Now().Add(16 * e.tick)
	var wg sync.WaitGroup
	for caller := range 4 {
		wg.Go(func() {
			for time.Now().Before(end) {
				start := time.Now()
				n, wait := e.take(ctx, queues[caller%2], "a", 1+caller, rate)
				mu.Lock()
				grants = append(grants, grant{after: start, before: time.Now(), n: n})
				mu.Unlock()
				if n == 0 {
					e.pause(ctx, min(wait, e.tick/2))
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for _, first := range grants {
		total += first.n
		// What was surely granted within Per of first, first included.
		sum, last := 0, first.after.Add(rate.Per-grain)
		for _, g := range grants {
			if !g.after.Before(first.after) && g.before.Before(last) {
				sum += g.n
			}
		}
		if sum > rate.Limit {
			e.fatalf("%d requests were granted within less than %v, the limit is %d", sum, rate.Per, rate.Limit)
		}
	}
	if total <= rate.Limit {
		e.errorf("within four windows %d requests were granted, the limit for each is %d", total, rate.Limit)
	}
}

func rateWait(ctx context.Context, e *env) {
	rate := webhook.Rate{Limit: 3, Per: 3 * e.tick}
	if n, _ := e.take(ctx, e.Queue, "a", 3, rate); n != 3 {
		e.errorf("the first Take granted %d of 3", n)
	}
	for range 3 {
		n, wait := e.take(ctx, e.Queue, "a", 3, rate)
		if n == 0 {
			e.pause(ctx, wait+grain)
			n, _ = e.take(ctx, e.Queue, "a", 3, rate)
		}
		if n == 0 {
			e.errorf("after the wait of %v that Take asked for, the next Take granted nothing", wait)
		}
	}
}

func rateEndpoints(ctx context.Context, e *env) {
	rate := webhook.Rate{Limit: 2, Per: never}
	for _, id := range []string{"a", "b", "A"} {
		if n, _ := e.take(ctx, e.Queue, id, 5, rate); n != 2 {
			e.errorf("Take for endpoint %q granted %d, want 2", id, n)
		}
	}
	if n, wait := e.take(ctx, e.Queue, "a", 1, rate); n != 0 || wait < never/2 {
		e.errorf("Take after the limit granted %d and said to wait %v; want 0, and nearly %v", n, wait, rate.Per)
	}
}
