package webhook_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
)

// polls is longer than an idle Run waits between two claims.
const polls = 200 * time.Millisecond

// takeQueue is a Queue whose calls a test looks at, holds up and spoils.
type takeQueue struct {
	webhook.Queue

	// They may be nil: before is called ahead of an Enqueue, after with its
	// answer, settling ahead of a Settle.
	before   func(ctx context.Context, b *webhook.Batch) error
	after    func(b *webhook.Batch)
	settling func() error
	claiming func() // ahead of a Claim
	ignores  bool   // it does not know Take
	most     int    // of a claim, however much it may be; 0: no bound
	counts   int    // bytes of each that is claimed

	mu      sync.Mutex
	claims  int
	handed  []string // what claims handed out
	wanted  [][]int  // of each Enqueue
	taken   [][]int  // by each that returned no error
	tokens  []int64  // of those that took something
	settled []webhook.Settlement
}

func (q *takeQueue) Enqueue(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
	var wanted []int
	if b.Take != nil {
		wanted = slices.Clone(b.Take.Wanted)
	}
	q.mu.Lock()
	q.wanted = append(q.wanted, wanted)
	before, after, ignores := q.before, q.after, q.ignores
	q.mu.Unlock()
	if before != nil {
		if err := before(ctx, b); err != nil {
			return nil, err
		}
	}
	stored := b
	if ignores {
		stored = &webhook.Batch{Message: b.Message, Deliveries: b.Deliveries}
	}
	existing, err := q.Queue.Enqueue(ctx, stored)
	if after != nil {
		after(b)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err == nil && b.Take != nil && len(b.Take.Taken) > 0 {
		q.taken = append(q.taken, slices.Clone(b.Take.Taken))
		q.tokens = append(q.tokens, b.Take.Token)
	}
	return existing, err
}

func (q *takeQueue) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
	q.mu.Lock()
	claiming := q.claiming
	if q.most > 0 {
		c.Limit = min(c.Limit, q.most)
	}
	q.mu.Unlock()
	if claiming != nil {
		claiming()
	}
	claimed, err := q.Queue.Claim(ctx, c)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.claims++
	for i := range claimed {
		claimed[i].Bytes = q.counts
		q.handed = append(q.handed, claimed[i].Delivery.ID)
	}
	return claimed, err
}

func (q *takeQueue) Settle(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
	q.mu.Lock()
	q.settled = append(q.settled, items...)
	settling := q.settling
	q.mu.Unlock()
	if settling != nil {
		if err := settling(); err != nil {
			return webhook.Settled{}, err
		}
	}
	return q.Queue.Settle(ctx, items)
}

// set changes what the test does to the calls.
func (q *takeQueue) set(change func(*takeQueue)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	change(q)
}

// asked returns what the latest Enqueue was asked to take.
func (q *takeQueue) asked() []int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.wanted) == 0 {
		return nil
	}
	return q.wanted[len(q.wanted)-1]
}

// claimed reports whether a Claim handed out a delivery.
func (q *takeQueue) claimed(id string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Contains(q.handed, id)
}

// calls counts the claims so far.
func (q *takeQueue) calls() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.claims
}

// settlement returns what a delivery was settled with last.
func (q *takeQueue) settlement(id string) (s webhook.Settlement) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.settled {
		if q.settled[i].ID == id {
			s = q.settled[i]
		}
	}
	return s
}

// takeBatches is a takeQueue whose commits can be shared.
type takeBatches struct {
	*takeQueue

	// commit may be nil. It is called ahead of an EnqueueAll, whatever becomes
	// of its context, as by a store that is in the middle of its commit.
	commit func(batches []*webhook.Batch) error
	// answer may be nil. It is called with what an EnqueueAll stored.
	answer func(batches []*webhook.Batch) error
}

func (q *takeBatches) EnqueueAll(_ context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error) {
	q.mu.Lock()
	commit, answer := q.commit, q.answer
	q.mu.Unlock()
	if commit != nil {
		if err := commit(batches); err != nil {
			return nil, err
		}
	}
	all := make([][]webhook.Existing, len(batches))
	for i, b := range batches {
		existing, err := q.Enqueue(context.Background(), b)
		if err != nil {
			return nil, err
		}
		all[i] = existing
	}
	if answer != nil {
		if err := answer(batches); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// takeRig is a rig over a takeQueue.
type takeRig struct {
	*rig

	q   *takeQueue
	all *takeBatches // nil where commits are not shared
}

// newTakeRig makes a rig whose Queue is a takeQueue, or a takeBatches.
func newTakeRig(t *testing.T, shared bool, change func(*webhook.Config)) *takeRig {
	t.Helper()
	x := &takeRig{}
	x.rig = newRig(t, func(c *webhook.Config) {
		x.q = &takeQueue{Queue: c.Queue}
		c.Queue = x.q
		if shared {
			x.all = &takeBatches{takeQueue: x.q}
			c.Queue = x.all
		}
		if change != nil {
			change(c)
		}
	})
	return x
}

// prove brings one event to each endpoint of scope by claims, and waits until
// nothing is left to be claimed: from then on Dispatch asks to take.
func (x *takeRig) prove(scope webhook.Scope, endpoints int) {
	x.t.Helper()
	x.dispatch(leadCreated{Email: "first"}, scope)
	for range endpoints {
		if d := x.end(); d.State != webhook.Delivered {
			x.t.Fatalf("the first delivery to %s ended %v", d.EndpointID, d.State)
		}
	}
	time.Sleep(polls)
}

// many adds so many endpoints to link1, all at a.example.
func (x *takeRig) many(n int) {
	x.t.Helper()
	for i := range n {
		id := fmt.Sprintf("e%03d", i)
		x.set(webhook.Endpoint{ID: id, Name: id, Scope: link1, URL: "http://a.example/" + id, Policy: "at-least-once"})
	}
}

// leased counts what is under lease in the store.
func (x *takeRig) leased() int {
	x.t.Helper()
	c, err := x.store.Counts(context.Background())
	if err != nil {
		x.t.Fatalf("Counts: %v", err)
	}
	return c.Running
}
