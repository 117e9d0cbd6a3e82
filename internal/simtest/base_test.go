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
	ids  []string // of all endpoints that there may be

	enqueue   func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error)
	claim     func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error)
	settle    func(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error)
	check     func(batches ...*webhook.Batch) error
	holds     func(r *recalled) bool
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
	b := &base{
		Store: m, seed: s,
		enqueue: m.Enqueue, claim: m.Claim, settle: m.Settle, park: m.Park, match: m.Match, endpoints: m.Endpoints,
		judge: retry.Default, conn: func(c net.Conn) net.Conn { return c },
	}
	b.check, b.holds = b.checkAll, b.stillSo
	return b
}

// enqueueAll stores batches one by one, since a transaction of memstore takes
// nothing. Nobody sees it half done, and after the first nothing can fail: where
// a planted fault lets Enqueue fail, commits are not shared.
func (b *base) enqueueAll(ctx context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := b.check(batches...); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx)
	out := make([][]webhook.Existing, len(batches))
	for i, batch := range batches {
		var err error
		if out[i], err = b.enqueue(ctx, batch); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// changeBatch lets change alter copies of what is enqueued.
func (b *base) changeBatch(change func(batch *webhook.Batch)) {
	inner := b.enqueue
	b.enqueue = func(ctx context.Context, batch *webhook.Batch) ([]webhook.Existing, error) {
		again := &webhook.Batch{Message: batch.Message, Deliveries: slices.Clone(batch.Deliveries), Take: batch.Take}
		change(again)
		return inner(ctx, again)
	}
}

// changeTake lets ask and answer alter what is wanted of the store, and what it
// took. Either may be nil.
func (b *base) changeTake(ask, answer func(batch *webhook.Batch)) {
	inner := b.enqueue
	b.enqueue = func(ctx context.Context, batch *webhook.Batch) ([]webhook.Existing, error) {
		if batch.Take == nil {
			return inner(ctx, batch)
		}
		take := *batch.Take
		again := &webhook.Batch{Message: batch.Message, Deliveries: batch.Deliveries, Take: &take}
		if ask != nil {
			ask(again)
		}
		existing, err := inner(ctx, again)
		if answer != nil && err == nil {
			answer(again)
		}
		batch.Take.Taken, batch.Take.Token = take.Taken, take.Token
		return existing, err
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
