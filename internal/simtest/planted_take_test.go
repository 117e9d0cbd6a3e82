package simtest_test

import (
	"context"
	"slices"
	"time"

	"github.com/outhook/outhook/webhook"
)

// doubled says that it took what it lets wait for a Claim.
func doubled(w *world) {
	var wanted []int
	w.base.changeTake(
		func(b *webhook.Batch) { wanted, b.Take.Wanted = b.Take.Wanted, nil },
		func(b *webhook.Batch) { b.Take.Taken, b.Take.Token = slices.Clone(wanted), 1 },
	)
}

// undue forgets the end of a lease: whose worker dies is lost.
func undue(w *world) {
	w.base.changeTake(func(b *webhook.Batch) { b.Take.Lease = 1000 * time.Hour }, nil)
}

func shortLived(w *world) {
	w.base.changeTake(func(b *webhook.Batch) { b.Take.Lease /= 8 }, nil)
}

// takenParked opens what is parked while it takes.
func takenParked(w *world) {
	parked, until := map[string]webhook.Park{}, map[string]time.Time{}
	park := w.base.park
	w.base.park = func(ctx context.Context, parks []webhook.Park) error {
		for _, p := range parks {
			parked[p.EndpointID], until[p.EndpointID] = p, time.Now().Add(p.For)
		}
		return park(ctx, parks)
	}
	closed := func(b *webhook.Batch, shut bool) (parks []webhook.Park) {
		for _, i := range b.Take.Wanted {
			id := b.Deliveries[i].EndpointID
			p := parked[id]
			if p.For = time.Until(until[id]); p.For <= 0 {
				continue
			}
			if !shut {
				p = webhook.Park{EndpointID: id}
			}
			parks = append(parks, p)
		}
		return parks
	}
	w.base.changeTake(
		func(b *webhook.Batch) { _ = park(context.Background(), closed(b, false)) },
		func(b *webhook.Batch) { _ = park(context.Background(), closed(b, true)) },
	)
}

// takenAgain says of each repeat what it said at first.
func takenAgain(w *world) {
	took := map[[2]string]bool{}
	w.base.changeTake(nil, func(b *webhook.Batch) {
		for _, i := range b.Take.Wanted {
			d := &b.Deliveries[i]
			key := [2]string{d.EndpointID, d.Dedup}
			if took[key] && d.Dedup != "" {
				b.Take.Taken, b.Take.Token = append(b.Take.Taken, i), 1
			}
			took[key] = took[key] || slices.Contains(b.Take.Taken, i)
		}
	})
}

// uncounted hides the attempt that a taken delivery begins with.
func uncounted(w *world) {
	took := map[string]bool{}
	w.base.changeTake(nil, func(b *webhook.Batch) {
		for _, i := range b.Take.Taken {
			took[b.Deliveries[i].ID] = true
		}
	})
	w.base.changeClaimed(func(c *webhook.Claimed) {
		if took[c.Delivery.ID] {
			c.Delivery.Attempts--
		}
	})
}

// forgets picks, of what a process gives back, what is lost.
type forgets func(g *gate, it *webhook.Settlement) bool

func drainsLose(w *world) {
	w.forgets = func(g *gate, _ *webhook.Settlement) bool { return g.drains.Load() }
}

func drainsLoseTaken(w *world) {
	w.forgets = func(g *gate, it *webhook.Settlement) bool { return g.drains.Load() && w.oracle.took(it) }
}

// took reports whether what is settled was taken.
func (o *oracle) took(it *webhook.Settlement) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.tracks[it.ID]
	return t != nil && t.taken && t.token == it.Token
}

// shorten lets the store lease what it takes of batches for less than the worker
// thinks, where that is planted. What it returns restores them.
func (g *gate) shorten(batches ...*webhook.Batch) (restore func()) {
	if !g.trusts {
		return func() {}
	}
	change := func(by func(*time.Duration)) {
		for _, b := range batches {
			if b.Take != nil {
				by(&b.Take.Lease)
			}
		}
	}
	change(func(l *time.Duration) { *l /= 64 })
	return func() { change(func(l *time.Duration) { *l *= 64 }) }
}
