package storetest

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/outhook/outhook/webhook"
)

func againCases() []testCase {
	return []testCase{
		{
			name: "enqueue/again",
			explanation: "an Enqueue that returned an error may have done its work; the caller's retry of the same batch is harmless: " +
				"no error, and each delivery exists once, whatever became of it meanwhile",
			run: enqueueAgain,
		},
		{
			name:        "enqueue/again-ordered",
			explanation: "the retry of a batch leaves its delivery at its place in an ordered lane",
			run:         enqueueAgainOrdered,
		},
		{
			name: "enqueue/all-or-nothing",
			explanation: "Enqueue stores the message with all of its deliveries, or nothing: " +
				"a context that ends in the middle never leaves a part, and the retry brings the rest",
			run: enqueueAllOrNothing,
		},
	}
}

func enqueueAgain(ctx context.Context, e *env) {
	plain, event := e.batch("a", "b"), e.event("event-1", "a", "b")
	for range 2 {
		for _, b := range []*webhook.Batch{plain, event} {
			for _, x := range e.enqueued(ctx, e.Queue, b) {
				if x.Index < 0 || x.Index >= len(b.Deliveries) || b.Deliveries[x.Index].ID != x.ID {
					e.errorf("the retry of a batch reports %+v, which is not one of its own deliveries", x)
				}
			}
		}
	}
	got := e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(plain, event)...)
	e.enqueued(ctx, e.Queue, plain)
	e.none(ctx, e.Queue, "the retry of a batch is no new work while its deliveries run")
	for _, c := range got {
		e.finish(ctx, e.Queue, c)
	}
	e.enqueued(ctx, e.Queue, plain)
	e.enqueued(ctx, e.Queue, event)
	e.none(ctx, e.Queue, "the retry of a batch is no new work after its deliveries ended")
}

func enqueueAgainOrdered(ctx context.Context, e *env) {
	batches := []*webhook.Batch{e.ordered("a", "k"), e.ordered("a", "k"), e.ordered("a", "k")}
	for _, b := range batches {
		e.enqueue(ctx, e.Queue, b)
	}
	e.enqueued(ctx, e.Queue, batches[1])
	e.enqueued(ctx, e.Queue, batches[0])
	for _, b := range batches {
		e.finish(ctx, e.Queue, e.head(ctx, b.Deliveries[0].ID))
	}
}

// fuse is a context that ends when it has been looked at n times: what a
// cancelled caller looks like to a store that is in the middle of something.
type fuse struct {
	context.Context //nolint:containedctx // it is a context
	left            atomic.Int64
	cut             context.CancelFunc
}

func newFuse(ctx context.Context, n int) *fuse {
	ctx, cancel := context.WithCancel(ctx)
	f := &fuse{Context: ctx, cut: cancel}
	f.left.Store(int64(n))
	return f
}

func (f *fuse) Done() <-chan struct{} {
	f.look()
	return f.Context.Done()
}

func (f *fuse) Err() error {
	f.look()
	return f.Context.Err()
}

func (f *fuse) look() {
	if f.left.Add(-1) < 0 {
		f.cut()
	}
}

func enqueueAllOrNothing(ctx context.Context, e *env) {
	const size = 20
	// The half that is there already is what trips a store that stops at the
	// first repeat.
	half := e.event("event-0", names("aon", size/2)...)
	e.enqueue(ctx, e.Queue, half)
	e.finish(ctx, e.Queue, e.drain(ctx, e.Queue, webhook.Claim{}, size/2)...)
	rest := e.event("event-0", names("aon", size)...)
	if existing := e.enqueued(ctx, e.Queue, rest); len(existing) != size/2 {
		e.errorf("%d of %d deliveries were there before, Enqueue reported %d", size/2, size, len(existing))
	}
	e.finishAll(ctx, deliveryIDs(rest)[size/2:])

	for n := range 40 {
		b := e.event(fmt.Sprintf("event-%d", n+1), names("aon", size)...)
		f := newFuse(ctx, n)
		_, err := e.Queue.Enqueue(f, b)
		f.cut()
		stored := e.drain(ctx, e.Queue, webhook.Claim{}, size)
		switch {
		case err == nil && len(stored) != size:
			e.fatalf("Enqueue returned nil and stored %d of %d deliveries", len(stored), size)
		case len(stored) != 0 && len(stored) != size:
			e.fatalf("Enqueue returned %v and stored %d of %d deliveries", err, len(stored), size)
		}
		e.finish(ctx, e.Queue, stored...)
		e.enqueued(ctx, e.Queue, b)
		if len(stored) == 0 {
			e.finishAll(ctx, deliveryIDs(b))
		}
		e.none(ctx, e.Queue, "the retry brings nothing twice")
	}
}

// finishAll claims and settles exactly the deliveries with these ids.
func (e *env) finishAll(ctx context.Context, ids []string) {
	for _, c := range e.want(ctx, e.Queue, webhook.Claim{}, ids...) {
		e.finish(ctx, e.Queue, c)
	}
}
