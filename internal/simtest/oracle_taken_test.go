package simtest_test

import (
	"slices"
	"time"

	"github.com/outhook/outhook/webhook"
)

// heldBy reports whether the worker has the latest claim of t.
func (t *track) heldBy(worker string) bool { return t.leased && t.owner == worker }

// taken judges the claim that came with an Enqueue: it is one as any other, but
// for what it may be of. What the store had before is not fresh.
func (o *oracle) taken(b *webhook.Batch, fresh map[int]bool, worker string) {
	if b.Take == nil {
		return
	}
	now := time.Now()
	o.seen["wanted as stored"] += len(b.Take.Wanted)
	for _, i := range b.Take.Taken {
		if !slices.Contains(b.Take.Wanted, i) {
			o.violate(ruleBounds, "%d of %s is taken, wanted were %v", i, b.Message.ID, b.Take.Wanted)
			continue
		}
		d := &b.Deliveries[i]
		if !fresh[i] {
			o.violate(ruleBounds, "%s of %s is taken, which this call has not stored", d.ID, d.EndpointID)
		}
		t := o.tracks[d.ID]
		if t == nil {
			continue
		}
		o.tell("%v taken by %s", t, worker)
		o.handedOut(t, now)
		if o.probing[t.endpoint] {
			o.violate(ruleParked, "%v is taken, its endpoint may only be probed", t)
		}
		o.lease(t, b.Take.Token, worker, now.Add(b.Take.Lease))
		t.taken = true
		o.seen["taken as stored"]++
		if vs := o.versions[t.endpoint]; !vs[len(vs)-1].active {
			o.seen["taken as stored: its endpoint is not active"]++
		}
	}
}

// leaves counts what a worker has taken and nobody got yet when something
// happens to it. The caller holds mu.
func (o *oracle) leaves(worker, what string) {
	for _, t := range o.tracks {
		if t.taken && !t.lost && t.heldBy(worker) && o.arrivals[t.pair] == nil {
			o.seen["taken as stored: "+what]++
		}
	}
}

// parkedBeside counts what is taken of an endpoint when it is parked.
func (o *oracle) parkedBeside(endpoint string) {
	for _, t := range o.lanes[endpoint] {
		if t.taken && t.leased {
			o.seen["taken as stored: its endpoint is parked"]++
		}
	}
}
