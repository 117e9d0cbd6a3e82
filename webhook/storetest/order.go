package storetest

import (
	"context"
	"sync"
	"time"

	"github.com/outhook/outhook/webhook"
)

func orderCases() []testCase {
	return []testCase{
		{
			name:        "order/head-only",
			explanation: "of an ordered lane only the delivery that was enqueued first is claimed, and the next one when that is final",
			run:         orderHeadOnly,
		},
		{
			name:        "order/retry",
			explanation: "the lane waits while its head waits for a retry, or was given back: order holds over retries",
			run:         orderRetry,
		},
		{
			name:        "order/lost",
			explanation: "after a lost lease the head comes again, not the one behind it",
			run:         orderLost,
		},
		{
			name:        "order/released",
			explanation: "a head that failed or was cancelled releases its lane, and what arrives final never holds one",
			run:         orderReleased,
		},
		{
			name:        "order/tail",
			explanation: "a repeat (Redeliver) stands at the end of its lane",
			run:         orderTail,
		},
		{
			name:        "order/lanes",
			explanation: "a lane is an endpoint and a key, byte by byte: others, and unordered deliveries of the same endpoint, wait for nobody",
			run:         orderLanes,
		},
		{
			name:        "order/concurrent",
			explanation: "concurrent claimers and retries never see a lane out of order, nor two of it at a time",
			run:         orderConcurrent,
		},
		{
			name:        "order/cancel",
			explanation: "cancelling the head of a lane releases the next one, cancelling another changes nothing for the head",
			needs:       Canceler,
			run:         orderCancel,
		},
	}
}

// line enqueues n deliveries of one lane.
func (e *env) line(ctx context.Context, n int, endpoint, key string) []string {
	var out []string
	for range n {
		b := e.ordered(endpoint, key)
		e.enqueue(ctx, e.Queue, b)
		out = append(out, deliveryIDs(b)...)
	}
	return out
}

// head claims all that is due, which must be this one delivery.
func (e *env) head(ctx context.Context, id string) webhook.Claimed {
	return e.want(ctx, e.Queue, webhook.Claim{}, id)[id]
}

func orderHeadOnly(ctx context.Context, e *env) {
	for _, id := range e.line(ctx, 10, "a", "k") {
		e.finish(ctx, e.Queue, e.head(ctx, id))
	}
	e.none(ctx, e.Queue, "the lane is done")
}

func orderRetry(ctx context.Context, e *env) {
	line := e.line(ctx, 3, "a", "k")
	it := item(e.head(ctx, line[0]), webhook.Pending)
	it.Delay = 3 * e.tick
	start := time.Now()
	e.settle(ctx, e.Queue, it)
	got := e.reclaim(ctx, e.Queue, webhook.Claim{}, start, it.Delay)
	if len(got) != 1 || got[0].Delivery.ID != line[0] {
		e.fatalf("while the head waited for its retry, or after it, Claim returned %s, want %s", ids(got), line[0])
	}
	back := item(got[0], webhook.Pending)
	back.Unsent = true
	e.settle(ctx, e.Queue, back)
	e.finish(ctx, e.Queue, e.head(ctx, line[0]))
	e.finish(ctx, e.Queue, e.head(ctx, line[1]))
	e.head(ctx, line[2])
}

func orderLost(ctx context.Context, e *env) {
	line := e.line(ctx, 2, "a", "k")
	start := time.Now()
	e.one(ctx, e.Queue, webhook.Claim{Lease: 2 * e.tick})
	got := e.reclaim(ctx, e.Queue, webhook.Claim{}, start, 2*e.tick)
	if len(got) != 1 || got[0].Delivery.ID != line[0] || !got[0].Expired {
		e.fatalf("after a lost lease Claim returned %s, want %s, expired", ids(got), line[0])
	}
	e.finish(ctx, e.Queue, got[0])
	e.head(ctx, line[1])
}

func orderReleased(ctx context.Context, e *env) {
	arrived := e.ordered("a", "k")
	arrived.Deliveries[0].State = webhook.Cancelled
	e.enqueue(ctx, e.Queue, arrived)
	line := e.line(ctx, 2, "a", "k")
	between := e.ordered("a", "k")
	between.Deliveries[0].State = webhook.Failed
	e.enqueue(ctx, e.Queue, between)
	line = append(line, e.line(ctx, 2, "a", "k")...)
	for i, state := range []webhook.State{webhook.Failed, webhook.Cancelled, webhook.Duplicate, webhook.Delivered} {
		e.settle(ctx, e.Queue, item(e.head(ctx, line[i]), state))
	}
	e.none(ctx, e.Queue, "the lane is done")
}

func orderTail(ctx context.Context, e *env) {
	first := e.ordered("a", "k")
	e.enqueue(ctx, e.Queue, first)
	line := e.line(ctx, 1, "a", "k")
	e.settle(ctx, e.Queue, item(e.head(ctx, first.Deliveries[0].ID), webhook.Failed))
	repeat := &webhook.Batch{Message: first.Message, Deliveries: []webhook.Delivery{e.delivery(first.Message, "a")}}
	repeat.Deliveries[0].Ordered, repeat.Deliveries[0].Key = true, "k"
	repeat.Deliveries[0].Of = first.Deliveries[0].ID
	e.enqueue(ctx, e.Queue, repeat)
	line = append(append(line, deliveryIDs(repeat)...), e.line(ctx, 1, "a", "k")...)
	for _, id := range line {
		e.finish(ctx, e.Queue, e.head(ctx, id))
	}
}

func orderLanes(ctx context.Context, e *env) {
	var heads []string
	for _, key := range []string{"k", "K", "k ", "é", "e", ""} {
		heads = append(heads, e.line(ctx, 3, "a", key)[0])
	}
	heads = append(heads, e.line(ctx, 3, "b", "k")[0])
	loose := e.batches(3, "a")
	for _, b := range loose {
		e.enqueue(ctx, e.Queue, b)
	}
	e.want(ctx, e.Queue, webhook.Claim{}, append(heads, deliveryIDs(loose...)...)...)
}

// lanes is what the workers of orderConcurrent know together.
type lanes struct {
	mu    sync.Mutex
	place map[string]place // by delivery
	next  []int            // of each lane, the number of its head
	busy  []bool           // of each lane, whether its head is claimed
	left  int
}

// place is where a delivery stands.
type place struct{ lane, number int }

// take reports a delivery that is not the free head of its lane.
func (l *lanes) take(e *env, c webhook.Claimed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.place[c.Delivery.ID]
	if l.busy[at.lane] || l.next[at.lane] != at.number {
		e.errorf("number %d of a lane was handed out while its head is number %d, under lease: %v",
			at.number, l.next[at.lane], l.busy[at.lane])
	}
	l.busy[at.lane] = true
}

// give notes that a delivery is about to be settled.
func (l *lanes) give(it webhook.Settlement) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.place[it.ID]
	l.busy[at.lane] = false
	if it.State.Final() {
		l.next[at.lane]++
		l.left--
	}
}

func (l *lanes) remaining() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left
}

func orderConcurrent(ctx context.Context, e *env) {
	const length = 12
	queues := []webhook.Queue{e.Queue}
	if e.Peer != nil {
		queues = append(queues, e.peer().Queue)
	}
	keys := names("key", 8)
	l := &lanes{
		place: map[string]place{}, next: make([]int, len(keys)), busy: make([]bool, len(keys)), left: len(keys) * length,
	}
	for lane, key := range keys {
		for number, id := range e.line(ctx, length, "a", key) {
			l.place[id] = place{lane: lane, number: number}
		}
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		q := queues[worker%len(queues)]
		wg.Go(func() {
			e.claimAll(ctx, q, func(got []webhook.Claimed) int {
				for i := range got {
					l.take(e, got[i])
				}
				e.twice(ctx, q, l, got)
				return l.remaining()
			})
		})
	}
	wg.Wait()
	if l.left != 0 {
		e.errorf("%d deliveries of the ordered lanes never came", l.left)
	}
}

// twice sends each delivery back at its first attempt and delivers it later.
func (e *env) twice(ctx context.Context, q webhook.Queue, l *lanes, got []webhook.Claimed) {
	for i := range got {
		it := item(got[i], webhook.Delivered)
		if got[i].Delivery.Attempts < 2 {
			it.State = webhook.Pending
		}
		l.give(it)
		if _, err := q.Settle(ctx, []webhook.Settlement{it}); err != nil {
			e.errorf("Settle, with others at it: %v", err)
		}
	}
}

func orderCancel(ctx context.Context, e *env) {
	c := e.Queue.(webhook.Canceler) //nolint:forcetypeassert // the case needs it
	line := e.line(ctx, 5, "a", "k")
	e.ok(c.Cancel(ctx, line[0], "no longer wanted"), "Cancel of the head")
	e.ok(c.Cancel(ctx, line[2], "no longer wanted"), "Cancel in the middle")
	e.finish(ctx, e.Queue, e.head(ctx, line[1]))
	e.finish(ctx, e.Queue, e.head(ctx, line[3]))
	e.finish(ctx, e.Queue, e.head(ctx, line[4]))
}
