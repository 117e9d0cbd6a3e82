package storetest_test

import (
	"context"
	"time"

	"github.com/outhook/outhook/webhook"
)

func settleFaults() []planted {
	return []planted{
		{
			name: "extend does nothing",
			plant: func(m *mutant) {
				m.extend = func(context.Context, []webhook.Lease, time.Duration) ([]int, error) { return nil, nil }
			},
			sees: []string{"extend/lengthens", "extend/ends", "extend/many", "extend/stale", "context/optional"},
		},
		{
			name: "a settle is lost when the same process settles twice",
			plant: func(m *mutant) {
				// It takes a stale item for an old delivery and closes it.
				m.settle = func(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
					res, err := m.model.Settle(ctx, items)
					for _, i := range res.Stale {
						_ = m.model.Cancel(ctx, items[i].ID, "stale")
					}
					return res, err
				}
			},
			sees: []string{"fence/twice", "faults/before-and-after"},
		},
		{
			name: "a settle of many is cut in the middle",
			plant: func(m *mutant) {
				m.settle = func(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
					if ctx.Err() != nil {
						return webhook.Settled{}, ctx.Err()
					}
					half := items[:(len(items)+1)/2]
					return m.model.Settle(ctx, half)
				}
			},
			sees: []string{"context/settle", "crowd"},
		},
		{
			name: "contexts are ignored",
			plant: func(m *mutant) {
				m.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
					return m.model.Enqueue(context.WithoutCancel(ctx), b)
				}
				m.counts = func(ctx context.Context) (webhook.Counts, error) {
					return m.model.Counts(context.WithoutCancel(ctx))
				}
			},
			sees: []string{"context/ended", "context/optional"},
		},
	}
}
