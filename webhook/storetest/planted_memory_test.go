package storetest_test

import (
	"context"

	"github.com/outhook/outhook/webhook"
)

// memoryFaults keep what is the caller's.
func memoryFaults() []planted {
	return []planted{{
		name: "the slice of deliveries is kept",
		plant: func(m *mutant) {
			kept := map[string]*webhook.Delivery{}
			m.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
				for i := range b.Deliveries {
					kept[b.Deliveries[i].ID] = &b.Deliveries[i]
				}
				return m.model.Enqueue(ctx, b)
			}
			m.eachClaimed(func(c *webhook.Claimed) {
				if d := kept[c.Delivery.ID]; d != nil {
					c.Delivery.EndpointID = d.EndpointID
				}
			})
		},
		sees: []string{"enqueue/memory"},
	}}
}
