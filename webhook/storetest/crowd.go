package storetest

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/outhook/outhook/webhook"
)

func crowdCases() []testCase {
	return []testCase{
		{
			name:        "crowd",
			explanation: "with producers and workers of several processes at it, with retries, give-backs and lost leases, every delivery ends once, and none is lost",
			run:         crowd,
		},
	}
}

// ledger is what the workers of crowd know together.
type ledger struct {
	mu    sync.Mutex
	ended map[string]int // by delivery: how many settlements took it to its end
	left  int
}

func (l *ledger) remaining() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left
}

func crowd(ctx context.Context, e *env) {
	const producers, workers = 3, 4
	queues := []webhook.Queue{e.Queue}
	if e.Peer != nil {
		queues = append(queues, e.peer().Queue)
	}
	perProducer := e.volume / 100
	endpoints := names("crowd", 5)
	l := &ledger{ended: map[string]int{}, left: producers * perProducer * len(endpoints)}
	total := l.left
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			for range perProducer {
				if _, err := queues[p%len(queues)].Enqueue(ctx, e.batch(endpoints...)); err != nil {
					e.errorf("Enqueue, with others at it: %v", err)
				}
			}
		})
	}
	for w := range workers {
		wg.Go(func() { e.work(ctx, queues[w%len(queues)], uint64(w), l) })
	}
	wg.Wait()
	if len(l.ended) != total {
		e.errorf("of %d deliveries %d ended", total, len(l.ended))
	}
	for id, n := range l.ended {
		if n != 1 {
			e.errorf("delivery %s ended %d times", id, n)
		}
	}
	e.none(ctx, e.Queue, "all are delivered")
}

// work claims and settles until all have ended.
func (e *env) work(ctx context.Context, q webhook.Queue, seed uint64, l *ledger) {
	r := rand.New(rand.NewPCG(seed, 1))
	last := time.Now() // when there was something to claim
	for l.remaining() > 0 && time.Since(last) < patience*e.tick/4 {
		c := wide(webhook.Claim{Limit: 1 + r.IntN(60)})
		forget := r.IntN(20) == 0
		if forget {
			c.Lease, c.Limit = e.tick, 3
		}
		got, err := q.Claim(ctx, c)
		switch {
		case err != nil:
			e.errorf("Claim, with others at it: %v", err)
			return
		case len(got) == 0:
			e.sleep(ctx, 0.1)
		case forget:
			last = time.Now()
		default:
			last = time.Now()
			e.end(ctx, q, r, got, l)
		}
	}
}

// end settles what was claimed, most of it as Delivered.
func (e *env) end(ctx context.Context, q webhook.Queue, r *rand.Rand, got []webhook.Claimed, l *ledger) {
	items := make([]webhook.Settlement, len(got))
	for i := range got {
		items[i] = item(got[i], webhook.Delivered)
		switch r.IntN(10) {
		case 0:
			items[i].State, items[i].Unsent = webhook.Pending, true
		case 1, 2:
			items[i].State, items[i].Health = webhook.Pending, webhook.Failing
		}
	}
	res, err := q.Settle(ctx, items)
	if err != nil {
		e.errorf("Settle, with others at it: %v", err)
		return
	}
	if len(res.Stale) > 0 {
		e.errorf("Settle called %d items stale under a lease of an hour", len(res.Stale))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range items {
		if items[i].State.Final() {
			l.ended[items[i].ID]++
			l.left--
		}
	}
}
