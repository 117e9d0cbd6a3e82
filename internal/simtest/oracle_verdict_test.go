package simtest_test

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/outhook/outhook/webhook"
)

// everInactive reports whether the endpoint was ever disabled or removed.
func (o *oracle) everStopped(id string) bool {
	for _, v := range o.versions[id] {
		if !v.active {
			return true
		}
	}
	return false
}

// open counts the stored deliveries that have not ended.
func (o *oracle) open() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for _, t := range o.tracks {
		if t.final == 0 {
			n++
		}
	}
	return n
}

// ended judges what a hook tells of a delivery.
func (o *oracle) ended(d webhook.Delivery) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if t := o.tracks[d.ID]; t != nil && t.final != d.State {
		o.violate(ruleHooks, "%v: the hook says %v, stored is %v", t, d.State, t.final)
	}
}

// drained judges what a worker leaves behind whose Run has returned.
func (o *oracle) drained(owner string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen["drains judged"]++
	for _, t := range o.tracks {
		if t.leased && t.owner == owner && !t.lost {
			o.violate(ruleForgotten, "%v, claimed by %s", t, owner)
		}
	}
}

// verdict judges the world at its end.
func (o *oracle) verdict() []violation {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, t := range o.tracks {
		o.seen["ended "+t.final.String()]++
		switch {
		case t.final == 0:
			o.violate(ruleLost, "%v: leased %v, due %v, attempts %d", t, t.leased, t.due.Sub(o.start), t.attempts)
		case !o.allowed(t):
			o.violate(ruleEnding, "%v is %v (%q) after %d attempts", t, t.final, t.reason, t.attempts)
		}
		if a := o.arrivals[t.pair]; a != nil && a.count > t.records+t.crashed {
			o.violate(ruleUnrecorded, "%v: %d requests, %d records, %d claims without settlement", t, a.count, t.records, t.crashed)
		}
	}
	for p, id := range o.expected {
		if o.tracks[id] == nil {
			o.violate(ruleLost, "event %d at %s is unknown to the store", p.event, p.endpoint)
		}
	}
	o.inOrder()
	return o.violations
}

// allowed reports whether a delivery may have ended as it did.
func (o *oracle) allowed(t *track) bool {
	a, policy := o.arrivals[t.pair], o.policies[t.policy]
	switch t.final {
	case webhook.Delivered:
		return a != nil && a.acked > 0
	case webhook.Cancelled:
		return o.everStopped(t.endpoint)
	case webhook.Failed:
		tooOld := strings.Contains(t.reason, "too old") && time.Since(t.created) > policy.MaxAge
		return t.attempts >= maxAttempts(policy) || tooOld || a != nil && a.gone
	case webhook.Pending, webhook.Running, webhook.Held, webhook.Duplicate, webhook.Dropped:
	}
	return false
}

// inOrder judges the order of first arrivals of each ordered key: A before B
// where A's Dispatch returned before B's began.
func (o *oracle) inOrder() {
	type came struct {
		t *track
		a *arrival
	}
	byKey := map[string][]came{}
	for p, a := range o.arrivals {
		if t := o.byPair[p]; t != nil && t.ordered {
			byKey[t.endpoint+" "+t.key] = append(byKey[t.endpoint+" "+t.key], came{t, a})
		}
	}
	for _, list := range byKey {
		for _, x := range list {
			for _, y := range list {
				ex, ey := o.events[x.t.event], o.events[y.t.event]
				if ex.accepted > 0 && ex.accepted < ey.begun && x.a.first > y.a.first {
					o.violate(ruleOrder, "%v came first after %v", x.t, y.t)
				}
			}
		}
	}
}

// compare judges whether the history tells what was settled.
func (o *oracle) compare(ctx context.Context, b *base) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, t := range o.tracks {
		d, m, err := b.Delivery(ctx, t.id)
		if err != nil {
			o.violate(ruleInventories, "%v: %v", t, err)
			continue
		}
		if t.final != 0 && (d.State != t.final || d.Attempts != t.attempts) {
			o.violate(ruleInventories, "%v: %v after %d attempts, settled %v after %d", t, d.State, d.Attempts, t.final, t.attempts)
		}
		if a := o.arrivals[t.pair]; a != nil && !bytes.Equal([]byte(a.body), m.Bodies[d.Body].Data) {
			o.violate(ruleIdentity, "%v: stored %q, sent %q", t, m.Bodies[d.Body].Data, a.body)
		}
	}
}
