package simtest_test

import (
	"context"
	"net"
	"slices"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

// base is the store below the oracle: memstore, each of whose methods a
// planted fault may replace. The oracle calls it from one goroutine at a time,
// but for Match and Endpoints.
type base struct {
	*memstore.Store
	seed seed

	enqueue   func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error)
	claim     func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error)
	settle    func(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error)
	park      func(ctx context.Context, parks []webhook.Park) error
	match     func(ctx context.Context, q webhook.Query) ([]*webhook.Endpoint, error)
	endpoints func(ctx context.Context, ids []string) ([]*webhook.Endpoint, error)
	// What is around the store: how answers are judged, and what the
	// dispatcher hears of its connections.
	judge retry.Judge
	conn  func(c net.Conn) net.Conn
}

func newBase(s seed) *base {
	m := memstore.New(memstore.Options{})
	return &base{
		Store: m, seed: s,
		enqueue: m.Enqueue, claim: m.Claim, settle: m.Settle, park: m.Park, match: m.Match, endpoints: m.Endpoints,
		judge: retry.Default, conn: func(c net.Conn) net.Conn { return c },
	}
}

// enqueueAll stores batches all or nothing, in a transaction of memstore, or
// one by one where a planted fault sits in enqueue.
func (b *base) enqueueAll(ctx context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error) {
	out := make([][]webhook.Existing, len(batches))
	tx := b.Begin()
	defer tx.Rollback()
	box := b.InTx(tx)
	for i, batch := range batches {
		var err error
		if out[i], err = box.Enqueue(ctx, batch); err != nil {
			return nil, err
		}
	}
	return out, tx.Commit()
}

// changeBatch lets change alter copies of what is enqueued.
func (b *base) changeBatch(change func(batch *webhook.Batch)) {
	inner := b.enqueue
	b.enqueue = func(ctx context.Context, batch *webhook.Batch) ([]webhook.Existing, error) {
		again := &webhook.Batch{Message: batch.Message, Deliveries: slices.Clone(batch.Deliveries)}
		change(again)
		return inner(ctx, again)
	}
}

// changeClaimed lets change alter what was claimed.
func (b *base) changeClaimed(change func(c *webhook.Claimed)) {
	inner := b.claim
	b.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
		got, err := inner(ctx, c)
		for i := range got {
			change(&got[i])
		}
		return got, err
	}
}

// changeItems lets change alter copies of what is settled.
func (b *base) changeItems(change func(it *webhook.Settlement)) {
	inner := b.settle
	b.settle = func(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
		items = slices.Clone(items)
		for i := range items {
			change(&items[i])
		}
		return inner(ctx, items)
	}
}
