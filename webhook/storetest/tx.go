package storetest

import (
	"context"
	"slices"

	"github.com/outhook/outhook/webhook"
)

func txCases() []testCase {
	return []testCase{
		{
			name:        "tx/commit",
			explanation: "what a host enqueues in its transaction is there when that commits, and nobody sees it before",
			needs:       Transactions,
			run:         txCommit,
		},
		{
			name:        "tx/rollback",
			explanation: "after a rollback of the host's transaction nothing is left: no delivery, no message, no event id",
			needs:       Transactions,
			run:         txRollback,
		},
		{
			name: "tx/dedup",
			explanation: "a repeat inside a transaction is reported, be the first one committed or of the same transaction, " +
				"and disturbs neither the transaction nor what follows in it",
			needs: Transactions,
			run:   txDedup,
		},
		{
			name:        "tx/many",
			explanation: "a transaction takes many messages and large ones, plain, ordered and final, and commits them as one",
			needs:       Transactions,
			run:         txMany,
		},
		{
			name:        "tx/match",
			explanation: "inside a transaction endpoints are matched through it, since it may hold the only connection",
			needs:       Transactions | TxMatcher | EndpointStore,
			run:         txMatch,
		},
	}
}

func (e *env) begin(ctx context.Context) Tx {
	tx, err := e.Begin(ctx)
	e.ok(err, "Store.Begin")
	return tx
}

// unseen claims while a transaction is open. A store with one connection, or
// one writer, cannot answer then: that is as good as nothing.
func (e *env) unseen(ctx context.Context, why string) {
	ctx, cancel := context.WithTimeout(ctx, 3*e.tick)
	defer cancel()
	if got, err := e.Queue.Claim(ctx, wide(webhook.Claim{})); err == nil && len(got) != 0 {
		e.errorf("Claim returned %s, want none: %s", ids(got), why)
	}
}

func txCommit(ctx context.Context, e *env) {
	tx := e.begin(ctx)
	b := e.event("event-1", "a", "b")
	b.Deliveries[0].Inline = fullEndpoint("a")
	e.enqueue(ctx, tx.Outbox, b)
	e.unseen(ctx, "the transaction is open")
	e.ok(tx.Commit(), "Tx.Commit")
	got := e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(b)...)
	for i := range b.Deliveries {
		c := got[b.Deliveries[i].ID]
		e.sameDelivery(b.Deliveries[i], c.Delivery)
		e.sameMessage(b.Message, c.Message)
	}
	e.finish(ctx, e.Queue, got[b.Deliveries[0].ID], got[b.Deliveries[1].ID])
}

func txRollback(ctx context.Context, e *env) {
	tx := e.begin(ctx)
	b := e.event("event-1", "a", "b")
	lost := e.ordered("a", "k")
	e.enqueue(ctx, tx.Outbox, b)
	e.enqueue(ctx, tx.Outbox, lost)
	e.ok(tx.Rollback(), "Tx.Rollback")
	e.none(ctx, e.Queue, "the transaction was rolled back")
	if h, ok := e.Queue.(webhook.History); ok {
		_, _, err := h.Delivery(ctx, b.Deliveries[0].ID)
		e.is(err, webhook.ErrNotFound, "Delivery of one that was rolled back")
	}
	again := e.event("event-1", "a", "b")
	e.enqueue(ctx, e.Queue, again)
	next := e.ordered("a", "k")
	e.enqueue(ctx, e.Queue, next)
	e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(again, next)...)
}

func txDedup(ctx context.Context, e *env) {
	old := e.event("old", "a", "b")
	e.enqueue(ctx, e.Queue, old)
	tx := e.begin(ctx)
	repeat := e.event("old", "c", "b", "a")
	e.existing(e.enqueued(ctx, tx.Outbox, repeat), map[int]string{1: old.Deliveries[1].ID, 2: old.Deliveries[0].ID})
	fresh := e.event("new", "a")
	e.enqueue(ctx, tx.Outbox, fresh)
	twice := e.event("new", "a", "b")
	e.existing(e.enqueued(ctx, tx.Outbox, twice), map[int]string{0: fresh.Deliveries[0].ID})
	plain := e.batch("a")
	e.enqueue(ctx, tx.Outbox, plain)
	e.enqueued(ctx, tx.Outbox, plain) // the retry of a call whose answer was lost
	e.ok(tx.Commit(), "Tx.Commit")
	want := append(deliveryIDs(old, fresh, plain), repeat.Deliveries[0].ID, twice.Deliveries[1].ID)
	e.want(ctx, e.Queue, webhook.Claim{}, want...)
	e.existing(e.enqueued(ctx, e.Queue, e.event("new", "b")), map[int]string{0: twice.Deliveries[1].ID})
}

func txMany(ctx context.Context, e *env) {
	tx := e.begin(ctx)
	large := e.batch(names("large", e.volume/10)...)
	heads := []*webhook.Batch{e.ordered("a", "k"), e.ordered("a", "k"), e.ordered("a", "other")}
	ended := e.batch("b")
	ended.Deliveries[0].State, ended.Deliveries[0].Reason = webhook.Cancelled, "the endpoint is disabled"
	binary := &webhook.Batch{Message: e.messageOf(allBytes(1 << 18))}
	binary.Deliveries = []webhook.Delivery{e.delivery(binary.Message, "c")}
	all := append(slices.Clone(heads), large, ended, binary)
	for _, b := range all {
		e.enqueue(ctx, tx.Outbox, b)
	}
	e.ok(tx.Commit(), "Tx.Commit")
	got := e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(large, binary, heads[0], heads[2])...)
	e.sameMessage(binary.Message, got[binary.Deliveries[0].ID].Message)
	e.finish(ctx, e.Queue, got[heads[0].Deliveries[0].ID])
	e.head(ctx, heads[1].Deliveries[0].ID)
}

func txMatch(ctx context.Context, e *env) {
	on := e.register(ctx, e.endpoint("on", webhook.In("link", "1")))
	off := e.register(ctx, e.endpoint("off", webhook.In("link", "2")))
	tx := e.begin(ctx)
	b := e.batch(on.ID)
	e.enqueue(ctx, tx.Outbox, b)
	m := tx.Outbox.(webhook.Matcher) //nolint:forcetypeassert // the case needs it
	q := webhook.Query{Scopes: []webhook.Scope{webhook.In("link", "1")}, Type: "contact.created", Source: "api"}
	found, err := m.Match(ctx, q)
	e.ok(err, "Match inside a transaction")
	e.contains(found, on)
	q.Scopes = []webhook.Scope{webhook.In("link", "2")}
	found, err = m.Match(ctx, q)
	e.ok(err, "Match inside a transaction")
	e.contains(found, off)
	e.ok(tx.Commit(), "Tx.Commit")
	e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(b)...)
}
