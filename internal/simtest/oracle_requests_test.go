package simtest_test

import (
	"time"

	"github.com/outhook/outhook/retry"
)

// stale is how old what is read at send may be when a request starts.
const stale = time.Second

// wasSo reports whether the endpoint was active with this host within the last
// second.
func (o *oracle) wasSo(id, host string, now time.Time) bool {
	vs := o.versions[id]
	for i := range vs {
		over := now.Add(time.Hour)
		if i+1 < len(vs) {
			over = vs[i+1].from
		}
		if vs[i].active && vs[i].host == host && !vs[i].from.After(now) && !over.Before(now.Add(-stale)) {
			return true
		}
	}
	return false
}

// arrived judges a request that has just reached a receiver. It returns the
// number of the request among those of its pair.
func (o *oracle) arrived(endpoint, host, message string, body []byte, verified error) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	o.seen["requests"]++
	p := pair{endpoint, eventOf(body)}
	a := o.arrivals[p]
	if a == nil {
		o.firsts++
		a = &arrival{first: o.firsts, message: message, body: string(body), ackedAt: map[int]bool{}}
		o.arrivals[p] = a
	}
	a.count++
	if a.count > 1 {
		o.seen["repeated requests"]++
	}
	o.tell("event %d at %s: request %d arrives", p.event, endpoint, a.count)
	if a.message != message || a.body != string(body) {
		o.violate(ruleIdentity, "event %d at %s: %s %q, before %s %q", p.event, endpoint, message, body, a.message, a.body)
	}
	if verified != nil {
		o.violate(ruleSignature, "event %d at %s: %v", p.event, endpoint, verified)
	}
	if !o.wasSo(endpoint, host, now) {
		o.violate(ruleEdited, "event %d at %s, host %s; it was %v", p.event, endpoint, host, o.versions[endpoint])
	}
	o.rated(endpoint)
	o.sent(p, a, now)
	return a.count
}

// rated judges a request against the endpoint's rate: each needs a grant of
// the store. Where the store does not answer, a process counts by itself.
func (o *oracle) rated(endpoint string) {
	r := o.rates[endpoint]
	if r == nil {
		return
	}
	r.used++
	if r.used > r.granted+r.failed*r.limit {
		o.violate(ruleRate, "%s: %d requests, %d granted, %d times without an answer", endpoint, r.used, r.granted, r.failed)
	}
}

// quota counts the requests that an endpoint's rate allowed.
type quota struct{ limit, granted, used, failed int }

// sent judges a request against what is known of its delivery.
func (o *oracle) sent(p pair, a *arrival, now time.Time) {
	t := o.byPair[p]
	if t == nil {
		if a.count > 1 {
			o.violate(ruleOnce, "event %d at %s, volatile: request %d", p.event, p.endpoint, a.count)
		}
		return
	}
	switch policy := o.policies[t.policy]; {
	case t.final != 0:
		o.violate(ruleFinal, "%v is sent though it is %v", t, t.final)
	case !t.leased || now.After(t.until):
		o.violate(ruleUnleased, "%v: leased %v until %v", t, t.leased, t.until.Sub(o.start))
	case policy.Mode == retry.StoredOnce && a.count > 1:
		o.violate(ruleOnce, "%v, at most once: request %d", t, a.count)
	case a.count > maxAttempts(policy):
		o.violate(ruleOnce, "%v: request %d", t, a.count)
	case a.count > t.attempts:
		o.violate(ruleUnrecorded, "%v: request %d, %d attempts were counted", t, a.count, t.attempts)
	}
}

// answered notes the answer that a receiver gave to a sender that was still
// there.
func (o *oracle) answered(endpoint string, body []byte, status int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := pair{endpoint, eventOf(body)}
	a := o.arrivals[p]
	o.tell("event %d at %s: answered %d", p.event, endpoint, status)
	switch {
	case status >= 200 && status < 300:
		a.acked++
		if t := o.byPair[p]; t != nil {
			a.ackedAt[t.attempts] = true
		}
	case status == 410:
		a.gone = true
		o.seen["answers 410"]++
	}
}

func maxAttempts(p retry.Policy) int {
	n := 1
	for {
		if _, more := p.Schedule.Next(n); !more {
			return n
		}
		n++
	}
}
