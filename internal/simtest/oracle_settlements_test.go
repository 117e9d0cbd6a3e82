package simtest_test

import (
	"slices"
	"time"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
)

// settled judges a settlement that the store took, or called stale.
func (o *oracle) settled(t *track, it *webhook.Settlement, isStale bool) {
	o.tell("%v settled %v in %v (%q), unsent %v, stale %v", t, it.State, it.Delay, it.Reason, it.Unsent, isStale)
	ours := t.leased && t.token == it.Token && t.final == 0
	switch {
	case isStale && ours:
		o.violate(ruleUnsettled, "%v: token %d", t, it.Token)
		return
	case isStale:
		o.seen["stale settlements"]++
		return
	case t.final != 0:
		o.violate(ruleFinal, "%v is settled %v though it is %v", t, it.State, t.final)
	case !ours:
		o.violate(ruleStale, "%v: token %d, leased %v under %d", t, it.Token, t.leased, t.token)
	}
	t.leased = false
	if it.Unsent {
		o.seen["given back unsent"]++
		if t.taken {
			o.seen["taken as stored: given back unsent"]++
		}
		t.attempts--
	}
	if it.Attempt != nil {
		o.recorded(t, it)
	}
	if it.Health == webhook.Healthy {
		o.probing[t.endpoint] = false
	}
	if !it.State.Final() {
		t.due = time.Now().Add(it.Delay)
		return
	}
	t.final, t.reason = it.State, it.Reason
	o.lanes[t.endpoint] = slices.DeleteFunc(o.lanes[t.endpoint], func(x *track) bool { return x == t })
	if a := o.arrivals[t.pair]; t.final == webhook.Delivered && (a == nil || a.acked == 0) {
		o.violate(ruleUnacked, "%v", t)
	}
}

// recorded judges the record of an attempt.
func (o *oracle) recorded(t *track, it *webhook.Settlement) {
	at := it.Attempt
	t.records++
	t.last = at
	if at.Number != t.attempts {
		o.violate(ruleUnrecorded, "%v: attempt %d is recorded as number %d", t, t.attempts, at.Number)
	}
	if a := o.arrivals[t.pair]; a != nil && a.ackedAt[at.Number] && at.Outcome != retry.Accepted {
		o.violate(ruleDenied, "%v: attempt %d is %v, status %d, %s", t, at.Number, at.Outcome, at.Status, at.Error)
	}
	if at.Outcome != retry.Retryable || it.State != webhook.Pending {
		return
	}
	policy := o.policies[t.policy]
	if delay, more := policy.Delay(t.id, at.Number); !more || it.Delay < delay {
		o.violate(ruleDelay, "%v: again in %v after attempt %d, the policy says %v", t, it.Delay, at.Number, delay)
	}
}
