package storetest_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/storetest"
)

// planted is a fault, and the cases that must see it.
type planted struct {
	name  string
	plant func(m *mutant)
	sees  []string
}

// TestPlantedFaults runs the suite against stores that are wrong in one way
// each: every fault is seen by the cases that are meant for it, and every case
// sees a fault.
func TestPlantedFaults(t *testing.T) {
	all := slices.Concat(
		claimFaults(), leaseFaults(), limitFaults(), settleFaults(), enqueueFaults(), memoryFaults(), bodyFaults(), txFaults(),
		laneFaults(), endpointFaults(), historyFaults(), listingFaults(), otherFaults(),
	)
	seen := map[string]bool{}
	for _, p := range all {
		t.Run(p.name, func(t *testing.T) {
			for _, name := range p.sees {
				seen[name] = true
				faults := storetest.Play(t, name, func(t *testing.T) storetest.Store {
					t.Helper()
					m := newMutant()
					p.plant(m)
					return m.handle()
				}, virtual())
				if len(faults) == 0 {
					t.Errorf("the case %s does not see it", name)
				} else {
					t.Logf("%s: %s", name, faults[0])
				}
			}
		})
	}
	for _, name := range storetest.CaseNames() {
		if !seen[name] {
			t.Errorf("no planted fault shows that the case %s sees any", name)
		}
	}
}

// eachClaimed changes what Claim returns.
func (m *mutant) eachClaimed(change func(c *webhook.Claimed)) {
	m.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
		got, err := m.model.Claim(ctx, c)
		for i := range got {
			change(&got[i])
		}
		return got, err
	}
}

// eachItem changes what Settle gets.
func (m *mutant) eachItem(change func(s *webhook.Settlement)) {
	m.settle = func(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
		items = slices.Clone(items)
		for i := range items {
			change(&items[i])
		}
		return m.model.Settle(ctx, items)
	}
}

// eachBatch changes what is enqueued, by whatever door.
func (m *mutant) eachBatch(change func(b *webhook.Batch)) {
	m.changing(m.model.Enqueue, change)
}

func (m *mutant) changing(next func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error), change func(b *webhook.Batch)) {
	changed := func(b *webhook.Batch) *webhook.Batch {
		message := *b.Message
		out := &webhook.Batch{Message: &message, Deliveries: slices.Clone(b.Deliveries)}
		change(out)
		return out
	}
	m.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) { return next(ctx, changed(b)) }
	m.enqueueAll = func(ctx context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error) {
		out := make([]*webhook.Batch, len(batches))
		for i := range batches {
			out[i] = changed(batches[i])
		}
		return m.model.EnqueueAll(ctx, out)
	}
	m.begin = func(ctx context.Context) (storetest.Tx, error) {
		tx, err := m.model.begin(ctx)
		tx.Outbox = changingOutbox{Outbox: tx.Outbox, changed: changed}
		return tx, err
	}
}

type changingOutbox struct {
	webhook.Outbox
	changed func(b *webhook.Batch) *webhook.Batch
}

func (o changingOutbox) Enqueue(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
	return o.Outbox.Enqueue(ctx, o.changed(b))
}

// tokens remembers the latest token of each delivery.
func (m *mutant) tokens() func(id string) int64 {
	var mu sync.Mutex
	latest := map[string]int64{}
	claim := m.claim
	m.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
		got, err := claim(ctx, c)
		mu.Lock()
		defer mu.Unlock()
		for i := range got {
			latest[got[i].Delivery.ID] = got[i].Token
		}
		return got, err
	}
	return func(id string) int64 {
		mu.Lock()
		defer mu.Unlock()
		return latest[id]
	}
}

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
