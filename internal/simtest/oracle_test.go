package simtest_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
)

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
	taken    bool   // that claim came with its Enqueue
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
	scope           webhook.Scope
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
	snapshots  []snapshot
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
func (o *oracle) begun(n int, key string, scope webhook.Scope) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls++
	if o.events[n] == nil {
		o.events[n] = &emitted{begun: o.calls, key: key, scope: scope}
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

// add begins to track a delivery, unless it is known.
func (o *oracle) add(m *webhook.Message, d *webhook.Delivery) (fresh bool) {
	if o.tracks[d.ID] != nil {
		return false
	}
	p := pair{d.EndpointID, eventOf(m.Bodies[d.Body].Data)}
	t := &track{
		pair: p, id: d.ID, message: m.ID, policy: d.Policy, ordered: d.Ordered, key: d.Key,
		seq: len(o.tracks), due: time.Now(), created: time.Now(),
	}
	if d.State.Final() {
		t.final, t.reason = d.State, d.Reason
	} else {
		o.lanes[d.EndpointID] = append(o.lanes[d.EndpointID], t)
	}
	if twin := o.byPair[p]; twin != nil && d.Dedup != "" {
		o.violate(ruleTwins, "%v and %v", twin, t)
	}
	o.tracks[d.ID] = t
	o.byPair[p] = t
	o.tell("%v stored %v", t, d.State)
	return true
}
