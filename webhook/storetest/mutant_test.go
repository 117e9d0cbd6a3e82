package storetest_test

import (
	"context"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/storetest"
)

// mutant is the model with any of its methods replaced.
type mutant struct {
	*model

	enqueue    func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error)
	enqueueAll func(ctx context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error)
	claim      func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error)
	settle     func(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error)
	park       func(ctx context.Context, parks []webhook.Park) error
	extend     func(ctx context.Context, leases []webhook.Lease, lease time.Duration) ([]int, error)
	listen     func(ctx context.Context, wake func()) error
	take       func(ctx context.Context, id string, n int, rate webhook.Rate) (int, time.Duration, error)

	recall    func(q webhook.Query) ([]*webhook.Endpoint, any)
	match     func(ctx context.Context, q webhook.Query) ([]*webhook.Endpoint, error)
	endpoints func(ctx context.Context, ids []string) ([]*webhook.Endpoint, error)
	disable   func(ctx context.Context, id, reason string) error
	list      func(ctx context.Context, scope webhook.Scope) ([]*webhook.Endpoint, error)
	set       func(ctx context.Context, e *webhook.Endpoint) (*webhook.Endpoint, error)
	setStatus func(ctx context.Context, id string, s webhook.Status, reason string) error
	remove    func(ctx context.Context, id string) error

	delivery   func(ctx context.Context, id string) (*webhook.Delivery, *webhook.Message, error)
	deliveries func(ctx context.Context, q webhook.HistoryQuery) ([]webhook.Delivery, string, error)
	attempts   func(ctx context.Context, id string) ([]webhook.Attempt, error)
	finals     func(ctx context.Context, cursor string, limit int) ([]webhook.Delivery, string, error)
	purge      func(ctx context.Context, p webhook.Purge) (int, error)
	cancel     func(ctx context.Context, id, reason string) error
	counts     func(ctx context.Context) (webhook.Counts, error)

	begin func(ctx context.Context) (storetest.Tx, error)
	peer  func(t *testing.T) storetest.Store
}

func newMutant() *mutant {
	m := newModel()
	return &mutant{
		model:   m,
		enqueue: m.Enqueue, enqueueAll: m.EnqueueAll, claim: m.Claim, settle: m.Settle, park: m.Park,
		extend: m.Extend, listen: m.Listen, take: m.Take,
		recall: func(q webhook.Query) ([]*webhook.Endpoint, any) { return m.Recall(m, q) }, match: m.Match, endpoints: m.Endpoints, disable: m.Disable,
		list: m.List, set: m.Set, setStatus: m.SetStatus, remove: m.Remove,
		delivery: m.Delivery, deliveries: m.Deliveries, attempts: m.Attempts, finals: m.Finals,
		purge: m.Purge, cancel: m.Cancel, counts: m.Counts, begin: m.begin,
	}
}

func (m *mutant) handle() storetest.Store {
	peer := m.peer
	if peer == nil {
		peer = func(*testing.T) storetest.Store { return m.handle() }
	}
	return storetest.Store{Queue: m, Endpoints: m, Begin: m.begin, Corrupt: m.corrupt, Peer: peer}
}

func (m *mutant) Enqueue(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
	return m.enqueue(ctx, b)
}

func (m *mutant) EnqueueAll(ctx context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error) {
	return m.enqueueAll(ctx, batches)
}

func (m *mutant) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
	return m.claim(ctx, c)
}

func (m *mutant) Settle(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
	return m.settle(ctx, items)
}

func (m *mutant) Park(ctx context.Context, parks []webhook.Park) error { return m.park(ctx, parks) }

func (m *mutant) Extend(ctx context.Context, leases []webhook.Lease, lease time.Duration) ([]int, error) {
	return m.extend(ctx, leases, lease)
}

func (m *mutant) Listen(ctx context.Context, wake func()) error { return m.listen(ctx, wake) }

func (m *mutant) Take(ctx context.Context, id string, n int, rate webhook.Rate) (int, time.Duration, error) {
	return m.take(ctx, id, n, rate)
}

func (m *mutant) Recall(_ webhook.Queue, q webhook.Query) ([]*webhook.Endpoint, any) {
	return m.recall(q)
}

func (m *mutant) Match(ctx context.Context, q webhook.Query) ([]*webhook.Endpoint, error) {
	return m.match(ctx, q)
}

func (m *mutant) Endpoints(ctx context.Context, ids []string) ([]*webhook.Endpoint, error) {
	return m.endpoints(ctx, ids)
}

func (m *mutant) Disable(ctx context.Context, id, reason string) error {
	return m.disable(ctx, id, reason)
}

func (m *mutant) List(ctx context.Context, scope webhook.Scope) ([]*webhook.Endpoint, error) {
	return m.list(ctx, scope)
}

func (m *mutant) Set(ctx context.Context, e *webhook.Endpoint) (*webhook.Endpoint, error) {
	return m.set(ctx, e)
}

func (m *mutant) SetStatus(ctx context.Context, id string, s webhook.Status, reason string) error {
	return m.setStatus(ctx, id, s, reason)
}

func (m *mutant) Remove(ctx context.Context, id string) error { return m.remove(ctx, id) }

func (m *mutant) Delivery(ctx context.Context, id string) (*webhook.Delivery, *webhook.Message, error) {
	return m.delivery(ctx, id)
}

func (m *mutant) Deliveries(ctx context.Context, q webhook.HistoryQuery) ([]webhook.Delivery, string, error) {
	return m.deliveries(ctx, q)
}

func (m *mutant) Attempts(ctx context.Context, id string) ([]webhook.Attempt, error) {
	return m.attempts(ctx, id)
}

func (m *mutant) Finals(ctx context.Context, cursor string, limit int) ([]webhook.Delivery, string, error) {
	return m.finals(ctx, cursor, limit)
}

func (m *mutant) Purge(ctx context.Context, p webhook.Purge) (int, error) { return m.purge(ctx, p) }

func (m *mutant) Cancel(ctx context.Context, id, reason string) error {
	return m.cancel(ctx, id, reason)
}

func (m *mutant) Counts(ctx context.Context) (webhook.Counts, error) { return m.counts(ctx) }
