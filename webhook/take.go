package webhook

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/outhook/outhook/retry"
)

// store enqueues what of b is to be stored, tells the receipts what was there
// before, and sees to it that the rest is sent.
func (d *Dispatcher) store(ctx context.Context, w *work, b *Batch, receipts []Receipted, stored int, outbox Outbox) error {
	at := func(i int) int { return i } // of b's deliveries in receipts
	if all := b.Deliveries; stored < len(all) {
		b.Deliveries = make([]Delivery, 0, stored)
		var index []int
		for i := range all {
			if isStored(d.policies[all[i].Policy], outbox) {
				b.Deliveries = append(b.Deliveries, all[i])
				index = append(index, i)
			}
		}
		at = func(i int) int { return index[i] }
	}
	var t *taking
	if outbox == nil {
		t = d.want(b, func(i int) *Endpoint { return w.endpoints[at(i)] })
	}
	w.stored = true
	start := time.Now()
	existing, err := d.enqueue(ctx, w.spent, b, t, outbox)
	if err != nil {
		w.spent += time.Since(start)
		d.lanes.forgo(t.pass())
		return fmt.Errorf("webhook: enqueue: %w", err)
	}
	for _, x := range existing {
		if x.Index < 0 || x.Index >= len(b.Deliveries) {
			d.storeFailed(ctx, "enqueue", fmt.Errorf("an Existing has index %d of %d deliveries", x.Index, len(b.Deliveries)))
		} else if r := &receipts[at(x.Index)]; r.ID != x.ID { // else it is this call's own, from a try before
			r.ID, r.Existed = x.ID, true
		}
	}
	if outbox == nil {
		d.sendStored(t, b, func(i int) *target { return d.targetOf(w.endpoints[at(i)], w) })
	}
	return nil
}

// sendStored sees to it that b, which is stored, is sent: by the lanes what was
// taken, by a claim the rest. What ended as it was dispatched is not to be sent.
func (d *Dispatcher) sendStored(t *taking, b *Batch, target func(index int) *target) {
	handed, pending := 0, 0
	if t != nil {
		handed = d.handOver(t, b, target)
	}
	for i := range b.Deliveries {
		if b.Deliveries[i].State == Pending {
			pending++
		}
	}
	if handed < pending {
		d.lanes.leave()
		d.Wake()
	}
}

// taking is what a Dispatch needs to claim what it stores.
type taking struct {
	take   Take
	places int       // reserved in the lanes
	start  time.Time // from before it was stored
	wanted [1]int    // most events have one endpoint
	taken  [1]int
}

// pass leaves the places of t to the caller.
func (t *taking) pass() (places int) {
	if t != nil {
		places, t.places = t.places, 0
	}
	return places
}

// want asks for those of b's deliveries that this process can send as soon as
// they are stored; nil where there are none. What it reserves goes back by
// handOver, by forgo, or by giveBack.
//
// What was seen paused may be released by the time that it is stored: a claim
// looks again.
//
// Only what may be sent again is asked for: where nobody learns whether b was
// stored, its lease ends, and under an at-most-once policy that would be all.
func (d *Dispatcher) want(b *Batch, endpoint func(index int) *Endpoint) *taking {
	unsettled, stuck := d.settles.unsettled()
	if stuck {
		return nil
	}
	var few [8]int
	wanted := d.lanes.reserve(few[:0], b.Deliveries, unsettled, func(i int) bool {
		dl := &b.Deliveries[i]
		return dl.State == Pending && !dl.Ordered && d.policies[dl.Policy].Mode == retry.Stored && !endpoint(i).Status.holds()
	})
	if len(wanted) == 0 {
		return nil
	}
	t := &taking{places: len(wanted), start: time.Now()}
	t.take.Wanted, t.take.Taken, t.take.Lease = append(t.wanted[:0], wanted...), t.taken[:0], d.cfg.Lease
	b.Take = &t.take
	return t
}

// born is a delivery that was taken, apart from its batch, whose memory is used
// again.
type born struct {
	job      job
	delivery Delivery
}

// handOver lets what was taken of b wait in its lanes; target makes that of a
// delivery ready. It returns how many there are.
func (d *Dispatcher) handOver(t *taking, b *Batch, target func(index int) *target) int {
	taken := make([]born, len(t.take.Taken))
	ready := make([]*job, 0, len(taken))
	slices.Sort(t.take.Taken)
	for i, at := range t.take.Taken {
		if _, asked := slices.BinarySearch(t.take.Wanted, at); !asked || i > 0 && at == t.take.Taken[i-1] {
			d.storeFailed(context.Background(), "enqueue", fmt.Errorf("a Take has %d in Taken, which was not wanted, or is there twice", at))
			continue
		}
		x := &taken[i]
		x.delivery = b.Deliveries[at]
		x.delivery.State, x.delivery.Attempts = Running, 1
		x.job = job{
			d: &x.delivery, msg: b.Message, policy: d.policies[x.delivery.Policy], target: target(at), stored: true,
			token: t.take.Token, leaseEnd: t.start.Add(t.take.Lease), born: x.delivery.Created,
		}
		ready = append(ready, &x.job)
	}
	if !d.lanes.welcome(ready, t.places) {
		d.letGo(ready, 0)
		d.lanes.forgo(t.places)
		return len(ready)
	}
	d.pool.Kick()
	return len(ready)
}

// giveBack lets go of what c took for a Dispatch that has not waited for it.
func (d *Dispatcher) giveBack(c *commit) {
	if b := c.batch; b.Take != nil && c.err == nil {
		var js []*job
		for _, at := range b.Take.Taken {
			if at >= 0 && at < len(b.Deliveries) {
				js = append(js, &job{d: &b.Deliveries[at], token: b.Take.Token})
			}
		}
		d.letGo(js, 0)
	}
	d.lanes.forgo(c.places)
}
