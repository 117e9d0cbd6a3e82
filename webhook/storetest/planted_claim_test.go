package storetest_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/outhook/outhook/webhook"
)

func claimFaults() []planted {
	return []planted{
		{
			name: "settle without token",
			plant: func(m *mutant) {
				latest := m.tokens()
				m.eachItem(func(s *webhook.Settlement) { s.Token = latest(s.ID) })
			},
			sees: []string{"fence/stale-token", "fence/peers", "fence/independent", "extend/ends"},
		},
		{
			name: "final is not final",
			plant: func(m *mutant) {
				m.settle = func(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
					_, err := m.model.Settle(ctx, items)
					return webhook.Settled{}, err
				}
			},
			sees: []string{"fence/final", "fence/unknown", "fence/twice", "cancel/open"},
		},
		{
			name: "lease ignored: it never ends",
			plant: func(m *mutant) {
				m.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
					c.Lease = 1000 * time.Hour
					return m.model.Claim(ctx, c)
				}
			},
			sees: []string{
				"lease/ends", "lease/own-length", "lease/expired", "lease/many", "fence/stale-token", "order/lost", "probe/lost",
				"context/claim", "faults/claim-after", "faults/before-and-after",
			},
		},
		{
			name: "lease ignored: it ends at once",
			plant: func(m *mutant) {
				m.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
					c.Lease = time.Millisecond
					return m.model.Claim(ctx, c)
				}
			},
			sees: []string{"claim/hides", "lease/ends"},
		},
		{
			name: "claim does not hide rows",
			plant: func(m *mutant) {
				var mu sync.Mutex
				open := map[string]webhook.Claimed{}
				m.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
					got, err := m.model.Claim(ctx, c)
					mu.Lock()
					defer mu.Unlock()
					for i := range got {
						open[got[i].Delivery.ID] = got[i]
					}
					if len(got) > 0 {
						return got, err
					}
					for _, c := range open {
						return append(got, c), err
					}
					return got, err
				}
				m.settle = func(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
					mu.Lock()
					defer mu.Unlock()
					for i := range items {
						delete(open, items[i].ID)
					}
					return m.model.Settle(ctx, items)
				}
			},
			sees: []string{"claim/hides", "claim/concurrent", "enqueue/peer", "enqueue/large", "park/peers", "lease/own-length"},
		},
		{
			name: "a settlement after the lease is refused",
			plant: func(m *mutant) {
				var mu sync.Mutex
				ends := map[string]time.Time{}
				m.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
					got, err := m.model.Claim(ctx, c)
					mu.Lock()
					defer mu.Unlock()
					for i := range got {
						ends[got[i].Delivery.ID] = time.Now().Add(c.Lease)
					}
					return got, err
				}
				m.eachItem(func(s *webhook.Settlement) {
					mu.Lock()
					defer mu.Unlock()
					if end, ok := ends[s.ID]; ok && time.Now().After(end) {
						s.Token++
					}
				})
			},
			sees: []string{"lease/late-settle"},
		},
	}
}

func leaseFaults() []planted {
	return []planted{
		{
			name:  "expired leases are not told",
			plant: func(m *mutant) { m.eachClaimed(func(c *webhook.Claimed) { c.Expired = false }) },
			sees:  []string{"lease/expired", "lease/many", "extend/ends", "park/expired"},
		},
		{
			name: "a give-back forgets that a lease expired",
			plant: func(m *mutant) {
				given := map[string]bool{}
				m.eachItem(func(s *webhook.Settlement) { given[s.ID] = s.Unsent })
				m.eachClaimed(func(c *webhook.Claimed) { c.Expired = c.Expired && !given[c.Delivery.ID] })
			},
			sees: []string{"lease/expired"},
		},
		{
			name:  "attempts are not given back",
			plant: func(m *mutant) { m.eachItem(func(s *webhook.Settlement) { s.Unsent = false }) },
			sees:  []string{"claim/attempts", "park/running", "lease/expired"},
		},
		{
			name:  "the token is the delivery's for ever",
			plant: func(m *mutant) { m.eachClaimed(func(c *webhook.Claimed) { c.Token = 1 }) },
			sees:  []string{"claim/attempts", "lease/ends"},
		},
	}
}

func limitFaults() []planted {
	return []planted{
		{
			name: "limits ignored",
			plant: func(m *mutant) {
				m.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
					c.Limit, c.PerEndpoint = c.Limit+1, c.PerEndpoint+1
					return m.model.Claim(ctx, c)
				}
			},
			sees: []string{"claim/limits"},
		},
		{
			name: "the rest of a full claim is lost",
			plant: func(m *mutant) {
				m.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
					limit := c.Limit
					c.Limit++
					got, err := m.model.Claim(ctx, c)
					return got[:min(limit, len(got))], err
				}
			},
			sees: []string{"claim/limits"},
		},
		{
			name: "bytes ignored",
			plant: func(m *mutant) {
				m.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
					c.MaxBytes = 1 << 30
					return m.model.Claim(ctx, c)
				}
			},
			sees: []string{"claim/max-bytes"},
		},
		{
			name: "a body over the limit never comes",
			plant: func(m *mutant) {
				m.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
					got, err := m.model.Claim(ctx, c)
					return slices.DeleteFunc(got, func(x webhook.Claimed) bool {
						return x.Message != nil && len(x.Message.Bodies[x.Delivery.Body].Data) > c.MaxBytes
					}), err
				}
			},
			sees: []string{"claim/max-bytes"},
		},
		{
			name: "skip ignored",
			plant: func(m *mutant) {
				m.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
					c.Skip = nil
					return m.model.Claim(ctx, c)
				}
			},
			sees: []string{"claim/skip"},
		},
		{
			name: "a message is copied for each delivery",
			plant: func(m *mutant) {
				m.eachClaimed(func(c *webhook.Claimed) {
					if c.Message != nil {
						copied := *c.Message
						c.Message = &copied
					}
				})
			},
			sees: []string{"claim/shared-message"},
		},
		{
			name:  "age begins anew with each claim",
			plant: func(m *mutant) { m.eachClaimed(func(c *webhook.Claimed) { c.Age = 0 }) },
			sees:  []string{"claim/age"},
		},
		{
			name: "an empty store is an error",
			plant: func(m *mutant) {
				m.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
					got, err := m.model.Claim(ctx, c)
					if err == nil && len(got) == 0 {
						err = errors.New("no rows")
					}
					return got, err
				}
			},
			sees: []string{"claim/nothing", "claim/hides"},
		},
		{
			name: "a damaged row blocks the claim",
			plant: func(m *mutant) {
				m.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
					got, err := m.model.Claim(ctx, c)
					for i := range got {
						if got[i].Err != nil {
							return nil, got[i].Err
						}
					}
					return got, err
				}
			},
			sees: []string{"claim/damaged"},
		},
	}
}
