package storetest_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
	"github.com/outhook/outhook/webhook/storetest"
)

// model is memstore with the parts that it has no use for, so that the whole
// suite runs.
type model struct {
	*memstore.Store

	mu      sync.Mutex
	wakes   map[int]func()
	next    int
	damaged map[string]bool

	memory memory
}

func newModel() *model {
	m := &model{
		Store: memstore.New(memstore.Options{MaxHistory: 1_000_000}),
		wakes: map[int]func(){}, damaged: map[string]bool{},
		memory: memory{kept: map[string]*remembered{}},
	}
	m.memory.holds = m.holds
	return m
}

func (m *model) Enqueue(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
	defer m.wake()
	m.memory.changes.RLock()
	defer m.memory.changes.RUnlock()
	if err := m.check(b); err != nil {
		return nil, err
	}
	return m.Store.Enqueue(ctx, b)
}

// EnqueueAll implements webhook.BatchOutbox. It is all or nothing as long as the
// store has room, which it has in all cases. A transaction would not take.
func (m *model) EnqueueAll(ctx context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer m.wake()
	m.memory.changes.RLock()
	defer m.memory.changes.RUnlock()
	if err := m.check(batches...); err != nil {
		return nil, err
	}
	out := make([][]webhook.Existing, len(batches))
	for i, b := range batches {
		existing, err := m.Store.Enqueue(context.WithoutCancel(ctx), b)
		if err != nil {
			return nil, err
		}
		out[i] = existing
	}
	return out, nil
}

// Listen implements webhook.Listener.
func (m *model) Listen(ctx context.Context, wake func()) error {
	m.mu.Lock()
	id := m.next
	m.next++
	m.wakes[id] = wake
	m.mu.Unlock()
	<-ctx.Done()
	m.mu.Lock()
	delete(m.wakes, id)
	m.mu.Unlock()
	return nil
}

func (m *model) wake() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, wake := range m.wakes {
		wake()
	}
}

// Claim reports damaged rows.
func (m *model) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
	got, err := m.Store.Claim(ctx, c)
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range got {
		if m.damaged[got[i].Delivery.ID] {
			got[i].Message, got[i].Err = nil, errors.New("the row does not decode")
		}
	}
	return got, err
}

func (m *model) corrupt(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.damaged[id] = true
	return nil
}

func (m *model) begin(context.Context) (storetest.Tx, error) {
	tx := m.Begin()
	return storetest.Tx{
		Outbox: m.InTx(tx),
		Commit: func() error {
			defer m.wake()
			return tx.Commit()
		},
		Rollback: func() error {
			tx.Rollback()
			return nil
		},
	}, nil
}

// open returns the model, with another handle to it.
func open(t *testing.T) storetest.Store {
	t.Helper()
	return handle(newModel())
}

func handle(m *model) storetest.Store {
	return storetest.Store{
		Queue: m, Endpoints: m, Begin: m.begin, Corrupt: m.corrupt,
		Peer: func(*testing.T) storetest.Store { return handle(m) },
	}
}

// virtual is quick: no time passes but on paper, and little is many.
func virtual() storetest.Options {
	return storetest.Options{Around: synctest.Test, Volume: 300}
}

func TestModelOnVirtualTime(t *testing.T) {
	storetest.Run(t, open, storetest.Options{Require: storetest.All, Around: synctest.Test})
}

func TestModelOnRealTime(t *testing.T) {
	storetest.Run(t, open, storetest.Options{Require: storetest.All, Tick: 20 * time.Millisecond, Volume: 1000})
}
