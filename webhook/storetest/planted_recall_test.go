package storetest_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/storetest"
)

// comparing lets the check compare what same makes of each endpoint; "" leaves
// one out.
func (m *mutant) comparing(same func(ep *webhook.Endpoint) string) {
	of := func(found []*webhook.Endpoint) []string {
		var out []string
		for _, ep := range found {
			if text := same(ep); text != "" {
				out = append(out, text)
			}
		}
		return out
	}
	m.memory.holds = func(r *remembered) bool { return slices.Equal(of(m.now(r.q)), of(r.found)) }
}

// all reports whether all of some are in others.
func all(some, others []*webhook.Endpoint, same func(a, b *webhook.Endpoint) bool) bool {
	return !slices.ContainsFunc(some, func(a *webhook.Endpoint) bool {
		return !slices.ContainsFunc(others, func(b *webhook.Endpoint) bool { return same(a, b) })
	})
}

func samePointer(a, b *webhook.Endpoint) bool { return a == b }

// recallFaults are wrong about what holds.
func recallFaults() []planted {
	return []planted{
		{
			name:  "nothing is checked",
			plant: func(m *mutant) { m.memory.holds = func(*remembered) bool { return true } },
			sees: []string{
				"recall/outdated", "recall/first", "recall/anew", "recall/take", "recall/dedup", "recall/batch", "recall/scopes",
				"recall/peer", "recall/race",
			},
		},
		{
			name:  "nothing ever holds",
			plant: func(m *mutant) { m.memory.holds = func(*remembered) bool { return false } },
			sees:  []string{"recall/holds", "recall/take", "recall/dedup", "recall/batch", "recall/race"},
		},
		{
			name:  "the check compares ids",
			plant: func(m *mutant) { m.comparing(func(ep *webhook.Endpoint) string { return ep.ID }) },
			sees:  []string{"recall/outdated", "recall/anew", "recall/take", "recall/dedup", "recall/peer", "recall/race"},
		},
		{
			name: "the check compares ids and URLs",
			plant: func(m *mutant) {
				m.comparing(func(ep *webhook.Endpoint) string { return ep.ID + " " + ep.URL })
			},
			sees: []string{"recall/outdated", "recall/take", "recall/dedup", "recall/batch"},
		},
		{
			name: "the check misses a status",
			plant: func(m *mutant) {
				m.comparing(func(ep *webhook.Endpoint) string {
					return fmt.Sprintln(ep.ID, ep.URL, ep.Types, ep.Headers)
				})
			},
			sees: []string{"recall/outdated", "recall/take", "recall/dedup", "recall/batch", "recall/scopes", "recall/peer"},
		},
		{
			name: "the check misses Everywhere",
			plant: func(m *mutant) {
				m.comparing(func(ep *webhook.Endpoint) string {
					if ep.Scope == webhook.Everywhere {
						return ""
					}
					return fmt.Sprintf("%p", ep)
				})
			},
			sees: []string{"recall/outdated", "recall/first", "recall/peer"},
		},
		{
			name: "the check misses what was added",
			plant: func(m *mutant) {
				m.memory.holds = func(r *remembered) bool { return all(r.found, m.now(r.q), samePointer) }
			},
			sees: []string{"recall/outdated", "recall/first", "recall/peer"},
		},
		{
			name: "the check misses what was removed",
			plant: func(m *mutant) {
				m.memory.holds = func(r *remembered) bool { return all(m.now(r.q), r.found, samePointer) }
			},
			sees: []string{"recall/outdated", "recall/scopes", "recall/peer"},
		},
		{
			name: "the check counts the endpoints",
			plant: func(m *mutant) {
				m.memory.holds = func(r *remembered) bool { return len(m.now(r.q)) == len(r.found) }
			},
			sees: []string{"recall/outdated", "recall/anew", "recall/race"},
		},
		{
			name: "what was found nowhere holds for ever",
			plant: func(m *mutant) {
				m.memory.holds = func(r *remembered) bool { return len(r.found) == 0 || m.holds(r) }
			},
			sees: []string{"recall/first"},
		},
		{
			name: "the check looks at the first scope alone",
			plant: func(m *mutant) {
				m.memory.holds = func(r *remembered) bool {
					if len(r.q.Scopes) < 2 {
						return m.holds(r)
					}
					q := r.q
					q.Scopes = q.Scopes[:1]
					now := m.now(q)
					return all(now, r.found, samePointer) && all(r.found, now, func(a, b *webhook.Endpoint) bool {
						return a.Scope != b.Scope || a == b
					})
				}
			},
			sees: []string{"recall/scopes"},
		},
		{
			name: "the check is of the query, not of what was found",
			plant: func(m *mutant) {
				m.memory.holds = func(r *remembered) bool {
					m.memory.mu.Lock()
					defer m.memory.mu.Unlock()
					return m.holds(m.memory.kept[queryKey(r.q)])
				}
			},
			sees: []string{"recall/anew", "recall/batch"},
		},
		{
			name: "a change shows late",
			plant: func(m *mutant) {
				held := map[*remembered]time.Time{}
				var mu sync.Mutex
				m.memory.holds = func(r *remembered) bool {
					mu.Lock()
					defer mu.Unlock()
					if m.holds(r) {
						held[r] = time.Now()
					}
					return time.Since(held[r]) < 20*time.Millisecond
				}
			},
			sees: []string{"recall/outdated", "recall/race"},
		},
		{
			name:  "what another process changes is not seen",
			plant: ownChanges,
			sees:  []string{"recall/peer", "recall/race"},
		},
	}
}

// ownChanges lets each of two processes count the changes that it made itself.
func ownChanges(m *mutant) {
	second := newMutant()
	second.model = m.model
	*second = *m
	count := func(m *mutant) {
		var mu sync.Mutex
		changes, at := 0, map[any]int{}
		change := func() {
			mu.Lock()
			defer mu.Unlock()
			changes++
		}
		m.set = func(ctx context.Context, e *webhook.Endpoint) (*webhook.Endpoint, error) {
			defer change()
			return m.model.Set(ctx, e)
		}
		m.setStatus = func(ctx context.Context, id string, s webhook.Status, reason string) error {
			defer change()
			return m.model.SetStatus(ctx, id, s, reason)
		}
		m.remove = func(ctx context.Context, id string) error {
			defer change()
			return m.model.Remove(ctx, id)
		}
		m.disable = func(ctx context.Context, id, reason string) error {
			defer change()
			return m.model.Disable(ctx, id, reason)
		}
		m.recall = func(q webhook.Query) ([]*webhook.Endpoint, any) {
			found, check := m.model.Recall(m, q)
			mu.Lock()
			defer mu.Unlock()
			if _, known := at[check]; !known {
				at[check] = changes
			}
			return found, check
		}
		m.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
			mu.Lock()
			was, known := at[b.Recalled]
			old := b.Recalled != nil && (!known || was != changes)
			mu.Unlock()
			if old {
				return nil, webhook.ErrOutdated
			}
			return m.model.Enqueue(ctx, without(b))
		}
	}
	count(m)
	count(second)
	m.peer = func(*testing.T) storetest.Store { return second.handle() }
}
