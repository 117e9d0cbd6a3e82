package storetest_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/outhook/outhook/webhook"
)

func enqueueFaults() []planted {
	return []planted{
		{
			name: "duplicate event id fanned out",
			plant: func(m *mutant) {
				m.eachBatch(func(b *webhook.Batch) {
					for i := range b.Deliveries {
						b.Deliveries[i].Dedup = ""
					}
				})
			},
			sees: []string{
				"dedup/repeat", "dedup/ended", "dedup/concurrent", "dedup/peers", "tx/dedup", "enqueue-all/each",
				"enqueue/round-trip", "enqueue/all-or-nothing",
			},
		},
		{
			name: "event ids are folded",
			plant: func(m *mutant) {
				m.eachBatch(func(b *webhook.Batch) {
					for i := range b.Deliveries {
						b.Deliveries[i].Dedup = strings.ToLower(strings.TrimRight(b.Deliveries[i].Dedup, " "))
					}
				})
			},
			sees: []string{"dedup/exact"},
		},
		{
			name: "no event id is an event id",
			plant: func(m *mutant) {
				m.eachBatch(func(b *webhook.Batch) {
					for i := range b.Deliveries {
						if b.Deliveries[i].Dedup == "" {
							b.Deliveries[i].Dedup = "none"
						}
					}
				})
			},
			sees: []string{"dedup/none", "enqueue/message-again"},
		},
		{
			name: "partial enqueue: cut off in the middle",
			plant: func(m *mutant) {
				m.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
					half := &webhook.Batch{Message: b.Message, Deliveries: b.Deliveries[:len(b.Deliveries)/2]}
					_, _ = m.model.Enqueue(context.WithoutCancel(ctx), half)
					return m.model.Enqueue(ctx, b)
				}
				m.enqueueAll = func(ctx context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error) {
					_, _ = m.model.EnqueueAll(context.WithoutCancel(ctx), batches[:len(batches)/2])
					return m.model.EnqueueAll(ctx, batches)
				}
			},
			sees: []string{"enqueue/all-or-nothing", "enqueue-all/all-or-nothing"},
		},
		{
			name: "partial enqueue: it stops at the first repeat",
			plant: func(m *mutant) {
				m.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
					var out []webhook.Existing
					for i := range b.Deliveries {
						one := &webhook.Batch{Message: b.Message, Deliveries: b.Deliveries[i : i+1]}
						existing, err := m.model.Enqueue(ctx, one)
						if err != nil {
							return out, err
						}
						if len(existing) > 0 {
							return append(out, webhook.Existing{Index: i, ID: existing[0].ID}), nil
						}
					}
					return out, nil
				}
			},
			sees: []string{"dedup/repeat", "enqueue/all-or-nothing"},
		},
		{
			name: "a known message is taken for a known batch",
			plant: func(m *mutant) {
				known := map[string]bool{}
				m.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
					if known[b.Message.ID] {
						return nil, nil
					}
					known[b.Message.ID] = true
					return m.model.Enqueue(ctx, b)
				}
			},
			sees: []string{"enqueue/message-again", "enqueue/all-or-nothing", "context/ended"},
		},
		{
			name: "a repeated batch is an error",
			plant: func(m *mutant) {
				known := map[string]bool{}
				m.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
					for i := range b.Deliveries {
						if known[b.Deliveries[i].ID] {
							return nil, errors.New("duplicate key")
						}
					}
					existing, err := m.model.Enqueue(ctx, b)
					for i := range b.Deliveries {
						known[b.Deliveries[i].ID] = err == nil
					}
					return existing, err
				}
			},
			sees: []string{"enqueue/again", "enqueue/again-ordered", "faults/before-and-after"},
		},
	}
}

func bodyFaults() []planted {
	return []planted{
		{
			name: "bodies are text",
			plant: func(m *mutant) {
				m.eachBatch(func(b *webhook.Batch) {
					b.Message.Bodies = slices.Clone(b.Message.Bodies)
					for i := range b.Message.Bodies {
						b.Message.Bodies[i].Data = bytes.ToValidUTF8(b.Message.Bodies[i].Data, []byte("?"))
					}
				})
			},
			sees: []string{"enqueue/bodies", "tx/many"},
		},
		{
			name: "a body forgets its headers",
			plant: func(m *mutant) {
				m.eachBatch(func(b *webhook.Batch) {
					b.Message.Bodies = slices.Clone(b.Message.Bodies)
					for i := range b.Message.Bodies {
						b.Message.Bodies[i].Header = nil
					}
				})
			},
			sees: []string{"enqueue/round-trip"},
		},
		{
			name: "an inline endpoint is stored redacted",
			plant: func(m *mutant) {
				m.eachBatch(func(b *webhook.Batch) {
					for i := range b.Deliveries {
						if ep := b.Deliveries[i].Inline; ep != nil {
							masked := *ep
							masked.Secrets = nil
							b.Deliveries[i].Inline = &masked
						}
					}
				})
			},
			sees: []string{"enqueue/inline", "tx/commit", "history/life"},
		},
		{
			name: "what arrives final is sent",
			plant: func(m *mutant) {
				m.eachBatch(func(b *webhook.Batch) {
					for i := range b.Deliveries {
						b.Deliveries[i].State = webhook.Pending
					}
				})
			},
			sees: []string{"enqueue/final", "finals/all-ends", "order/released"},
		},
		{
			name: "large batches are cut",
			plant: func(m *mutant) {
				m.eachBatch(func(b *webhook.Batch) { b.Deliveries = b.Deliveries[:min(250, len(b.Deliveries))] })
			},
			sees: []string{"enqueue/large"},
		},
	}
}
