package storetest_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/storetest"
)

// eachTake changes what is asked of the model, and what it answers, wherever a
// batch asks for a claim. Either may be nil.
func (m *mutant) eachTake(ask, answer func(b *webhook.Batch)) {
	inner := func(b *webhook.Batch) *webhook.Batch {
		if b.Take == nil {
			return b
		}
		take := *b.Take
		take.Taken, take.Token = nil, 0
		out := &webhook.Batch{Message: b.Message, Deliveries: b.Deliveries, Take: &take, Recalled: b.Recalled}
		if ask != nil {
			ask(out)
		}
		return out
	}
	tell := func(b, in *webhook.Batch) {
		if b.Take == nil {
			return
		}
		if answer != nil {
			answer(in)
		}
		b.Take.Taken, b.Take.Token = in.Take.Taken, in.Take.Token
	}
	m.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
		in := inner(b)
		existing, err := m.model.Enqueue(ctx, in)
		tell(b, in)
		return existing, err
	}
	m.enqueueAll = func(ctx context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error) {
		in := make([]*webhook.Batch, len(batches))
		for i := range batches {
			in[i] = inner(batches[i])
		}
		existing, err := m.model.EnqueueAll(ctx, in)
		for i := range batches {
			tell(batches[i], in[i])
		}
		return existing, err
	}
}

// takenIDs remembers what was taken.
func (m *mutant) takenIDs() map[string]bool {
	known := map[string]bool{}
	m.eachTake(nil, func(b *webhook.Batch) {
		for _, i := range b.Take.Taken {
			known[b.Deliveries[i].ID] = true
		}
	})
	return known
}

// takeFaults are wrong about what is stored.
func takeFaults() []planted {
	return []planted{
		{
			name: "what is taken can be claimed all the same",
			plant: func(m *mutant) {
				var wanted [][]int
				m.eachTake(func(b *webhook.Batch) {
					wanted = append(wanted, b.Take.Wanted)
					b.Take.Wanted = nil
				}, func(b *webhook.Batch) {
					b.Take.Taken, b.Take.Token = wanted[0], 1
					wanted = wanted[1:]
				})
			},
			sees: []string{"take/claimed", "take/lease", "take/others", "take/peer"},
		},
		{
			name: "the lease of what is taken ends at once",
			plant: func(m *mutant) {
				m.eachTake(func(b *webhook.Batch) { b.Take.Lease = 0 }, nil)
			},
			sees: []string{"take/claimed", "take/lease", "take/peer", "take/probe"},
		},
		{
			name: "the lease of what is taken never ends",
			plant: func(m *mutant) {
				m.eachTake(func(b *webhook.Batch) { b.Take.Lease = 1000 * time.Hour }, nil)
			},
			sees: []string{"take/lease", "take/peer", "take/many"},
		},
		{
			name: "of many that are taken some are forgotten",
			plant: func(m *mutant) {
				m.eachTake(func(b *webhook.Batch) {
					if len(b.Take.Wanted) > 20 {
						b.Take.Lease = 1000 * time.Hour
					}
				}, nil)
			},
			sees: []string{"take/many"},
		},
		{
			name: "a long lease hides what comes after it",
			plant: func(m *mutant) {
				longest := map[string]time.Duration{}
				m.eachTake(func(b *webhook.Batch) {
					for _, i := range b.Take.Wanted {
						id := b.Deliveries[i].EndpointID
						longest[id] = max(longest[id], b.Take.Lease)
						b.Take.Lease = longest[id]
					}
				}, nil)
			},
			sees: []string{"take/many"},
		},
		{
			name: "more is taken than is told",
			plant: func(m *mutant) {
				var wanted [][]int
				m.eachTake(func(b *webhook.Batch) {
					wanted = append(wanted, b.Take.Wanted)
					b.Take.Wanted = nil
					for i := range b.Deliveries {
						b.Take.Wanted = append(b.Take.Wanted, i)
					}
				}, func(b *webhook.Batch) {
					b.Take.Taken = slices.DeleteFunc(b.Take.Taken, func(i int) bool { return !slices.Contains(wanted[0], i) })
					wanted = wanted[1:]
				})
			},
			sees: []string{"take/claimed", "take/others", "take/peer", "take/batch"},
		},
		{
			name:  "parked endpoints are taken from",
			plant: takingParked,
			sees:  []string{"take/parked", "take/probe", "take/answer"},
		},
		{
			name:  "nothing is taken of an endpoint that ever failed or was parked",
			plant: shyTaking,
			sees:  []string{"take/retry", "take/parked", "take/probe"},
		},
		{
			name: "the attempt at what is taken is not counted",
			plant: func(m *mutant) {
				known := m.takenIDs()
				m.eachClaimed(func(c *webhook.Claimed) {
					if known[c.Delivery.ID] {
						c.Delivery.Attempts--
					}
				})
				m.delivery = func(ctx context.Context, id string) (*webhook.Delivery, *webhook.Message, error) {
					d, msg, err := m.model.Delivery(ctx, id)
					if d != nil && known[id] {
						d.Attempts--
					}
					return d, msg, err
				}
			},
			sees: []string{"take/claimed", "take/lease", "take/unsent", "take/retry", "take/batch"},
		},
		{
			name: "what was taken is Expired whatever became of it",
			plant: func(m *mutant) {
				known := m.takenIDs()
				m.eachClaimed(func(c *webhook.Claimed) { c.Expired = c.Expired || known[c.Delivery.ID] })
			},
			sees: []string{"take/unsent", "take/retry"},
		},
		{
			name: "the end of the lease of what was taken is not told",
			plant: func(m *mutant) {
				known := m.takenIDs()
				m.eachClaimed(func(c *webhook.Claimed) { c.Expired = c.Expired && !known[c.Delivery.ID] })
			},
			sees: []string{"take/lease", "take/peer", "take/many"},
		},
	}
}

// takingParked opens what is parked while it enqueues.
func takingParked(m *mutant) {
	parked := map[string]webhook.Park{}
	m.park = func(ctx context.Context, parks []webhook.Park) error {
		for _, p := range parks {
			parked[p.EndpointID] = p
		}
		return m.model.Park(ctx, parks)
	}
	m.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
		var shut, open []webhook.Park
		for i := range b.Deliveries {
			if p, ok := parked[b.Deliveries[i].EndpointID]; ok && b.Take != nil {
				shut, open = append(shut, p), append(open, webhook.Park{EndpointID: p.EndpointID})
			}
		}
		_ = m.model.Park(ctx, open)
		existing, err := m.model.Enqueue(ctx, b)
		_ = m.model.Park(ctx, shut)
		return existing, err
	}
}

// shyTaking takes nothing of an endpoint of which there is anything to know.
func shyTaking(m *mutant) {
	known := map[string]bool{}
	m.eachPark(func(p *webhook.Park) { known[p.EndpointID] = true })
	m.eachItem(func(s *webhook.Settlement) {
		if s.Health == webhook.Failing {
			known[s.EndpointID] = true
		}
	})
	m.eachTake(func(b *webhook.Batch) {
		b.Take.Wanted = slices.DeleteFunc(slices.Clone(b.Take.Wanted), func(i int) bool { return known[b.Deliveries[i].EndpointID] })
	}, nil)
}

// answerFaults are wrong about what they say was taken.
func answerFaults() []planted {
	return []planted{
		{
			name: "what existed is told as taken",
			plant: func(m *mutant) {
				known := map[[2]string]bool{}
				m.eachTake(nil, func(b *webhook.Batch) {
					for _, i := range b.Take.Wanted {
						key := [2]string{b.Deliveries[i].EndpointID, b.Deliveries[i].Dedup}
						if known[key] && key[1] != "" && !slices.Contains(b.Take.Taken, i) {
							b.Take.Taken = append(b.Take.Taken, i)
						}
						known[key] = true
					}
				})
			},
			sees: []string{"take/existing", "take/batch"},
		},
		{
			name:  "what is wanted is told as taken",
			plant: func(m *mutant) { m.eachTake(nil, func(b *webhook.Batch) { b.Take.Taken = b.Take.Wanted }) },
			sees:  []string{"take/existing", "take/parked", "take/probe", "take/batch", "take/answer"},
		},
		{
			name: "the answer counts what is wanted",
			plant: func(m *mutant) {
				m.eachTake(nil, func(b *webhook.Batch) {
					for n, i := range b.Take.Taken {
						b.Take.Taken[n] = slices.Index(b.Take.Wanted, i)
					}
				})
			},
			sees: []string{"take/claimed"},
		},
		{
			name:  "the token of the answer is another",
			plant: func(m *mutant) { m.eachTake(nil, func(b *webhook.Batch) { b.Take.Token++ }) },
			sees: []string{
				"take/claimed", "take/extend", "take/unsent", "take/retry", "take/existing", "take/parked", "take/batch", "take/peer",
				"take/answer",
			},
		},
		{
			name: "the answer is appended",
			plant: func(m *mutant) {
				m.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
					if b.Take == nil {
						return m.model.Enqueue(ctx, b)
					}
					was := slices.Clone(b.Take.Taken)
					existing, err := m.model.Enqueue(ctx, b)
					b.Take.Taken = append(was, b.Take.Taken...)
					return existing, err
				}
			},
			sees: []string{"take/answer", "take/existing"},
		},
		{
			name: "an answer of nothing is not given",
			plant: func(m *mutant) {
				m.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
					if b.Take == nil {
						return m.model.Enqueue(ctx, b)
					}
					was, token := slices.Clone(b.Take.Taken), b.Take.Token
					existing, err := m.model.Enqueue(ctx, b)
					if len(b.Take.Taken) == 0 {
						b.Take.Taken, b.Take.Token = was, token
					}
					return existing, err
				}
			},
			sees: []string{"take/answer", "take/existing"},
		},
		{
			name: "the answer is written over what is wanted",
			plant: func(m *mutant) {
				m.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
					existing, err := m.model.Enqueue(ctx, b)
					if b.Take != nil {
						b.Take.Taken = append(b.Take.Wanted[:0], b.Take.Taken...)
					}
					return existing, err
				}
			},
			sees: []string{"take/answer"},
		},
		{
			name: "the first batch of many alone is taken from",
			plant: func(m *mutant) {
				m.enqueueAll = func(ctx context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error) {
					in := slices.Clone(batches)
					for i, b := range in[1:] {
						in[i+1] = &webhook.Batch{Message: b.Message, Deliveries: b.Deliveries, Recalled: b.Recalled}
					}
					return m.model.EnqueueAll(ctx, in)
				}
			},
			sees: []string{"take/batch"},
		},
	}
}

// TestStoreWithoutTake looks at a store that leaves a Take as it is, which is
// no fault.
func TestStoreWithoutTake(t *testing.T) {
	without := func(t *testing.T) storetest.Store {
		t.Helper()
		m := newMutant()
		m.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
			return m.model.Enqueue(ctx, &webhook.Batch{Message: b.Message, Deliveries: b.Deliveries, Recalled: b.Recalled})
		}
		return m.handle()
	}
	if got, want := storetest.Offers(t, without(t)), storetest.All&^storetest.Take; got != want {
		t.Errorf("offers(store without Take) = %v, want %v", got, want)
	}
	for _, f := range storetest.Play(t, "take/others", without, virtual()) {
		t.Errorf("take/others: %s", f)
	}
}
