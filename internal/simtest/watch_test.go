package simtest_test

import (
	"context"
	"slices"
	"time"

	"github.com/outhook/outhook/webhook"
)

// watch is the store as one worker reaches it, under the eyes of the oracle:
// what passes here has truly happened, whether the worker hears of it or not.
type watch struct {
	*base
	o      *oracle
	worker string
}

// watchAll is a watch over a store for which shared commits are cheaper.
type watchAll struct{ *watch }

// Enqueue implements webhook.Outbox.
func (w *watch) Enqueue(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
	w.o.mu.Lock()
	defer w.o.mu.Unlock()
	existing, err := w.enqueueOne(ctx, b)
	w.enqueued(ctx, b, existing, err)
	return existing, err
}

// EnqueueAll implements webhook.BatchOutbox.
func (w *watchAll) EnqueueAll(ctx context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error) {
	w.o.mu.Lock()
	defer w.o.mu.Unlock()
	existing, err := w.enqueueAll(ctx, batches)
	if len(batches) > 1 {
		w.o.seen["commits of several dispatches"]++
		if slices.ContainsFunc(batches, func(b *webhook.Batch) bool { return b.Recalled != nil }) {
			w.o.seen["recalled: commits of several dispatches"]++
		}
	}
	for i, b := range batches {
		var x []webhook.Existing
		if err == nil {
			x = existing[i]
		}
		w.enqueued(ctx, b, x, err)
	}
	return existing, err
}

// enqueued judges what an Enqueue stored.
func (w *watch) enqueued(ctx context.Context, b *webhook.Batch, existing []webhook.Existing, err error) {
	ctx = context.WithoutCancel(ctx)
	there := map[int]bool{}
	for _, x := range existing {
		there[x.Index] = true
	}
	stored, missing := 0, 0
	fresh := map[int]bool{}
	for i := range b.Deliveries {
		d := &b.Deliveries[i]
		if there[i] {
			continue
		}
		if _, _, gone := w.Delivery(ctx, d.ID); gone != nil {
			missing++
			if err == nil {
				w.o.violate(ruleUnstored, "%s of %s", d.ID, d.EndpointID)
			}
			continue
		}
		stored++
		fresh[i] = w.o.add(b.Message, d)
	}
	if stored > 0 && missing > 0 {
		w.o.violate(rulePartial, "%d of %d deliveries of %s (error %v)", stored, stored+missing, b.Message.ID, err)
	}
	w.o.judgeAddressed(b, stored > 0)
	w.o.judgeRecalled(b, fresh, err)
	if err == nil { // else the store has not said what it took
		w.o.taken(b, fresh, w.worker)
	}
}

// Claim implements webhook.Queue.
func (w *watch) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
	o := w.o
	o.mu.Lock()
	defer o.mu.Unlock()
	got, err := w.claim(ctx, c)
	if err != nil {
		return got, err
	}
	o.claimed(c, got, w.worker)
	return got, nil
}

// Settle implements webhook.Queue.
func (w *watch) Settle(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
	o := w.o
	o.mu.Lock()
	defer o.mu.Unlock()
	done, err := w.settle(ctx, items)
	if err != nil {
		return done, err
	}
	for i := range items {
		if t := o.tracks[items[i].ID]; t != nil {
			o.settled(t, &items[i], slices.Contains(done.Stale, i))
		}
	}
	return done, nil
}

// Park implements webhook.Queue.
func (w *watch) Park(ctx context.Context, parks []webhook.Park) error {
	o := w.o
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := w.park(ctx, parks); err != nil {
		return err
	}
	for _, p := range parks {
		o.tell("%s parks %s for %v, hold %v, probe %v", w.worker, p.EndpointID, p.For, p.Hold, p.Probe)
		o.parked[p.EndpointID] = time.Now().Add(max(p.For, 0))
		o.probing[p.EndpointID] = p.Probe
		o.parkedBeside(p.EndpointID)
		switch {
		case p.Hold:
			o.seen["parked as paused"]++
		case p.Probe:
			o.seen["circuits opened"]++
		default:
			o.seen["parked by rate"]++
		}
	}
	return nil
}

// Extend implements webhook.Extender.
func (w *watch) Extend(ctx context.Context, leases []webhook.Lease, lease time.Duration) ([]int, error) {
	o := w.o
	o.mu.Lock()
	defer o.mu.Unlock()
	gone, err := w.Store.Extend(ctx, leases, lease)
	if err != nil {
		return gone, err
	}
	for i, l := range leases {
		t := o.tracks[l.ID]
		if t == nil || slices.Contains(gone, i) {
			continue
		}
		if !t.leased || t.token != l.Token {
			o.violate(ruleStale, "%v: extended under token %d", t, l.Token)
		}
		t.until = time.Now().Add(lease)
		o.seen["leases extended"]++
	}
	return gone, nil
}

// Take implements webhook.RateLimiter.
func (w *watch) Take(ctx context.Context, endpointID string, n int, rate webhook.Rate) (int, time.Duration, error) {
	w.o.mu.Lock()
	defer w.o.mu.Unlock()
	granted, wait, err := w.Store.Take(ctx, endpointID, n, rate)
	if r := w.o.rates[endpointID]; r != nil {
		r.granted += granted
	}
	return granted, wait, err
}

// Match implements webhook.EndpointStore.
func (w *watch) Match(ctx context.Context, q webhook.Query) ([]*webhook.Endpoint, error) {
	found, err := w.match(ctx, q)
	inOrderOfID(found)
	return found, err
}

// Endpoints implements webhook.EndpointStore.
func (w *watch) Endpoints(ctx context.Context, ids []string) ([]*webhook.Endpoint, error) {
	return w.endpoints(ctx, ids)
}

// Disable implements webhook.EndpointStore.
func (w *watch) Disable(ctx context.Context, id, reason string) error {
	w.o.mu.Lock()
	defer w.o.mu.Unlock()
	err := w.Store.Disable(ctx, id, reason)
	if err == nil {
		w.o.seen["disabled by the dispatcher"]++
		w.o.inactive(id)
		w.o.registered(w.all(ctx))
	}
	return err
}

// forgot notes that the worker never heard what its claim since then brought.
// What was taken meanwhile came with other calls.
func (w *watch) forgot(since time.Time) {
	w.o.mu.Lock()
	defer w.o.mu.Unlock()
	for _, t := range w.o.tracks {
		if t.leased && !t.taken && t.owner == w.worker && !t.claimedAt.Before(since) {
			t.lost = true
			w.o.seen["claims nobody heard of"]++
		}
	}
}

// unheard notes that the worker never heard what the store took of batches.
func (w *watch) unheard(batches ...*webhook.Batch) {
	w.o.mu.Lock()
	defer w.o.mu.Unlock()
	for _, b := range batches {
		if b.Take == nil {
			continue
		}
		for _, i := range b.Take.Taken {
			if t := w.o.tracks[b.Deliveries[i].ID]; t != nil && t.heldBy(w.worker) && t.taken && !t.lost {
				t.lost = true
				w.o.seen["taken as stored: nobody heard of it"]++
			}
		}
	}
}
