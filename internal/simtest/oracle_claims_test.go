package simtest_test

import (
	"slices"
	"time"

	"github.com/outhook/outhook/webhook"
)

// claimed judges a claim.
func (o *oracle) claimed(c webhook.Claim, got []webhook.Claimed, worker string) {
	now := time.Now()
	bytes := 0
	counts := map[string]int{}
	latest := map[string]time.Time{}
	waiting := o.waiting(c.Skip, now)
	for i := range got {
		cl := &got[i]
		t := o.tracks[cl.Delivery.ID]
		if t == nil {
			o.violate(ruleInventories, "%s claimed, which nobody enqueued", cl.Delivery.ID)
			continue
		}
		o.tell("%v claimed by %s, attempt %d, %v old, expired %v", t, worker, cl.Delivery.Attempts, cl.Age, cl.Expired)
		o.handedOut(t, now)
		counts[t.endpoint]++
		bytes += len(cl.Message.Bodies[cl.Delivery.Body].Data)
		if due := t.dueBy(); !t.ordered && due.Before(latest[t.endpoint]) {
			o.violate(ruleDueOrder, "%v comes after what is due later", t)
		} else if !t.ordered {
			latest[t.endpoint] = due
		}
		if slices.Contains(c.Skip, t.endpoint) || counts[t.endpoint] > c.PerEndpoint {
			o.violate(ruleBounds, "%v: its endpoint is skipped, or has more than %d", t, c.PerEndpoint)
		}
		o.lease(t, cl.Token, worker, now.Add(c.Lease))
	}
	if len(got) > c.Limit || bytes > c.MaxBytes && len(got) > 1 {
		o.violate(ruleBounds, "%d deliveries of %d bytes", len(got), bytes)
	}
	o.fair(c, counts, waiting)
	o.leftBehind(latest, now)
}

// handedOut judges that t is claimed now.
func (o *oracle) handedOut(t *track, now time.Time) {
	switch {
	case t.final != 0:
		o.violate(ruleFinal, "%v is handed out though it is %v", t, t.final)
	case t.leased && now.Before(t.until):
		o.violate(ruleLeased, "%v: by %s until %v", t, t.owner, t.until.Sub(o.start))
	case !t.leased && now.Before(t.due):
		o.violate(ruleEarly, "%v: it is due %v", t, t.due.Sub(o.start))
	}
	if now.Before(o.parked[t.endpoint]) {
		o.violate(ruleParked, "%v: until %v", t, o.parked[t.endpoint].Sub(o.start))
	}
	if t.ordered && !o.head(t) {
		o.violate(ruleHead, "%v, key %q", t, t.key)
	}
}

// head reports whether t is the first of its key.
func (o *oracle) head(t *track) bool {
	for _, other := range o.lanes[t.endpoint] {
		if other.ordered && other.key == t.key && other.seq < t.seq && other.final == 0 {
			return false
		}
	}
	return true
}

func (o *oracle) lease(t *track, token int64, worker string, until time.Time) {
	if t.leased {
		t.crashed++ // its lease is over, and nobody settled it
		o.seen["leases that ended"]++
		if t.taken {
			o.seen["taken as stored: its lease ended"]++
		}
	}
	t.leased, t.until, t.token, t.owner, t.taken, t.lost = true, until, token, worker, false, false
	t.claimedAt = time.Now()
	t.attempts++
}

// dueBy returns when t is due, by its time or by the end of its lease.
func (t *track) dueBy() time.Time {
	if t.leased {
		return t.until
	}
	return t.due
}

// ready reports whether a claim may hand t out.
func (o *oracle) ready(t *track, now time.Time) bool {
	return t.final == 0 && !t.dueBy().After(now) && (!t.ordered || o.head(t))
}

// waiting lists the endpoints that have something to hand out.
func (o *oracle) waiting(skip []string, now time.Time) []string {
	var ids []string
	for id, lane := range o.lanes {
		if slices.Contains(skip, id) || o.probing[id] || now.Before(o.parked[id]) {
			continue
		}
		if slices.ContainsFunc(lane, func(t *track) bool { return o.ready(t, now) }) {
			ids = append(ids, id)
		}
	}
	return ids
}

// fair judges whether an endpoint got nothing while another had two turns, or
// nobody got anything.
func (o *oracle) fair(c webhook.Claim, counts map[string]int, waiting []string) {
	most, sum := 0, 0
	for _, n := range counts {
		most = max(most, n)
		sum += n
	}
	for _, id := range waiting {
		if counts[id] == 0 && (most > 1 || sum == 0 && c.Limit > 0) {
			o.violate(ruleUnfair, "%s got nothing, of %d deliveries", id, sum)
		}
	}
}

// leftBehind judges whether something that is due earlier was passed over.
func (o *oracle) leftBehind(latest map[string]time.Time, now time.Time) {
	for id, last := range latest {
		for _, t := range o.lanes[id] {
			if !t.ordered && t.dueBy().Before(last) && o.ready(t, now) {
				o.violate(ruleDueOrder, "%v is passed over", t)
			}
		}
	}
}
