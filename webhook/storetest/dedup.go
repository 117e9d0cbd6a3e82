package storetest

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/outhook/outhook/webhook"
)

func dedupCases() []testCase {
	return []testCase{
		{
			name: "dedup/repeat",
			explanation: "the pair of endpoint and event id is unique: a repeat is left as it is and reported, the others are stored, " +
				"and that is no error; otherwise an event fans out twice, or a new endpoint misses it",
			run: dedupRepeat,
		},
		{
			name:        "dedup/exact",
			explanation: "event ids and endpoint ids are bytes: letter case, spaces at the end, accents and long ids tell them apart",
			run:         dedupExact,
		},
		{
			name:        "dedup/ended",
			explanation: "an event id stays known after its delivery ended, whatever the end",
			run:         dedupEnded,
		},
		{
			name:        "dedup/concurrent",
			explanation: "of callers that dispatch the same event at the same time one makes the delivery, and all others learn its id",
			run:         dedupConcurrent,
		},
		{
			name:        "dedup/peers",
			explanation: "the same event dispatched by two processes at the same time is one delivery",
			needs:       Peers,
			run:         dedupPeers,
		},
		{
			name:        "dedup/none",
			explanation: "deliveries without an event id are never taken for repeats of each other",
			run:         dedupNone,
		},
	}
}

func dedupRepeat(ctx context.Context, e *env) {
	first := e.event("event-1", "a", "b")
	e.enqueue(ctx, e.Queue, first)
	second := e.event("event-1", "c", "b", "d", "a")
	existing := e.enqueued(ctx, e.Queue, second)
	want := map[int]string{1: first.Deliveries[1].ID, 3: first.Deliveries[0].ID}
	e.existing(existing, want)
	got := e.want(ctx, e.Queue, webhook.Claim{}, append(deliveryIDs(first), second.Deliveries[0].ID, second.Deliveries[2].ID)...)
	for _, d := range first.Deliveries {
		if c := got[d.ID]; c.Message.ID != first.Message.ID {
			e.errorf("a repeat gave delivery %s the message %s, want its own %s", d.ID, c.Message.ID, first.Message.ID)
		}
	}
}

// existing compares what Enqueue reported.
func (e *env) existing(got []webhook.Existing, want map[int]string) {
	if len(got) != len(want) {
		e.errorf("Enqueue reported %+v, want %v", got, want)
		return
	}
	for _, x := range got {
		if want[x.Index] != x.ID {
			e.errorf("Enqueue reported %+v, want index and id as in %v", x, want)
		}
	}
}

func dedupExact(ctx context.Context, e *env) {
	long := strings.Repeat("x", 254)
	var all []*webhook.Batch
	for _, id := range []string{
		"e", "E", "e ", " e", "é", "e\u0301", "É", "ß", "ss", "0", "00", "%", "_", "\\", "'", long + "1", long + "2",
	} {
		all = append(all, e.event(id, "a"))
	}
	for _, id := range []string{"A", "a ", "á", "b"} {
		all = append(all, e.event("e", id))
	}
	for _, b := range all {
		e.enqueue(ctx, e.Queue, b)
	}
	got := e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(all...)...)
	for _, b := range all {
		e.sameDelivery(b.Deliveries[0], got[b.Deliveries[0].ID].Delivery)
	}
}

func dedupEnded(ctx context.Context, e *env) {
	b := e.event("event-1", "a", "b", "c", "d")
	b.Deliveries[3].State = webhook.Cancelled
	e.enqueue(ctx, e.Queue, b)
	got := e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(b)[:3]...)
	for i, s := range []webhook.State{webhook.Delivered, webhook.Failed, webhook.Cancelled} {
		e.settle(ctx, e.Queue, item(got[b.Deliveries[i].ID], s))
	}
	want := map[int]string{}
	for i := range b.Deliveries {
		want[i] = b.Deliveries[i].ID
	}
	e.existing(e.enqueued(ctx, e.Queue, e.event("event-1", "a", "b", "c", "d")), want)
	e.none(ctx, e.Queue, "the event ended at all its endpoints")
}

func dedupConcurrent(ctx context.Context, e *env) { e.race(ctx, e.Queue, e.Queue) }

func dedupPeers(ctx context.Context, e *env) { e.race(ctx, e.Queue, e.peer().Queue) }

// race dispatches the same events from several goroutines.
func (e *env) race(ctx context.Context, queues ...webhook.Queue) {
	const callers, events = 6, 20
	endpoints := names("race", 3)
	var mu sync.Mutex
	known := map[string]map[string]bool{} // ids by endpoint and event
	note := func(b *webhook.Batch, i int, id string) {
		mu.Lock()
		defer mu.Unlock()
		key := b.Deliveries[i].EndpointID + " " + b.Deliveries[i].Dedup
		if known[key] == nil {
			known[key] = map[string]bool{}
		}
		known[key][id] = true
	}
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for n := range events {
				b := e.event(fmt.Sprintf("event-%d", n), endpoints...)
				existing, err := queues[caller%len(queues)].Enqueue(ctx, b)
				if err != nil {
					e.errorf("Enqueue of an event that others enqueue as well: %v", err)
					return
				}
				was := map[int]string{}
				for _, x := range existing {
					was[x.Index] = x.ID
				}
				for i := range b.Deliveries {
					if id, ok := was[i]; ok {
						note(b, i, id)
					} else {
						note(b, i, b.Deliveries[i].ID)
					}
				}
			}
		})
	}
	wg.Wait()
	var want []string
	for key, ids := range known {
		if len(ids) != 1 {
			e.fatalf("%s has %d deliveries, want 1", key, len(ids))
		}
		for id := range ids {
			want = append(want, id)
		}
	}
	e.want(ctx, e.Queue, webhook.Claim{}, want...)
}

func dedupNone(ctx context.Context, e *env) {
	all := e.batches(5, "a")
	for _, b := range all {
		b.Message.EventID = "event-1" // what a Redeliver looks like
		e.enqueue(ctx, e.Queue, b)
	}
	e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(all...)...)
}
