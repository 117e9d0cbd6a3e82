package memstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

// world does random things to a store that is small in every bound.
type world struct {
	rng     *rand.Rand
	s       *memstore.Store
	number  int
	claimed []webhook.Claimed
}

func (w *world) endpoint() string { return "ep" + strconv.Itoa(w.rng.IntN(6)) }

func (w *world) delay() time.Duration { return time.Duration(w.rng.IntN(4)) * time.Second }

func (w *world) batch() *webhook.Batch {
	w.number++
	m := message(fmt.Sprintf("msg_%d", w.number-w.rng.IntN(2)), 50)
	if w.rng.IntN(2) == 0 {
		m.EventID = "e" + strconv.Itoa(w.rng.IntN(30))
	}
	b := &webhook.Batch{Message: m}
	for i := range 1 + w.rng.IntN(4) {
		d := webhook.Delivery{
			ID: fmt.Sprintf("d%d-%d", w.number, i), MessageID: m.ID, EndpointID: w.endpoint(), State: webhook.Pending,
			Ordered: w.rng.IntN(3) == 0, Key: "k" + strconv.Itoa(w.rng.IntN(3)),
		}
		switch w.rng.IntN(6) {
		case 0:
			d.Dedup = m.EventID
		case 1:
			d.Dedup = "e" + strconv.Itoa(w.rng.IntN(30))
		case 2:
			d.State = webhook.Cancelled
		}
		b.Deliveries = append(b.Deliveries, d)
	}
	return b
}

func (w *world) settlement() webhook.Settlement {
	i := w.rng.IntN(len(w.claimed))
	it := settlement(w.claimed[i], webhook.Pending)
	w.claimed = append(w.claimed[:i], w.claimed[i+1:]...)
	it.Delay, it.Unsent = w.delay(), w.rng.IntN(4) == 0
	it.Health = webhook.Health(w.rng.IntN(4))
	if w.rng.IntN(2) == 0 {
		it.State = webhook.Failed
	}
	if w.rng.IntN(2) == 0 {
		it.Attempt = &webhook.Attempt{DeliveryID: it.ID}
	}
	return it
}

// step does one thing; what a store refuses is as good as what it takes.
func (w *world) step(ctx context.Context) {
	switch w.rng.IntN(10) {
	case 0, 1:
		_, _ = w.s.Enqueue(ctx, w.batch())
	case 2:
		tx := w.s.Begin()
		for range w.rng.IntN(3) {
			_, _ = w.s.InTx(tx).Enqueue(ctx, w.batch())
		}
		_ = tx.Commit()
	case 3, 4:
		claimed, _ := w.s.Claim(ctx, webhook.Claim{
			Limit: w.rng.IntN(8), MaxBytes: w.rng.IntN(400), PerEndpoint: w.rng.IntN(4), Lease: w.delay(), Skip: []string{w.endpoint()},
		})
		w.claimed = append(w.claimed, claimed...)
	case 5, 6:
		var items []webhook.Settlement
		for range min(len(w.claimed), w.rng.IntN(4)) {
			items = append(items, w.settlement())
		}
		_, _ = w.s.Settle(ctx, items)
	case 7:
		_ = w.s.Park(ctx, []webhook.Park{{EndpointID: w.endpoint(), For: w.delay(), Hold: w.rng.IntN(2) == 0, Probe: w.rng.IntN(2) == 0}})
	case 8:
		w.aside(ctx)
	case 9:
		time.Sleep(w.delay() / 2)
	}
}

func (w *world) aside(ctx context.Context) {
	id := w.endpoint()
	switch w.rng.IntN(6) {
	case 0:
		_, _ = w.s.Set(ctx, &webhook.Endpoint{ID: id, Scope: webhook.In("list", "1"), Name: id})
	case 1:
		_ = w.s.Remove(ctx, id)
	case 2:
		_, _, _ = w.s.Take(ctx, id, 2, webhook.Rate{Limit: 3, Per: time.Second})
	case 3:
		_ = w.s.Cancel(ctx, fmt.Sprintf("d%d-%d", w.number-w.rng.IntN(9), w.rng.IntN(4)), "")
	case 4:
		_, _ = w.s.Purge(ctx, webhook.Purge{Keep: 5, Limit: 2})
	case 5:
		if len(w.claimed) > 0 {
			c := w.claimed[w.rng.IntN(len(w.claimed))]
			_, _ = w.s.Extend(ctx, []webhook.Lease{{ID: c.Delivery.ID, Token: c.Token}}, w.delay())
		}
	}
}

// TestRandom checks after each of many random steps that the store does not
// contradict itself, and that a drain at the end leaves nothing.
func TestRandom(t *testing.T) {
	seeds, steps := uint64(60), 400
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			w := &world{rng: rand.New(rand.NewPCG(seed, 1)), s: memstore.New(memstore.Options{
				MaxPending: 60, MaxEndpoints: 4, MaxHistory: 20, MaxAttempts: 15, MaxBytes: 3000,
			})}
			for i := range steps {
				w.step(t.Context())
				if err := w.s.Check(); err != nil {
					t.Fatalf("seed %d, step %d: %v", seed, i, err)
				}
			}
			for range 200 {
				time.Sleep(4 * time.Second) // all leases, delays and parkings are over
				for _, c := range claim(t, w.s, webhook.Claim{}) {
					it := settlement(c, webhook.Delivered)
					it.Health = webhook.Healthy
					settle(t, w.s, it)
				}
			}
			if c, err := w.s.Counts(t.Context()); err != nil || c != (webhook.Counts{}) {
				t.Errorf("seed %d: after the drain Counts = %+v, %v, want nothing", seed, c, err)
			}
			if err := w.s.Check(); err != nil {
				t.Errorf("seed %d: after the drain: %v", seed, err)
			}
		})
	}
}
