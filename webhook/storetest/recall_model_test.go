package storetest_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/outhook/outhook/webhook"
)

// memory is what the model remembers of its Match.
type memory struct {
	changes sync.RWMutex // held by what changes endpoints, and while one Enqueue checks and stores
	count   atomic.Int64 // of changes
	holds   func(r *remembered) bool

	mu   sync.Mutex
	kept map[string]*remembered
}

// remembered is what Match returned, and what to check it by.
type remembered struct {
	q     webhook.Query
	found []*webhook.Endpoint
	at    int64 // how many changes there were before
}

func queryKey(q webhook.Query) string { return fmt.Sprintf("%q %q %q", q.Scopes, q.Type, q.Source) }

func (m *model) Match(ctx context.Context, q webhook.Query) ([]*webhook.Endpoint, error) {
	at := m.memory.count.Load()
	found, err := m.Store.Match(ctx, q)
	if err == nil {
		m.remember(&remembered{q: q, found: found, at: at})
	}
	return found, err
}

func (m *model) remember(r *remembered) {
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	r.q.Scopes = slices.Clone(r.q.Scopes)
	m.memory.kept[queryKey(r.q)] = r
}

// Recall implements webhook.Recaller.
func (m *model) Recall(_ webhook.Queue, q webhook.Query) ([]*webhook.Endpoint, any) {
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	r := m.memory.kept[queryKey(q)]
	if r == nil {
		return nil, nil
	}
	return r.found, r
}

// now is what Match would return.
func (m *model) now(q webhook.Query) []*webhook.Endpoint {
	found, _ := m.Store.Match(context.Background(), q) // has no other error than the context's
	return found
}

// holds compares the endpoints as such: a change puts another in the place.
func (m *model) holds(r *remembered) bool { return slices.Equal(m.now(r.q), r.found) }

// check is called by who holds changes.
func (m *model) check(batches ...*webhook.Batch) error {
	var o webhook.OutdatedError
	for i, b := range batches {
		if b.Recalled == nil {
			continue
		}
		if r, ok := b.Recalled.(*remembered); !ok || !m.memory.holds(r) {
			o.Batches = append(o.Batches, i)
		}
	}
	if len(o.Batches) > 0 {
		return fmt.Errorf("model: %w", &o)
	}
	return nil
}

// changing begins a change of an endpoint; what it returns ends it.
func (m *model) changing() func() {
	m.memory.changes.Lock()
	return func() {
		m.memory.count.Add(1) // not before it is made: a Match between would be taken for newer than it is
		m.memory.changes.Unlock()
	}
}

func (m *model) Set(ctx context.Context, e *webhook.Endpoint) (*webhook.Endpoint, error) {
	defer m.changing()()
	return m.Store.Set(ctx, e)
}

func (m *model) SetStatus(ctx context.Context, id string, s webhook.Status, reason string) error {
	defer m.changing()()
	return m.Store.SetStatus(ctx, id, s, reason)
}

func (m *model) Remove(ctx context.Context, id string) error {
	defer m.changing()()
	return m.Store.Remove(ctx, id)
}

func (m *model) Disable(ctx context.Context, id, reason string) error {
	defer m.changing()()
	return m.Store.Disable(ctx, id, reason)
}
