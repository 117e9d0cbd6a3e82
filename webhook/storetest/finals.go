package storetest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/outhook/outhook/webhook"
)

func finalsCases() []testCase {
	return []testCase{
		{
			name:        "finals/order",
			explanation: "Finals returns what ended, in the order in which it ended, page by page; a cursor at the end goes on with what ends later",
			needs:       History,
			run:         finalsOrder,
		},
		{
			name:        "finals/all-ends",
			explanation: "the feed has every end: settled, cancelled, and final on arrival",
			needs:       History,
			run:         finalsAllEnds,
		},
		{
			name:        "finals/follow",
			explanation: "a host that follows the feed while others write misses no final state: their commits overtake each other",
			needs:       History,
			run:         finalsFollow,
		},
		{
			name:        "finals/late-commit",
			explanation: "a final state that was written in a transaction is in the feed after its commit, though others ended and were read meanwhile",
			needs:       History | Transactions,
			run:         finalsLateCommit,
		},
	}
}

// finals reads one page of the feed.
func (e *env) finals(ctx context.Context, q webhook.Queue, cursor string, limit int) ([]webhook.Delivery, string) {
	page, next, err := q.(webhook.History).Finals(ctx, cursor, limit) //nolint:forcetypeassert // the cases need it
	e.ok(err, "Finals")
	if len(page) > limit {
		e.errorf("Finals(limit %d) returned %d deliveries", limit, len(page))
	}
	for i := range page {
		if !page[i].State.Final() || page[i].Ended.IsZero() {
			e.errorf("Finals returned delivery %s as %v, ended %v", page[i].ID, page[i].State, page[i].Ended)
		}
	}
	return page, next
}

// follow reads the feed from a cursor to its end.
func (e *env) follow(ctx context.Context, q webhook.Queue, cursor string, limit int) ([]webhook.Delivery, string) {
	var all []webhook.Delivery
	for range 10 * e.volume {
		page, next := e.finals(ctx, q, cursor, limit)
		if len(page) == 0 {
			return all, next
		}
		all, cursor = append(all, page...), next
	}
	e.fatalf("the feed of final states does not end")
	return nil, ""
}

// awaitFinals follows the feed until all of want were in it.
// Its cursor is any handle's.
func (e *env) awaitFinals(ctx context.Context, queues []webhook.Queue, cursor string, want []string) {
	missing := map[string]bool{}
	for _, id := range want {
		missing[id] = true
	}
	e.eventually(ctx, "every final state in the feed", func() bool {
		var page []webhook.Delivery
		page, cursor = e.follow(ctx, queues[0], cursor, 10)
		queues = append(queues[1:], queues[0])
		for i := range page {
			delete(missing, page[i].ID)
		}
		return len(missing) == 0
	})
	if len(missing) > 0 {
		e.errorf("%d of %d final states never were in the feed", len(missing), len(want))
	}
}

func finalsOrder(ctx context.Context, e *env) {
	if page, _ := e.finals(ctx, e.Queue, "", 10); len(page) != 0 {
		e.errorf("Finals of an empty store returned %d deliveries", len(page))
	}
	e.enqueue(ctx, e.Queue, e.batch(names("a", 9)...))
	got := e.drain(ctx, e.Queue, webhook.Claim{}, 9)
	slices.Reverse(got)
	var want []string
	end := func(part []webhook.Claimed) {
		for i, c := range part {
			e.settle(ctx, e.Queue, item(c, []webhook.State{webhook.Delivered, webhook.Failed, webhook.Duplicate}[i%3]))
			want = append(want, c.Delivery.ID)
			e.pause(ctx, 2*grain)
		}
	}
	end(got[:5])
	var all []webhook.Delivery
	var cursor string
	e.eventually(ctx, "5 final states", func() bool {
		page, next := e.follow(ctx, e.Queue, cursor, 2)
		all, cursor = append(all, page...), next
		return len(all) >= 5
	})
	if page, next := e.finals(ctx, e.Queue, cursor, 2); len(page) != 0 {
		e.errorf("at the end of the feed Finals returned %d deliveries", len(page))
	} else {
		cursor = next
	}
	end(got[5:])
	e.eventually(ctx, "9 final states", func() bool {
		page, next := e.follow(ctx, e.Queue, cursor, 3)
		all, cursor = append(all, page...), next
		return len(all) >= 9
	})
	var ids []string
	for i := range all {
		ids = append(ids, all[i].ID)
	}
	if !slices.Equal(ids, want) {
		e.errorf("the feed has %v, want %v", ids, want)
	}
}

func finalsAllEnds(ctx context.Context, e *env) {
	b := e.batch("a", "b", "c", "d", "e", "f", "g")
	b.Deliveries[0].State, b.Deliveries[1].State = webhook.Cancelled, webhook.Failed
	e.enqueue(ctx, e.Queue, b)
	want := deliveryIDs(b)[:2]
	if c, ok := e.Queue.(webhook.Canceler); ok {
		e.ok(c.Cancel(ctx, b.Deliveries[2].ID, "no longer wanted"), "Cancel")
		want = append(want, b.Deliveries[2].ID)
	}
	states := []webhook.State{webhook.Delivered, webhook.Duplicate, webhook.Failed, webhook.Cancelled}
	for _, c := range e.drain(ctx, e.Queue, webhook.Claim{}, 5) {
		if len(states) == 0 {
			break // one stays open
		}
		e.settle(ctx, e.Queue, item(c, states[0]))
		states = states[1:]
		want = append(want, c.Delivery.ID)
	}
	e.awaitFinals(ctx, []webhook.Queue{e.Queue}, "", want)
}

func finalsFollow(ctx context.Context, e *env) {
	const writers = 4
	queues := []webhook.Queue{e.Queue}
	if e.Peer != nil {
		queues = append(queues, e.peer().Queue)
	}
	n := e.volume / 10
	b := e.batch(names("a", n)...)
	e.enqueue(ctx, e.Queue, b)
	got := e.drain(ctx, e.Queue, webhook.Claim{}, n)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w * 5; i < len(got); i += writers * 5 {
				part := got[i:min(i+5, len(got))]
				items := make([]webhook.Settlement, len(part))
				for j := range part {
					items[j] = item(part[j], webhook.Delivered)
				}
				if _, err := queues[w%len(queues)].Settle(ctx, items); err != nil {
					e.errorf("Settle, with others at it: %v", err)
				}
				e.pause(ctx, time.Millisecond)
			}
		})
	}
	// The follower is the case's own goroutine; it stores its cursor as a
	// host would, and comes back to it.
	e.awaitFinals(ctx, slices.Clone(queues), "", deliveryIDs(b))
	wg.Wait()
}

func finalsLateCommit(ctx context.Context, e *env) {
	e.enqueue(ctx, e.Queue, e.batch("a", "b"))
	got := e.drain(ctx, e.Queue, webhook.Claim{}, 2)
	if len(got) != 2 {
		e.fatalf("Claim handed out %d of 2 deliveries", len(got))
	}
	tx := e.begin(ctx)
	late := e.batch("c")
	late.Deliveries[0].State = webhook.Cancelled
	e.enqueue(ctx, tx.Outbox, late)
	seen, cursor := e.meanwhile(ctx, got[0])
	e.ok(tx.Commit(), "Tx.Commit")
	for _, c := range got {
		// A store that was locked by the transaction has not settled it yet,
		// or has and could not say so.
		_, err := e.Queue.Settle(ctx, []webhook.Settlement{item(c, webhook.Delivered)})
		e.ok(err, "Settle")
	}
	var want []string
	for _, id := range append(deliveryIDs(late), got[0].Delivery.ID, got[1].Delivery.ID) {
		if !slices.ContainsFunc(seen, func(d webhook.Delivery) bool { return d.ID == id }) {
			want = append(want, id)
		}
	}
	e.awaitFinals(ctx, []webhook.Queue{e.Queue}, cursor, want)
}

// meanwhile settles a delivery and reads the feed, as far as a store can do
// that while a transaction is open. It returns what the reader saw, and where it
// stands.
func (e *env) meanwhile(ctx context.Context, c webhook.Claimed) ([]webhook.Delivery, string) {
	ctx, cancel := context.WithTimeout(ctx, 4*e.tick)
	defer cancel()
	if _, err := e.Queue.Settle(ctx, []webhook.Settlement{item(c, webhook.Delivered)}); err != nil {
		return nil, ""
	}
	seen, cursor, err := e.history().Finals(ctx, "", 10)
	if err != nil {
		return nil, ""
	}
	return seen, cursor
}
