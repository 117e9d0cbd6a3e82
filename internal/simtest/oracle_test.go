package simtest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
)

// rule names what must never happen.
type rule string

const (
	ruleLost        rule = "an accepted delivery never ends"
	ruleUnstored    rule = "what Dispatch accepted is not stored"
	rulePartial     rule = "a batch is stored in part"
	ruleTwins       rule = "one event id has two deliveries for one endpoint"
	ruleUnacked     rule = "delivered without a success that the receiver gave"
	ruleDenied      rule = "a success that arrived is recorded as a failure"
	ruleEnding      rule = "an end that the policy does not allow"
	ruleFinal       rule = "a final state changed"
	ruleHooks       rule = "a hook told an end that is not stored"
	ruleEarly       rule = "handed out before its time"
	ruleDelay       rule = "to be tried again sooner than the policy says"
	ruleLeased      rule = "handed out while it is leased"
	ruleUnleased    rule = "sent without a lease"
	ruleStale       rule = "a stale settlement changed something"
	ruleUnsettled   rule = "a good settlement changed nothing"
	ruleParked      rule = "handed out while its endpoint is parked"
	ruleUnfair      rule = "one endpoint's backlog keeps another waiting"
	ruleDueOrder    rule = "handed out in another order than due"
	ruleBounds      rule = "a claim holds more than was asked for"
	ruleOrder       rule = "an ordered key arrives out of order"
	ruleHead        rule = "handed out before the first of its key ended"
	ruleOnce        rule = "sent more often than its policy allows"
	ruleUnrecorded  rule = "a request without its record"
	ruleIdentity    rule = "message id or body differ between attempts"
	ruleSignature   rule = "the signature does not verify, or is old"
	ruleEdited      rule = "sent by what an endpoint was more than a second ago"
	ruleRate        rule = "more requests than the store granted"
	ruleForgotten   rule = "a drain left claimed work behind"
	ruleDispatch    rule = "Dispatch outlived its context"
	ruleRefused     rule = "Dispatch fails though nothing is wrong any more"
	ruleNeverEnds   rule = "Run or Shutdown do not return"
	ruleInventories rule = "the history tells something else than was settled"
)

// violation is one thing that happened and must not.
type violation struct {
	Rule rule
	Text string
}

func (v violation) String() string { return string(v.Rule) + ": " + v.Text }

// pair is what the world below calls a delivery: an event at an endpoint.
type pair struct {
	endpoint string
	event    int
}

// track is what the oracle knows of a stored delivery.
type track struct {
	pair
	id       string
	message  string
	policy   string
	ordered  bool
	key      string
	seq      int // in the order of Enqueue
	due      time.Time
	leased   bool
	until    time.Time // end of the lease
	token    int64
	owner    string // who claimed it last
	lost     bool   // its owner never heard of that claim
	attempts int    // as Claim counts them
	records  int    // attempts that were settled
	crashed  int    // claims that were never settled
	last     *webhook.Attempt
	final    webhook.State
	reason   string
	created  time.Time
	// claimedAt is when its owner claimed it.
	claimedAt time.Time
}

func (t *track) String() string {
	return fmt.Sprintf("event %d at %s (%s)", t.event, t.endpoint, t.id)
}

// arrival is what the oracle knows of the requests of one pair.
type arrival struct {
	count   int
	first   int // place among all first arrivals
	message string
	body    string
	acked   int          // answers 2xx that the sender was there to read
	ackedAt map[int]bool // by the attempt's number
	gone    bool         // was answered 410
}

// version is what an endpoint was from a time on.
type version struct {
	from   time.Time
	active bool
	host   string
}

// emitted is an event of the host's.
type emitted struct {
	begun, accepted int // on the oracle's count of calls; 0: not yet
	key             string
}

// oracle knows what may happen.
type oracle struct {
	mu         sync.Mutex
	start      time.Time
	seed       seed
	policies   map[string]retry.Policy
	tracks     map[string]*track
	byPair     map[pair]*track
	lanes      map[string][]*track // by endpoint, open ones
	parked     map[string]time.Time
	probing    map[string]bool
	arrivals   map[pair]*arrival
	firsts     int
	versions   map[string][]version
	rates      map[string]*quota
	events     map[int]*emitted
	calls      int
	expected   map[pair]string // what receipts promised, by its id
	violations []violation
	trace      bool
	story      []string
	seen       map[string]int // what happened, how often
}

func newOracle(s seed) *oracle {
	return &oracle{
		start: time.Now(), seed: s, policies: map[string]retry.Policy{},
		tracks: map[string]*track{}, byPair: map[pair]*track{}, lanes: map[string][]*track{},
		parked: map[string]time.Time{}, probing: map[string]bool{}, arrivals: map[pair]*arrival{},
		versions: map[string][]version{}, rates: map[string]*quota{},
		events: map[int]*emitted{}, expected: map[pair]string{},
		seen: map[string]int{},
	}
}

// violate notes what happened. The caller holds mu.
func (o *oracle) violate(r rule, format string, args ...any) {
	v := violation{Rule: r, Text: fmt.Sprintf("after %v: "+format, append([]any{time.Since(o.start)}, args...)...)}
	o.tell("VIOLATION %v", v)
	if len(o.violations) < 100 {
		o.violations = append(o.violations, v)
	}
}

// tell adds to the story of a world that is made again.
func (o *oracle) tell(format string, args ...any) {
	if o.trace {
		o.story = append(o.story, fmt.Sprintf("%12v ", time.Since(o.start))+fmt.Sprintf(format, args...))
	}
}

func (o *oracle) locked(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
}

// eventOf reads the number of the event out of a body.
func eventOf(body []byte) int {
	var got struct {
		N int `json:"n"`
	}
	if err := json.Unmarshal(body, &got); err != nil {
		return -1
	}
	return got.N
}

// begun notes that the host begins to dispatch an event.
func (o *oracle) begun(n int, key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls++
	if o.events[n] == nil {
		o.events[n] = &emitted{begun: o.calls, key: key}
	}
}

// accepted notes that a Dispatch returned nil.
func (o *oracle) accepted(n int, r webhook.Receipt, stored func(endpoint string) bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls++
	o.events[n].accepted = o.calls
	o.tell("event %d accepted: %d deliveries", n, len(r.Deliveries))
	for _, d := range r.Deliveries {
		if !stored(d.EndpointID) {
			continue
		}
		p := pair{d.EndpointID, n}
		o.expected[p] = d.ID
		t := o.byPair[p]
		if t == nil {
			o.violate(ruleUnstored, "event %d at %s", n, d.EndpointID)
		} else if t.id != d.ID {
			o.violate(ruleUnstored, "%v: the receipt names %s", t, d.ID)
		}
	}
}

// edited notes what an endpoint is from now on. The caller holds mu.
func (o *oracle) edited(id string, active bool, host string) {
	o.tell("endpoint %s: active %v at %s", id, active, host)
	o.versions[id] = append(o.versions[id], version{time.Now(), active, host})
}

// inactive notes that an endpoint takes nothing from now on. The caller holds
// mu.
func (o *oracle) inactive(id string) {
	vs := o.versions[id]
	if len(vs) > 0 && vs[len(vs)-1].active {
		o.edited(id, false, vs[len(vs)-1].host)
	}
}

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

// everInactive reports whether the endpoint was ever disabled or removed.
func (o *oracle) everStopped(id string) bool {
	for _, v := range o.versions[id] {
		if !v.active {
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
