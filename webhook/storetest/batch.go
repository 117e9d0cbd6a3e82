package storetest

import (
	"context"
	"fmt"

	"github.com/outhook/outhook/webhook"
)

func batchCases() []testCase {
	return []testCase{
		{
			name:        "enqueue-all/each",
			explanation: "EnqueueAll does what Enqueue does for each batch, and reports the repeats of each, also those within the call",
			needs:       BatchOutbox,
			run:         enqueueAllEach,
		},
		{
			name:        "enqueue-all/order",
			explanation: "in an ordered lane the batches of one EnqueueAll stand in the order of the slice",
			needs:       BatchOutbox,
			run:         enqueueAllOrder,
		},
		{
			name:        "enqueue-all/large",
			explanation: "a shared commit takes hundreds of messages, more than a statement has parameters",
			needs:       BatchOutbox,
			run:         enqueueAllLarge,
		},
		{
			name:        "enqueue-all/all-or-nothing",
			explanation: "after an error the dispatcher enqueues one by one: what EnqueueAll left behind must not come twice, nor in part",
			needs:       BatchOutbox,
			run:         enqueueAllAtomic,
		},
	}
}

func (e *env) enqueueAll(ctx context.Context, batches []*webhook.Batch) [][]webhook.Existing {
	existing, err := e.Queue.(webhook.BatchOutbox).EnqueueAll(ctx, batches) //nolint:forcetypeassert // the case needs it
	e.ok(err, "EnqueueAll")
	if len(existing) != len(batches) {
		e.fatalf("EnqueueAll of %d batches returned %d lists", len(batches), len(existing))
	}
	return existing
}

func enqueueAllEach(ctx context.Context, e *env) {
	old := e.event("old", "a", "b")
	e.enqueue(ctx, e.Queue, old)
	batches := []*webhook.Batch{
		e.event("new", "a", "b"), e.event("old", "c", "a"), e.batch("a"), e.event("new", "b", "d"), e.batch("a", "b"),
	}
	existing := e.enqueueAll(ctx, batches)
	want := []map[int]string{
		{}, {1: old.Deliveries[0].ID}, {}, {0: batches[0].Deliveries[1].ID}, {},
	}
	for i := range batches {
		e.existing(existing[i], want[i])
	}
	fresh := deliveryIDs(old, batches[0], batches[2], batches[4])
	fresh = append(fresh, batches[1].Deliveries[0].ID, batches[3].Deliveries[1].ID)
	got := e.want(ctx, e.Queue, webhook.Claim{}, fresh...)
	for _, b := range batches {
		for i := range b.Deliveries {
			if c, ok := got[b.Deliveries[i].ID]; ok {
				e.sameDelivery(b.Deliveries[i], c.Delivery)
				e.sameMessage(b.Message, c.Message)
			}
		}
	}
}

func enqueueAllOrder(ctx context.Context, e *env) {
	batches := make([]*webhook.Batch, 20)
	for i := range batches {
		batches[i] = e.ordered("a", "key")
	}
	e.enqueueAll(ctx, batches)
	for i, b := range batches {
		got := e.one(ctx, e.Queue, webhook.Claim{})
		if got.Delivery.ID != b.Deliveries[0].ID {
			e.fatalf("the delivery handed out as number %d is not the one of batch %d", i, i)
		}
		e.finish(ctx, e.Queue, got)
	}
}

func enqueueAllLarge(ctx context.Context, e *env) {
	batches := make([]*webhook.Batch, e.volume/10)
	for i := range batches {
		batches[i] = e.event(fmt.Sprintf("event-%d", i), "a", "b", "c")
	}
	for i, existing := range e.enqueueAll(ctx, batches) {
		e.existing(existing, map[int]string{})
		if i%100 == 0 {
			e.existing(e.enqueued(ctx, e.Queue, e.event(fmt.Sprintf("event-%d", i), "b")),
				map[int]string{0: batches[i].Deliveries[1].ID})
		}
	}
	e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(batches...)...)
}

func enqueueAllAtomic(ctx context.Context, e *env) {
	const size = 6
	for n := range 20 {
		var batches []*webhook.Batch
		for i := range 4 {
			batches = append(batches, e.event(fmt.Sprintf("event-%d-%d", n, i), names("a", size)...))
		}
		f := newFuse(ctx, n)
		_, err := e.Queue.(webhook.BatchOutbox).EnqueueAll(f, batches) //nolint:forcetypeassert // the case needs it
		f.cut()
		stored := e.drain(ctx, e.Queue, webhook.Claim{}, 4*size)
		if len(stored) != 0 && len(stored) != 4*size || err == nil && len(stored) == 0 {
			e.fatalf("EnqueueAll returned %v and stored %d of %d deliveries", err, len(stored), 4*size)
		}
		e.finish(ctx, e.Queue, stored...)
		for _, b := range batches {
			e.enqueued(ctx, e.Queue, b)
		}
		if len(stored) == 0 {
			e.finishAll(ctx, deliveryIDs(batches...))
		}
		e.none(ctx, e.Queue, "enqueueing one by one brings nothing twice")
	}
}
