package storetest

import (
	"context"
	"sync"
	"time"

	"github.com/outhook/outhook/webhook"
)

func claimCases() []testCase {
	return []testCase{
		{
			name:        "claim/nothing",
			explanation: "nothing due is no error, on an empty store as well",
			run:         claimNothing,
		},
		{
			name:        "claim/hides",
			explanation: "a claimed delivery is hidden from every other Claim until its lease ends; otherwise it is sent twice",
			run:         claimHides,
		},
		{
			name:        "claim/limits",
			explanation: "Limit and PerEndpoint bound a Claim, and what they leave comes with the next",
			run:         claimLimits,
		},
		{
			name:        "claim/max-bytes",
			explanation: "the bodies of a Claim sum up to MaxBytes at most, but a body that is larger still comes, alone",
			run:         claimMaxBytes,
		},
		{
			name:        "claim/skip",
			explanation: "endpoints in Skip have no room in this process: their deliveries stay for others, and hide nobody else's",
			run:         claimSkip,
		},
		{
			name:        "claim/shared-message",
			explanation: "all deliveries of one message in a Claim share it, so that memory holds each body once",
			run:         claimSharedMessage,
		},
		{
			name:        "claim/attempts",
			explanation: "each Claim counts an attempt and draws a new token; Unsent gives the attempt back",
			run:         claimAttempts,
		},
		{
			name:        "claim/age",
			explanation: "Age is the time since the delivery was enqueued, over all its attempts",
			run:         claimAge,
		},
		{
			name:        "claim/concurrent",
			explanation: "concurrent Claims, of one process or of several, never hand out the same delivery, and leave none behind",
			run:         claimConcurrent,
		},
		{
			name:        "claim/damaged",
			explanation: "a row that does not decode is handed out with Err, so that it can be failed, and blocks no other",
			needs:       Corruption,
			run:         claimDamaged,
		},
	}
}

func claimNothing(ctx context.Context, e *env) {
	e.none(ctx, e.Queue, "the store is empty")
	e.settle(ctx, e.Queue)
	e.park(ctx, e.Queue)
	b := e.batch("a")
	e.enqueue(ctx, e.Queue, b)
	e.finish(ctx, e.Queue, e.one(ctx, e.Queue, webhook.Claim{}))
	e.none(ctx, e.Queue, "all is delivered")
}

func claimHides(ctx context.Context, e *env) {
	batches := e.batches(20, "a")
	for _, b := range batches {
		e.enqueue(ctx, e.Queue, b)
	}
	e.want(ctx, e.Queue, webhook.Claim{Limit: 7}, deliveryIDs(batches...)...)
	e.none(ctx, e.Queue, "all are under lease")
	e.sleep(ctx, 1)
	e.none(ctx, e.Queue, "all are under a lease of an hour")
}

func claimLimits(ctx context.Context, e *env) {
	var sent []*webhook.Batch
	for _, id := range names("a", 6) {
		sent = append(sent, e.batches(9, id)...)
	}
	for _, b := range sent {
		e.enqueue(ctx, e.Queue, b)
	}
	first := e.claim(ctx, e.Queue, webhook.Claim{Limit: 1})
	if len(first) != 1 {
		e.errorf("Claim(Limit 1) returned %d deliveries, want 1", len(first))
	}
	e.claimRest(ctx, first, len(sent), webhook.Claim{Limit: 4, PerEndpoint: 3})
}

// claimRest claims what first left, and reports what is missing of total.
func (e *env) claimRest(ctx context.Context, first []webhook.Claimed, total int, c webhook.Claim) {
	all := append(first, e.drain(ctx, e.Queue, c, total-len(first))...)
	seen := map[string]bool{}
	for i := range all {
		seen[all[i].Delivery.ID] = true
	}
	if len(seen) != total {
		e.errorf("the Claims handed out %d different deliveries of %d", len(seen), total)
	}
}

func claimMaxBytes(ctx context.Context, e *env) {
	var sent []*webhook.Batch
	for _, size := range []int{400, 400, 400, 5000, 100, 0, 1001, 1000, 400} {
		b := &webhook.Batch{Message: e.messageOf(allBytes(size))}
		b.Deliveries = []webhook.Delivery{e.delivery(b.Message, "a"), e.delivery(b.Message, "b")}
		e.enqueue(ctx, e.Queue, b)
		sent = append(sent, b)
	}
	e.want(ctx, e.Queue, webhook.Claim{MaxBytes: 1000}, deliveryIDs(sent...)...)
	one := e.batch("c")
	e.enqueue(ctx, e.Queue, one)
	e.want(ctx, e.Queue, webhook.Claim{MaxBytes: 1}, deliveryIDs(one)...)
	sent = nil
	for _, size := range []int{5000, 0, 1} { // what is empty does not come with what is too large
		b := &webhook.Batch{Message: e.messageOf(allBytes(size))}
		b.Deliveries = []webhook.Delivery{e.delivery(b.Message, "d")}
		e.enqueue(ctx, e.Queue, b)
		sent = append(sent, b)
	}
	e.want(ctx, e.Queue, webhook.Claim{MaxBytes: 1000}, deliveryIDs(sent...)...)
}

func claimSkip(ctx context.Context, e *env) {
	full, free := e.batches(30, "full"), e.batches(3, "free")
	for _, b := range append(full, free...) {
		e.enqueue(ctx, e.Queue, b)
	}
	e.want(ctx, e.Queue, webhook.Claim{Limit: 10, Skip: append(names("absent", 2000), "full")}, deliveryIDs(free...)...)
	e.want(ctx, e.Queue, webhook.Claim{Skip: []string{"free"}}, deliveryIDs(full...)...)
}

func claimSharedMessage(ctx context.Context, e *env) {
	one, two := e.batch(names("a", 10)...), e.batch(names("a", 10)...)
	e.enqueue(ctx, e.Queue, one)
	e.enqueue(ctx, e.Queue, two)
	messages := map[string]*webhook.Message{}
	for _, c := range e.claim(ctx, e.Queue, webhook.Claim{}) {
		if c.Message.ID != c.Delivery.MessageID {
			e.errorf("delivery %s of message %s came with message %s", c.Delivery.ID, c.Delivery.MessageID, c.Message.ID)
		}
		if m := messages[c.Message.ID]; m != nil && m != c.Message {
			e.errorf("one Claim returned two copies of message %s", m.ID)
		}
		messages[c.Message.ID] = c.Message
	}
}

func claimAttempts(ctx context.Context, e *env) {
	e.enqueue(ctx, e.Queue, e.batch("a"))
	tokens := map[int64]bool{}
	for _, step := range []struct {
		attempt int
		unsent  bool
	}{
		{attempt: 1, unsent: true}, {attempt: 1}, {attempt: 2}, {attempt: 3, unsent: true}, {attempt: 3, unsent: true}, {attempt: 3},
	} {
		got := e.one(ctx, e.Queue, webhook.Claim{})
		if got.Delivery.Attempts != step.attempt {
			e.errorf("Attempts = %d, want %d", got.Delivery.Attempts, step.attempt)
		}
		if tokens[got.Token] {
			e.errorf("the token %d was drawn twice for one delivery", got.Token)
		}
		if got.Expired {
			e.errorf("Expired, though every lease was settled")
		}
		tokens[got.Token] = true
		it := item(got, webhook.Pending)
		it.Unsent = step.unsent
		e.settle(ctx, e.Queue, it)
	}
}

func claimAge(ctx context.Context, e *env) {
	before := time.Now()
	e.enqueue(ctx, e.Queue, e.batch("a"))
	after := time.Now()
	for range 3 {
		e.sleep(ctx, 1)
		low := time.Since(after) - grain
		got := e.one(ctx, e.Queue, webhook.Claim{})
		if high := time.Since(before) + grain; got.Age < low || got.Age > high {
			e.errorf("Age = %v, want %v to %v", got.Age, low, high)
		}
		e.settle(ctx, e.Queue, item(got, webhook.Pending))
	}
}

func claimConcurrent(ctx context.Context, e *env) {
	queues := []webhook.Queue{e.Queue}
	if e.Peer != nil {
		queues = append(queues, e.peer().Queue)
	}
	endpoints := names("crowd", 50)
	for left := e.volume; left > 0; left -= len(endpoints) {
		e.enqueue(ctx, e.Queue, e.batch(endpoints[:min(left, len(endpoints))]...))
	}
	var mu sync.Mutex
	owner := make(map[string]int, e.volume)
	var wg sync.WaitGroup
	for claimer := range 6 {
		wg.Go(func() {
			e.claimAll(ctx, queues[claimer%len(queues)], func(got []webhook.Claimed) int {
				mu.Lock()
				defer mu.Unlock()
				for i := range got {
					id := got[i].Delivery.ID
					if first, twice := owner[id]; twice {
						e.errorf("delivery %s was handed out to claimer %d, and under its lease to claimer %d", id, first, claimer)
					}
					owner[id] = claimer
				}
				return e.volume - len(owner)
			})
		})
	}
	wg.Wait()
	if len(owner) != e.volume {
		e.errorf("the claimers got %d of %d deliveries", len(owner), e.volume)
	}
}

// claimAll claims until take says that nothing is left. A Claim may come back
// empty while others hold the rows, but not for ever.
func (e *env) claimAll(ctx context.Context, q webhook.Queue, take func(got []webhook.Claimed) (left int)) {
	empty := time.Time{}
	for {
		got, err := q.Claim(ctx, wide(webhook.Claim{Limit: 97}))
		if err != nil {
			e.errorf("Claim, with others at it: %v", err)
			return
		}
		left := take(got)
		switch {
		case left <= 0:
			return
		case len(got) > 0:
			empty = time.Time{}
		case empty.IsZero():
			empty = time.Now()
		case time.Since(empty) > patience*e.tick/4:
			e.errorf("Claim returned nothing for %v while %d deliveries are due", time.Since(empty), left)
			return
		default:
			e.sleep(ctx, 0.1)
		}
	}
}

func claimDamaged(ctx context.Context, e *env) {
	batches := append(e.batches(3, "a"), e.batches(2, "b")...)
	for _, b := range batches {
		e.enqueue(ctx, e.Queue, b)
	}
	bad := batches[1].Deliveries[0].ID
	e.ok(e.Corrupt(ctx, bad), "Store.Corrupt")
	got := e.want(ctx, e.Queue, webhook.Claim{Limit: 2}, deliveryIDs(batches...)...)
	for id, c := range got {
		if (c.Err != nil) != (id == bad) {
			e.errorf("delivery %s: Err = %v; the row of %s alone is damaged", id, c.Err, bad)
		}
		it := item(c, webhook.Delivered)
		if id == bad {
			it.State, it.Reason, it.Unsent = webhook.Failed, "the stored row does not decode", true
		}
		e.settle(ctx, e.Queue, it)
	}
	e.none(ctx, e.Queue, "all are settled")
}
