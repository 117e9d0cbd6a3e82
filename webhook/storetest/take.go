package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/outhook/outhook/webhook"
)

func takeCases() []testCase {
	return []testCase{
		{
			name:        "take/claimed",
			explanation: "what an Enqueue takes is claimed: no Claim hands it out, and the Token of the answer settles it",
			needs:       Take,
			run:         takeClaimed,
		},
		{
			name:        "take/lease",
			explanation: "a taken delivery is due again when its lease ends, and never before: a process that died between Enqueue and the attempt must lose nothing",
			needs:       Take,
			run:         takeLease,
		},
		{
			name:        "take/extend",
			explanation: "the lease of a taken delivery can be extended by the Token of the answer, as that of any claim",
			needs:       Take | Extender,
			run:         takeExtend,
		},
		{
			name:        "take/unsent",
			explanation: "a taken delivery that is given back Unsent is due at once, as if it had never been claimed",
			needs:       Take,
			run:         takeUnsent,
		},
		{
			name:        "take/retry",
			explanation: "the attempt at a taken delivery counts: a retry is the second, and a failing endpoint that is open is taken from as ever",
			needs:       Take,
			run:         takeRetry,
		},
		{
			name: "take/existing",
			explanation: "what was there already is not taken, by whatever try it came: another may be sending it, " +
				"and the answer of the first try may have been lost",
			needs: Take,
			run:   takeExisting,
		},
		{
			name:        "take/parked",
			explanation: "nothing is taken of a parked endpoint, and what it would have been is stored; when the park is over, all is as before it",
			needs:       Take,
			run:         takeParked,
		},
		{
			name:        "take/probe",
			explanation: "nothing is taken of an endpoint that may only be probed, or it gets many requests where one was to try it; a Healthy settlement ends that",
			needs:       Take,
			run:         takeProbe,
		},
		{
			name:        "take/others",
			explanation: "what an Enqueue does not say it took waits for a Claim, be it not wanted or the store not able to take; nobody else sends it",
			run:         takeOthers,
		},
		{
			name:        "take/batch",
			explanation: "EnqueueAll answers each batch that asks, and takes nothing for one that does not",
			needs:       Take | BatchOutbox,
			run:         takeBatch,
		},
		{
			name:        "take/peer",
			explanation: "what one process took is hidden from the others until the lease ends, and theirs afterwards",
			needs:       Take | Peers,
			run:         takePeer,
		},
		{
			name:        "take/many",
			explanation: "what a process took and died with comes back, all of it, each delivery once",
			needs:       Take,
			run:         takeMany,
		},
		{
			name:        "take/answer",
			explanation: "the caller uses a Take again: Taken and Token are those of the latest Enqueue alone, and Wanted stays as it is",
			needs:       Take,
			run:         takeAnswer,
		},
	}
}

// asks lets b ask for a claim of the deliveries with these indices.
func asks(b *webhook.Batch, lease time.Duration, wanted ...int) *webhook.Batch {
	b.Take = &webhook.Take{Wanted: wanted, Lease: lease}
	return b
}

// taken checks that the store took want of b, and returns that as a Claim
// would.
func (e *env) taken(b *webhook.Batch, want ...int) []webhook.Claimed {
	got := slices.Clone(b.Take.Taken)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		e.fatalf("Take of %v: Taken = %v, want %v", b.Take.Wanted, got, want)
	}
	out := make([]webhook.Claimed, len(got))
	for i, at := range got {
		out[i] = webhook.Claimed{Delivery: b.Deliveries[at], Message: b.Message, Token: b.Take.Token}
		out[i].Delivery.State, out[i].Delivery.Attempts = webhook.Running, 1
	}
	return out
}

// takes enqueues b, which is new, and takes all of wanted.
func (e *env) takes(ctx context.Context, b *webhook.Batch, lease time.Duration, wanted ...int) []webhook.Claimed {
	e.enqueue(ctx, e.Queue, asks(b, lease, wanted...))
	return e.taken(b, wanted...)
}

// told compares what the history shows of deliveries, where there is one.
func (e *env) told(ctx context.Context, state webhook.State, attempts int, of ...webhook.Claimed) {
	if _, remembers := e.Queue.(webhook.History); !remembers {
		return
	}
	for i := range of {
		e.shows(ctx, of[i].Delivery.ID, state, attempts, "")
	}
}

func takeClaimed(ctx context.Context, e *env) {
	b := e.event("event-1", "a", "b", "c")
	got := e.takes(ctx, b, never, 0, 2)
	e.told(ctx, webhook.Running, 1, got...)
	if c, ok := e.Queue.(webhook.Counter); ok {
		n, err := c.Counts(ctx)
		e.ok(err, "Counts")
		if n.Pending != 1 || n.Running != 2 {
			e.errorf("two of three are taken: Counts = %d pending, %d running; want 1, 2", n.Pending, n.Running)
		}
	}
	if _, ok := e.Queue.(webhook.Canceler); ok {
		e.is(e.cancel(ctx, got[0].Delivery.ID), webhook.ErrRunning, "Cancel of a taken delivery")
	}
	rest := e.want(ctx, e.Queue, webhook.Claim{}, b.Deliveries[1].ID)
	e.finish(ctx, e.Queue, got...)
	e.finish(ctx, e.Queue, rest[b.Deliveries[1].ID])
	e.told(ctx, webhook.Delivered, 1, got...)
	e.stale(ctx, e.Queue, item(got[0], webhook.Pending), "it is delivered")
	e.none(ctx, e.Queue, "all are delivered")
}

func takeLease(ctx context.Context, e *env) {
	b := e.event("event-1", "a")
	b.Deliveries[0].Inline = fullEndpoint("a")
	start, hidden := time.Now(), 3*e.tick
	old := e.takes(ctx, b, hidden, 0)[0]
	now := e.reclaim(ctx, e.Queue, webhook.Claim{}, start, hidden)[0]
	if !now.Expired || now.Delivery.Attempts != 2 || now.Token == old.Token {
		e.errorf("after the lease of a taken delivery: Expired %v, Attempts %d, token new %v; want true, 2, true",
			now.Expired, now.Delivery.Attempts, now.Token != old.Token)
	}
	e.sameDelivery(b.Deliveries[0], now.Delivery)
	e.sameMessage(b.Message, now.Message)
	e.stale(ctx, e.Queue, item(old, webhook.Delivered), "its lease ended and another claimed the delivery")
	if _, ok := e.Queue.(webhook.Extender); ok {
		e.extend(ctx, e.tick, []int{0}, lease(old))
	}
	e.finish(ctx, e.Queue, now)
	e.none(ctx, e.Queue, "it is delivered")
}

func takeExtend(ctx context.Context, e *env) {
	b := e.batch("a", "b")
	got := e.takes(ctx, b, never, 0, 1)
	start := time.Now()
	e.extend(ctx, 2*e.tick, nil, lease(got[0]))
	again := e.reclaim(ctx, e.Queue, webhook.Claim{}, start, 2*e.tick)
	if len(again) != 1 || again[0].Delivery.ID != got[0].Delivery.ID {
		e.errorf("after one of two leases was made short Claim returned %s, want %s alone", ids(again), got[0].Delivery.ID)
	}
	e.extend(ctx, never, []int{0}, lease(got[0]), lease(got[1]))
	e.finish(ctx, e.Queue, got[1])
}

func takeUnsent(ctx context.Context, e *env) {
	old := e.takes(ctx, e.batch("a"), never, 0)[0]
	give := item(old, webhook.Pending)
	give.Unsent = true
	e.settle(ctx, e.Queue, give)
	e.told(ctx, webhook.Pending, 0, old)
	now := e.one(ctx, e.Queue, webhook.Claim{})
	if now.Expired || now.Delivery.Attempts != 1 {
		e.errorf("after what was taken was given back: Expired %v, Attempts %d; want false, 1", now.Expired, now.Delivery.Attempts)
	}
	e.stale(ctx, e.Queue, item(old, webhook.Delivered), "it was given back, and another claimed the delivery")
	e.finish(ctx, e.Queue, now)
}

func takeRetry(ctx context.Context, e *env) {
	first := e.takes(ctx, e.batch("a"), never, 0)[0]
	it := item(first, webhook.Pending)
	it.Delay, it.Health, it.Attempt = 2*e.tick, webhook.Failing, attemptOf(first)
	start := time.Now()
	e.failing(e.settle(ctx, e.Queue, it), webhook.EndpointHealth{EndpointID: "a", Failures: 1})
	second := e.reclaim(ctx, e.Queue, webhook.Claim{}, start, it.Delay)[0]
	if second.Expired || second.Delivery.Attempts != 2 {
		e.errorf("a retry has Expired %v, Attempts %d; want false, 2", second.Expired, second.Delivery.Attempts)
	}
	if h, ok := e.Queue.(webhook.History); ok {
		got, err := h.Attempts(ctx, first.Delivery.ID)
		e.ok(err, "Attempts")
		if len(got) != 1 || got[0].Number != 1 {
			e.errorf("the history has the attempts %+v, want the first alone", got)
		}
	}
	e.finish(ctx, e.Queue, e.takes(ctx, e.batch("a"), never, 0)[0], second)
}

func takeExisting(ctx context.Context, e *env) {
	old, plain := e.event("event-1", "a"), e.batch("a")
	e.enqueue(ctx, e.Queue, old)
	e.enqueue(ctx, e.Queue, plain)
	b := asks(e.event("event-1", "a", "b"), never, 0, 1)
	e.existing(e.enqueued(ctx, e.Queue, b), map[int]string{0: old.Deliveries[0].ID})
	got := e.taken(b, 1)
	for _, again := range []*webhook.Batch{b, asks(plain, never, 0)} {
		e.enqueued(ctx, e.Queue, again)
		e.taken(again)
	}
	e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(old, plain)...)
	e.finish(ctx, e.Queue, got...)
	e.enqueued(ctx, e.Queue, b)
	e.taken(b)
	e.none(ctx, e.Queue, "the retry of a batch is no new work after its deliveries ended")
}

func takeParked(ctx context.Context, e *env) {
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "closed", For: never},
		webhook.Park{EndpointID: "paused", For: never, Hold: true}, webhook.Park{EndpointID: "broken", For: never, Probe: true})
	b := asks(e.batch("closed", "paused", "broken", "open"), never, 0, 1, 2, 3)
	e.enqueue(ctx, e.Queue, b)
	e.finish(ctx, e.Queue, e.taken(b, 3)...)
	if _, ok := e.Queue.(webhook.History); ok {
		e.shows(ctx, b.Deliveries[0].ID, webhook.Pending, 0, "")
		e.shows(ctx, b.Deliveries[1].ID, webhook.Held, 0, "")
	}
	e.none(ctx, e.Queue, "the endpoints are parked")
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "closed"}, webhook.Park{EndpointID: "paused"}, webhook.Park{EndpointID: "broken"})
	for _, c := range e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(b)[:3]...) {
		if c.Expired || c.Delivery.Attempts != 1 {
			e.errorf("after a park: Expired %v, Attempts %d; want false, 1", c.Expired, c.Delivery.Attempts)
		}
	}
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "open", For: e.tick})
	e.sleep(ctx, 3)
	e.takes(ctx, e.batch("closed", "paused", "broken", "open"), never, 0, 1, 2, 3)
}

func takeProbe(ctx context.Context, e *env) {
	const n = 3
	e.park(ctx, e.Queue, webhook.Park{EndpointID: "a", For: e.tick, Probe: true})
	e.sleep(ctx, 3)
	ask := func() {
		b := asks(e.batch("a"), never, 0)
		e.enqueue(ctx, e.Queue, b)
		e.taken(b)
	}
	for range n {
		ask()
	}
	got := e.drain(ctx, e.Queue, webhook.Claim{}, 1)
	if len(got) != 1 {
		e.fatalf("of an endpoint that is to be probed Claim handed out %d deliveries, want 1", len(got))
	}
	ask()
	e.none(ctx, e.Queue, "the probe is under way")
	it := item(got[0], webhook.Delivered)
	it.Health = webhook.Healthy
	e.settle(ctx, e.Queue, it)
	e.takes(ctx, e.batch("a"), never, 0)
	if got := e.drain(ctx, e.Queue, webhook.Claim{}, n); len(got) != n {
		e.errorf("after a probe that was Healthy Claim handed out %d deliveries, want all %d", len(got), n)
	}
}

func takeOthers(ctx context.Context, e *env) {
	b := e.batch("a", "a", "b", "c", "c")
	b.Deliveries[3].Ordered, b.Deliveries[3].Key = true, "k"
	b.Deliveries[4].State = webhook.Cancelled
	e.enqueue(ctx, e.Queue, asks(b, never, 0))
	left := deliveryIDs(b)[:4]
	switch {
	case slices.Equal(b.Take.Taken, []int{0}):
		left = left[1:]
	case len(b.Take.Taken) > 0:
		e.fatalf("Take of [0]: Taken = %v", b.Take.Taken)
	}
	later, next := e.batch("a"), e.ordered("c", "k")
	e.enqueue(ctx, e.Queue, later)
	e.enqueue(ctx, e.Queue, next)
	got := e.want(ctx, e.Queue, webhook.Claim{}, append(left, later.Deliveries[0].ID)...)
	for _, c := range got {
		if c.Expired || c.Delivery.Attempts != 1 {
			e.errorf("beside what was taken: Expired %v, Attempts %d; want false, 1", c.Expired, c.Delivery.Attempts)
		}
	}
	e.finish(ctx, e.Queue, got[b.Deliveries[3].ID])
	e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(next)...)
}

func takeBatch(ctx context.Context, e *env) {
	batches := []*webhook.Batch{
		asks(e.event("event-1", "a", "b", "c"), never, 0, 2), e.batch("a"), asks(e.event("event-1", "a", "d"), never, 0, 1),
	}
	existing := e.enqueueAll(ctx, batches)
	e.existing(existing[2], map[int]string{0: batches[0].Deliveries[0].ID})
	got := slices.Concat(e.taken(batches[0], 0, 2), e.taken(batches[2], 1))
	e.told(ctx, webhook.Running, 1, got...)
	e.enqueueAll(ctx, batches)
	e.taken(batches[0])
	e.taken(batches[2])
	e.want(ctx, e.Queue, webhook.Claim{}, batches[0].Deliveries[1].ID, batches[1].Deliveries[0].ID)
	e.finish(ctx, e.Queue, got...)
	e.none(ctx, e.Queue, "what was taken is delivered")
}

func takePeer(ctx context.Context, e *env) {
	peer := e.peer()
	b := e.batch("a", "b")
	kept := e.takes(ctx, b, never, 0)
	e.want(ctx, peer.Queue, webhook.Claim{}, b.Deliveries[1].ID)
	start, hidden := time.Now(), 3*e.tick
	old := e.takes(ctx, e.batch("a"), hidden, 0)[0]
	now := e.reclaim(ctx, peer.Queue, webhook.Claim{}, start, hidden)
	if len(now) != 1 || now[0].Delivery.ID != old.Delivery.ID || !now[0].Expired {
		e.fatalf("after the lease the other process claimed %s, Expired %v; want %s, true", ids(now), now[0].Expired, old.Delivery.ID)
	}
	e.stale(ctx, e.Queue, item(old, webhook.Delivered), "its lease ended and another process claimed the delivery")
	e.finish(ctx, e.Queue, kept...)
	e.finish(ctx, peer.Queue, now...)
	e.none(ctx, peer.Queue, "all are delivered")
}

func takeMany(ctx context.Context, e *env) {
	const endpoints, rounds = 50, 4
	wanted := make([]int, endpoints)
	for i := range wanted {
		wanted[i] = i
	}
	batch := func() *webhook.Batch { return e.batch(names("a", endpoints)...) }
	// Neither what is hidden for long, nor what is due now, hides the others.
	e.takes(ctx, batch(), never, wanted...)
	lost := map[string]bool{}
	for range rounds {
		for _, c := range e.takes(ctx, batch(), 2*e.tick, wanted...) {
			lost[c.Delivery.ID] = true
		}
	}
	e.enqueue(ctx, e.Queue, batch())
	seen := map[string]bool{}
	e.eventually(ctx, "all that the process took that died", func() bool {
		for _, c := range e.claim(ctx, e.Queue, webhook.Claim{Limit: 40}) {
			id := c.Delivery.ID
			if seen[id] || c.Expired != lost[id] {
				e.errorf("delivery %s: again %v, Expired %v; want false, %v", id, seen[id], c.Expired, lost[id])
			}
			seen[id] = true
		}
		return len(seen) == (rounds+1)*endpoints
	})
	e.none(ctx, e.Queue, "all are under lease")
}

func takeAnswer(ctx context.Context, e *env) {
	first, second := e.batch("a", "b", "c"), e.batch("a", "b", "c")
	first.Take = &webhook.Take{Wanted: []int{0, 1, 2}, Lease: never, Taken: []int{7, 1, 8, 9}, Token: -7}
	e.enqueue(ctx, e.Queue, first)
	e.finish(ctx, e.Queue, e.taken(first, 0, 1, 2)...)

	e.park(ctx, e.Queue, webhook.Park{EndpointID: "b", For: never})
	second.Take = first.Take
	e.enqueue(ctx, e.Queue, second)
	e.finish(ctx, e.Queue, e.taken(second, 0, 2)...)
	if !slices.Equal(second.Take.Wanted, []int{0, 1, 2}) || second.Take.Lease != never {
		e.errorf("Enqueue changed what was asked: Wanted %v, Lease %v; want [0 1 2], %v", second.Take.Wanted, second.Take.Lease, never)
	}
	e.enqueued(ctx, e.Queue, second)
	e.taken(second)
}
