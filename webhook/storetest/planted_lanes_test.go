package storetest_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/outhook/outhook/webhook"
)

// starving serves the endpoint that was enqueued first until it has nothing
// left.
func starving(m *mutant) {
	var mu sync.Mutex
	var order []string
	m.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
		mu.Lock()
		for i := range b.Deliveries {
			if id := b.Deliveries[i].EndpointID; !slices.Contains(order, id) {
				order = append(order, id)
			}
		}
		mu.Unlock()
		return m.model.Enqueue(ctx, b)
	}
	m.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
		mu.Lock()
		ids := slices.Clone(order)
		mu.Unlock()
		for _, id := range ids {
			one := c
			one.Skip = slices.DeleteFunc(slices.Concat(c.Skip, ids), func(s string) bool {
				return s == id && !slices.Contains(c.Skip, id)
			})
			if got, err := m.model.Claim(ctx, one); err != nil || len(got) > 0 {
				return got, err
			}
		}
		return nil, nil
	}
}

// picking claims more than is asked for and gives back what chance says.
func picking(m *mutant) {
	r := rand.New(rand.NewPCG(1, 2))
	m.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
		limit := c.Limit
		c.Limit += 50
		if c.PerEndpoint == limit {
			c.PerEndpoint = c.Limit
		}
		got, err := m.model.Claim(ctx, c)
		if err != nil || len(got) <= limit {
			return got, err
		}
		r.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		var back []webhook.Settlement
		for _, x := range got[limit:] {
			back = append(back, webhook.Settlement{
				ID: x.Delivery.ID, EndpointID: x.Delivery.EndpointID, Token: x.Token, State: webhook.Pending, Unsent: true,
			})
		}
		_, err = m.model.Settle(ctx, back)
		return got[:limit], err
	}
}

// eachPark changes what Park gets.
func (m *mutant) eachPark(change func(p *webhook.Park)) {
	m.park = func(ctx context.Context, parks []webhook.Park) error {
		parks = slices.Clone(parks)
		for i := range parks {
			change(&parks[i])
		}
		return m.model.Park(ctx, parks)
	}
}

// eachFailing changes what Settle says of endpoints.
func (m *mutant) eachFailing(change func(h *webhook.EndpointHealth)) {
	m.settle = func(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
		res, err := m.model.Settle(ctx, items)
		for i := range res.Failing {
			change(&res.Failing[i])
		}
		return res, err
	}
}

func laneFaults() []planted {
	return slices.Concat(dueFaults(), parkFaults(), orderFaults(), healthFaults())
}

func dueFaults() []planted {
	return []planted{
		{
			name:  "due order ignored",
			plant: picking,
			sees:  []string{"due/order", "due/fresh"},
		},
		{
			name: "due order ignored within a claim",
			plant: func(m *mutant) {
				m.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
					got, err := m.model.Claim(ctx, c)
					slices.Reverse(got)
					return got, err
				}
			},
			sees: []string{"due/slice"},
		},
		{
			name:  "retry before its time",
			plant: func(m *mutant) { m.eachItem(func(s *webhook.Settlement) { s.Delay /= 2 }) },
			sees:  []string{"due/delay", "order/retry", "history/life"},
		},
		{
			name:  "retry at once",
			plant: func(m *mutant) { m.eachItem(func(s *webhook.Settlement) { s.Delay = 0 }) },
			sees:  []string{"due/delay", "due/long"},
		},
		{
			name: "a retry that never comes",
			plant: func(m *mutant) {
				m.eachItem(func(s *webhook.Settlement) {
					if s.Delay > 0 {
						s.Delay += 1000 * time.Hour
					}
				})
			},
			sees: []string{"due/delay", "due/order"},
		},
		{
			name:  "one lane starving another",
			plant: starving,
			sees:  []string{"fair/backlog", "fair/greedy", "fair/again", "fair/retries"},
		},
		{
			name: "a leased head hides what is behind its lane",
			plant: func(m *mutant) {
				var mu sync.Mutex
				heads := map[string]bool{}
				m.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
					mu.Lock()
					defer mu.Unlock()
					if len(heads) > 0 {
						return nil, nil
					}
					got, err := m.model.Claim(ctx, c)
					for i := range got {
						if got[i].Delivery.Ordered {
							heads[got[i].Delivery.ID] = true
						}
					}
					return got, err
				}
				m.eachItem(func(s *webhook.Settlement) {
					mu.Lock()
					defer mu.Unlock()
					delete(heads, s.ID)
				})
			},
			sees: []string{"fair/ordered-backlog"},
		},
	}
}

func parkFaults() []planted {
	return []planted{
		{
			name: "parked lane still claimed",
			plant: func(m *mutant) {
				m.park = func(context.Context, []webhook.Park) error { return nil }
			},
			sees: []string{
				"park/closes", "park/ends", "park/opens", "park/replaces", "park/running", "park/expired", "park/ordered",
				"park/many", "park/peers", "park/held", "probe/one-at-a-time", "probe/peers", "probe/lost", "probe/replaced",
			},
		},
		{
			name:  "a park that ends early",
			plant: func(m *mutant) { m.eachPark(func(p *webhook.Park) { p.For /= 2 }) },
			sees:  []string{"park/ends"},
		},
		{
			name: "a park that never ends",
			plant: func(m *mutant) {
				m.eachPark(func(p *webhook.Park) {
					if p.For > 0 {
						p.For += 1000 * time.Hour
					}
				})
			},
			sees: []string{"park/ends", "park/replaces", "probe/one-at-a-time"},
		},
		{
			name: "a park cannot be opened",
			plant: func(m *mutant) {
				m.park = func(ctx context.Context, parks []webhook.Park) error {
					parks = slices.DeleteFunc(slices.Clone(parks), func(p webhook.Park) bool { return p.For <= 0 })
					return m.model.Park(ctx, parks)
				}
			},
			sees: []string{"park/opens", "park/many", "park/peers", "probe/replaced"},
		},
		{
			name: "one park alone is written",
			plant: func(m *mutant) {
				m.park = func(ctx context.Context, parks []webhook.Park) error {
					return m.model.Park(ctx, parks[:min(1, len(parks))])
				}
			},
			sees: []string{"park/many"},
		},
		{
			name: "any success opens a pause",
			plant: func(m *mutant) {
				m.settle = func(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
					for i := range items {
						if items[i].Health == webhook.Healthy {
							_ = m.model.Park(ctx, []webhook.Park{{EndpointID: items[i].EndpointID}})
						}
					}
					return m.model.Settle(ctx, items)
				}
			},
			sees: []string{"park/running"},
		},
		{
			name:  "a probe is a flood",
			plant: func(m *mutant) { m.eachPark(func(p *webhook.Park) { p.Probe = false }) },
			sees:  []string{"probe/one-at-a-time", "probe/peers", "probe/lost", "probe/replaced"},
		},
		{
			name: "a probe never ends",
			plant: func(m *mutant) {
				m.eachItem(func(s *webhook.Settlement) { s.Health = webhook.NoSign })
			},
			sees: []string{"probe/one-at-a-time", "health/row", "health/peers", "health/batch", "health/healthy"},
		},
		{
			name:  "held is not shown",
			plant: func(m *mutant) { m.eachPark(func(p *webhook.Park) { p.Hold = false }) },
			sees:  []string{"park/held"},
		},
		{
			name:  "whatever is parked is shown as held",
			plant: func(m *mutant) { m.eachPark(func(p *webhook.Park) { p.Hold = true }) },
			sees:  []string{"park/held"},
		},
	}
}

func orderFaults() []planted {
	return []planted{
		{
			name: "order ignored",
			plant: func(m *mutant) {
				ordered := map[string]bool{}
				m.eachBatch(func(b *webhook.Batch) {
					for i := range b.Deliveries {
						ordered[b.Deliveries[i].ID] = b.Deliveries[i].Ordered
						b.Deliveries[i].Ordered = false
					}
				})
				m.eachClaimed(func(c *webhook.Claimed) { c.Delivery.Ordered = ordered[c.Delivery.ID] })
			},
			sees: []string{
				"order/head-only", "order/retry", "order/lost", "order/released", "order/tail", "order/lanes",
				"order/concurrent", "order/cancel", "park/ordered", "fair/ordered-backlog",
			},
		},
		{
			name: "one key for all",
			plant: func(m *mutant) {
				m.eachBatch(func(b *webhook.Batch) {
					for i := range b.Deliveries {
						b.Deliveries[i].Key = ""
					}
				})
			},
			sees: []string{"order/lanes", "park/ordered"},
		},
		{
			name: "what is not final for ever keeps its lane",
			plant: func(m *mutant) {
				// A failed head is put off instead of ended.
				m.eachItem(func(s *webhook.Settlement) {
					if s.State == webhook.Failed {
						s.State, s.Delay = webhook.Pending, 1000*time.Hour
					}
				})
			},
			sees: []string{"order/released", "order/tail", "fence/final"},
		},
		{
			name: "cancel says so and does nothing",
			plant: func(m *mutant) {
				m.cancel = func(context.Context, string, string) error { return nil }
			},
			sees: []string{"order/cancel", "cancel/open", "cancel/refused"},
		},
	}
}

func healthFaults() []planted {
	return []planted{
		{
			name: "health is counted by each process",
			plant: func(m *mutant) {
				m.eachFailing(func(h *webhook.EndpointHealth) { h.Failures, h.WasFailures = 1, 0 })
			},
			sees: []string{"health/row", "health/peers", "health/batch"},
		},
		{
			name: "health before the batch is not told",
			plant: func(m *mutant) {
				m.eachFailing(func(h *webhook.EndpointHealth) { h.WasFailingFor = h.FailingFor })
			},
			sees: []string{"health/row", "health/peers"},
		},
		{
			name: "failing for the time since the last failure",
			plant: func(m *mutant) {
				m.eachFailing(func(h *webhook.EndpointHealth) { h.FailingFor -= h.WasFailingFor })
			},
			sees: []string{"health/row"},
		},
		{
			name: "no sign is a success",
			plant: func(m *mutant) {
				m.eachItem(func(s *webhook.Settlement) {
					if s.Health != webhook.Failing {
						s.Health = webhook.Healthy
					}
				})
			},
			sees: []string{"health/healthy", "probe/one-at-a-time"},
		},
	}
}
