package storetest_test

import (
	"context"
	"errors"
	"slices"

	"github.com/outhook/outhook/webhook"
)

// without returns b without what to check.
func without(b *webhook.Batch) *webhook.Batch {
	return &webhook.Batch{Message: b.Message, Deliveries: b.Deliveries, Take: b.Take}
}

// eachWithout takes from all batches but the first few what to check.
func eachWithout(batches []*webhook.Batch, but int) []*webhook.Batch {
	out := slices.Clone(batches)
	for i := but; i < len(out); i++ {
		out[i] = without(out[i])
	}
	return out
}

// recallingFaults are wrong about what is remembered, or in what they do where it
// does not hold.
func recallingFaults() []planted {
	return []planted{
		{
			name: "nothing is remembered",
			plant: func(m *mutant) {
				m.recall = func(webhook.Query) ([]*webhook.Endpoint, any) { return nil, nil }
			},
			sees: []string{"recall/holds", "recall/first"},
		},
		{
			name: "fewer are remembered",
			plant: func(m *mutant) {
				m.recall = func(q webhook.Query) ([]*webhook.Endpoint, any) {
					found, check := m.model.Recall(m, q)
					return found[:max(0, len(found)-1)], check
				}
			},
			sees: []string{"recall/holds", "recall/first", "recall/anew"},
		},
		{
			name: "what is remembered of one type is taken for that of another",
			plant: func(m *mutant) {
				m.recall = func(q webhook.Query) ([]*webhook.Endpoint, any) {
					m.memory.mu.Lock()
					defer m.memory.mu.Unlock()
					for _, r := range m.memory.kept {
						if slices.Equal(r.q.Scopes, q.Scopes) {
							return r.found, r
						}
					}
					return nil, nil
				}
			},
			sees: []string{"recall/holds"},
		},
		{
			name: "what is remembered of one scope is taken for that of several",
			plant: func(m *mutant) {
				m.recall = func(q webhook.Query) ([]*webhook.Endpoint, any) {
					q.Scopes = q.Scopes[:1]
					return m.model.Recall(m, q)
				}
			},
			sees: []string{"recall/scopes"},
		},
		{
			name: "the first Match is remembered for ever",
			plant: func(m *mutant) {
				m.match = func(ctx context.Context, q webhook.Query) ([]*webhook.Endpoint, error) {
					if _, check := m.model.Recall(m, q); check != nil {
						return m.Store.Match(ctx, q)
					}
					return m.model.Match(ctx, q)
				}
			},
			sees: []string{"recall/anew", "recall/take", "recall/dedup", "recall/batch"},
		},
		{
			name: "what is out of date is another error",
			plant: func(m *mutant) {
				m.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
					existing, err := m.model.Enqueue(ctx, b)
					if errors.Is(err, webhook.ErrOutdated) {
						err = webhook.ErrConflict
					}
					return existing, err
				}
			},
			sees: []string{"recall/outdated", "recall/race"},
		},
		{
			name:  "what is out of date is stored and refused",
			plant: func(m *mutant) { m.storing(func(*webhook.Batch) bool { return true }) },
			sees: []string{
				"recall/outdated", "recall/first", "recall/anew", "recall/take", "recall/dedup", "recall/batch", "recall/scopes",
				"recall/peer", "recall/race",
			},
		},
		{
			name:  "what is out of date is taken",
			plant: func(m *mutant) { m.storing(func(b *webhook.Batch) bool { return b.Take != nil }) },
			sees:  []string{"recall/take"},
		},
		{
			name: "what is there already is not checked",
			plant: func(m *mutant) {
				known := map[string]bool{}
				m.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
					if id := b.Deliveries[0].Dedup; id != "" && known[id] {
						b = without(b)
					} else {
						known[id] = true
					}
					return m.model.Enqueue(ctx, b)
				}
			},
			sees: []string{"recall/dedup"},
		},
		{
			name: "what is there already is out of date",
			plant: func(m *mutant) {
				m.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
					existing, err := m.model.Enqueue(ctx, b)
					if b.Recalled != nil && len(existing) > 0 {
						return nil, webhook.ErrOutdated
					}
					return existing, err
				}
			},
			sees: []string{"recall/dedup"},
		},
		{
			name: "EnqueueAll checks nothing",
			plant: func(m *mutant) {
				m.enqueueAll = func(ctx context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error) {
					return m.model.EnqueueAll(ctx, eachWithout(batches, 0))
				}
			},
			sees: []string{"recall/batch"},
		},
		{
			name: "EnqueueAll checks the first batch alone",
			plant: func(m *mutant) {
				m.enqueueAll = func(ctx context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error) {
					return m.model.EnqueueAll(ctx, eachWithout(batches, 1))
				}
			},
			sees: []string{"recall/batch"},
		},
		{
			name: "EnqueueAll stores what holds",
			plant: func(m *mutant) {
				m.enqueueAll = func(ctx context.Context, batches []*webhook.Batch) (out [][]webhook.Existing, err error) {
					for _, b := range batches {
						existing, failed := m.model.Enqueue(ctx, b)
						out, err = append(out, existing), errors.Join(err, failed)
					}
					return out, err
				}
			},
			sees: []string{"recall/batch"},
		},
		{
			name: "EnqueueAll tells of the wrong ones",
			plant: func(m *mutant) {
				m.enqueueAll = func(ctx context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error) {
					existing, err := m.model.EnqueueAll(ctx, batches)
					var o *webhook.OutdatedError
					if errors.As(err, &o) {
						o.Batches[0]++
					}
					return existing, err
				}
			},
			sees: []string{"recall/batch"},
		},
	}
}

// storing stores what is out of date, of what it wants, and refuses it.
func (m *mutant) storing(wants func(b *webhook.Batch) bool) {
	m.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
		existing, err := m.model.Enqueue(ctx, b)
		if errors.Is(err, webhook.ErrOutdated) && wants(b) {
			if _, err := m.model.Enqueue(ctx, without(b)); err != nil {
				return nil, err
			}
		}
		return existing, err
	}
}
