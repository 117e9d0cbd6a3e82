package storetest_test

import (
	"context"
	"slices"
	"sync"
	"testing"

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
		claimFaults(), leaseFaults(), limitFaults(), settleFaults(), takeFaults(), answerFaults(), recallFaults(), recallingFaults(), enqueueFaults(), memoryFaults(), bodyFaults(), txFaults(),
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
		out := &webhook.Batch{Message: &message, Deliveries: slices.Clone(b.Deliveries), Take: b.Take, Recalled: b.Recalled}
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
