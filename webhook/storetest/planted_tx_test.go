package storetest_test

import (
	"context"
	"slices"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/storetest"
)

func txFaults() []planted {
	return []planted{
		{
			name: "a shared commit takes 20 messages",
			plant: func(m *mutant) {
				m.enqueueAll = func(ctx context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error) {
					_, err := m.model.EnqueueAll(ctx, batches[:min(20, len(batches))])
					return make([][]webhook.Existing, len(batches)), err
				}
			},
			sees: []string{"enqueue-all/large"},
		},
		{
			name: "a retried batch goes to the end of its lane",
			plant: func(m *mutant) {
				m.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
					again := &webhook.Batch{Message: b.Message, Deliveries: slices.Clone(b.Deliveries)}
					for i := range again.Deliveries {
						if m.model.Cancel(ctx, again.Deliveries[i].ID, "replaced") == nil {
							again.Deliveries[i].ID += "-again"
						}
					}
					return m.model.Enqueue(ctx, again)
				}
			},
			sees: []string{"enqueue/again-ordered", "enqueue/again"},
		},
		{
			name: "batches of one call change places",
			plant: func(m *mutant) {
				m.enqueueAll = func(ctx context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error) {
					batches = slices.Clone(batches)
					slices.Reverse(batches)
					out, err := m.model.EnqueueAll(ctx, batches)
					slices.Reverse(out)
					return out, err
				}
			},
			sees: []string{"enqueue-all/order", "enqueue-all/each"},
		},
		{
			name: "a transaction is none",
			plant: func(m *mutant) {
				m.begin = func(context.Context) (storetest.Tx, error) {
					done := func() error { return nil }
					return storetest.Tx{Outbox: m.model, Commit: done, Rollback: done}, nil
				}
			},
			sees: []string{"tx/commit", "tx/rollback"},
		},
		{
			name: "a transaction takes one batch alone",
			plant: func(m *mutant) {
				m.begin = func(ctx context.Context) (storetest.Tx, error) {
					tx, err := m.model.begin(ctx)
					tx.Outbox = &firstOnly{Outbox: tx.Outbox}
					return tx, err
				}
			},
			sees: []string{"tx/many", "tx/dedup"},
		},
		{
			name: "a transaction matches nothing",
			plant: func(m *mutant) {
				m.begin = func(ctx context.Context) (storetest.Tx, error) {
					tx, err := m.model.begin(ctx)
					tx.Outbox = matchless{Outbox: tx.Outbox}
					return tx, err
				}
			},
			sees: []string{"tx/match"},
		},
		{
			name: "listeners sleep",
			plant: func(m *mutant) {
				m.listen = func(ctx context.Context, _ func()) error {
					<-ctx.Done()
					return nil
				}
			},
			sees: []string{"listen/wakes", "listen/commit"},
		},
	}
}

type firstOnly struct {
	webhook.Outbox
	used bool
}

func (o *firstOnly) Enqueue(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
	if o.used {
		return nil, nil
	}
	o.used = true
	return o.Outbox.Enqueue(ctx, b)
}

type matchless struct{ webhook.Outbox }

func (matchless) Match(context.Context, webhook.Query) ([]*webhook.Endpoint, error) { return nil, nil }
