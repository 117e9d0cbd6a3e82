package simtest_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// The measures of a world.
const (
	chaosFor     = 30 * time.Second
	healFor      = 3 * time.Minute // at most, until all has ended
	slots        = 3
	producers    = 3
	eventsEach   = 9
	bursts       = 3
	burstSize    = 8
	attemptTime  = 2 * time.Second
	leaseTime    = 12 * time.Second
	storeTimeout = 3 * time.Second
	drainTime    = 4 * time.Second
)

// happened is the host's event.
type happened struct {
	N    int    `json:"n"`
	Text string `json:"text"`
	ID   string `json:"-"`
	Key  string `json:"-"`
	// Burst events come many at a time, for one endpoint that takes one at a
	// time.
	Burst bool `json:"-"`
	// With is the same for those of one burst that come to one process; else 0.
	With int `json:"-"`
}

func (h happened) EventType() string {
	if h.Burst {
		return "sim.burst"
	}
	return "sim.happened"
}
func (h happened) EventID() string  { return h.ID }
func (h happened) EventKey() string { return h.Key }

// world is one simulation.
type world struct {
	seed    seed
	base    *base
	oracle  *oracle
	network *webhooktest.Network
	shared  bool          // commits are shared
	recalls bool          // the store remembers what it matched
	timeout time.Duration // of calls of the store that have no other
	forgets forgets       // planted: see gate
	trusts  bool          // planted: see gate
	mixes   bool          // planted: see gate
	replays bool          // planted: requests are sent twice
	healed  atomic.Bool
	away    atomic.Bool
	plan    []webhook.Endpoint
	byHost  map[string]string // endpoint by host
	key     signer.Key
	sees    *signer.Verifier
	zombies sync.WaitGroup

	mu      sync.Mutex
	workers [slots]*worker
}

// plant alters a world before it begins.
type plant func(w *world)

// simulate makes the world of a seed, lets it live, and returns what went wrong
// and the oracle, which knows what else happened.
func simulate(t *testing.T, s seed, alter plant, trace bool) (found []violation, lived *oracle) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, s)
		w.oracle.trace = trace
		if alter != nil {
			alter(w)
		}
		w.live()
		w.network.Close()
		found = w.oracle.verdict()
		lived = w.oracle
	})
	return found, lived
}

func newWorld(t *testing.T, s seed) *world {
	t.Helper()
	w := &world{
		seed: s, base: newBase(s), oracle: newOracle(s), network: webhooktest.NewNetwork(t),
		shared: s.share("shared") < 0.5, recalls: s.share("recalls") < 0.5, timeout: storeTimeout, byHost: map[string]string{}, key: signer.GenerateSecret(),
	}
	var err error
	if w.sees, err = signer.NewVerifier(signer.VerifierOptions{Keys: []signer.Key{w.key}, Tolerance: 2 * time.Second}); err != nil {
		t.Fatal(err)
	}
	w.setEndpoints(t)
	for _, p := range w.policies() {
		w.oracle.policies[p.Name] = p
	}
	return w
}

func (w *world) policies() []retry.Policy {
	judge := func(r retry.Response) retry.Outcome { return w.base.judge(r) }
	ps := []retry.Policy{
		{
			Name: "sure", Timeout: attemptTime, Judge: judge, Jitter: -1, MaxAge: 20 * time.Minute,
			Schedule: retry.Fixed(time.Second, 2*time.Second, 3*time.Second, 5*time.Second, 8*time.Second, 8*time.Second, 8*time.Second),
		},
		{Name: "once", Mode: retry.StoredOnce, Timeout: attemptTime, Judge: judge},
		{Name: "fire", Mode: retry.Volatile, Timeout: time.Second, Judge: judge, MaxAge: 30 * time.Second},
	}
	for i := range ps {
		ps[i] = ps[i].WithDefaults()
	}
	return ps
}

// setEndpoints registers the endpoints of the world, two hosts each.
func (w *world) setEndpoints(t *testing.T) {
	t.Helper()
	w.plan = []webhook.Endpoint{
		{ID: "plain", Scope: webhook.Everywhere},
		{ID: "order1", Scope: webhook.Everywhere, Ordered: true},
		{ID: "order2", Scope: webhook.In("link", "1"), Ordered: true},
		{ID: "once1", Scope: webhook.Everywhere, Policy: "once"},
		{ID: "rated", Scope: webhook.In("link", "0"), Rate: webhook.Rate{Limit: 3, Per: 2 * time.Second}},
		{ID: "fire", Scope: webhook.In("link", "1"), Policy: "fire"},
		{ID: "sick", Scope: webhook.In("link", "2")},
		{ID: "alone", Scope: webhook.In("link", "2"), MaxConcurrent: 1, Types: []string{"sim.*"}},
	}
	if w.recalls {
		w.plan = append(w.plan, guest())
	}
	for i := range w.plan {
		ep := &w.plan[i]
		w.base.ids = append(w.base.ids, ep.ID)
		if ep.Types == nil {
			ep.Types = []string{"sim.happened"}
		}
		ep.Name, ep.URL, ep.Secrets = ep.ID, urlOf(ep.ID, 0), []signer.Key{w.key}
		if _, err := w.base.Set(context.Background(), ep); err != nil {
			t.Fatal(err)
		}
		w.oracle.edited(ep.ID, true, hostOf(ep.ID, 0))
		if ep.Rate.Limit > 0 {
			w.oracle.rates[ep.ID] = &quota{limit: ep.Rate.Limit}
		}
		for n := range 2 {
			w.byHost[hostOf(ep.ID, n)] = ep.ID
			w.network.Handle(hostOf(ep.ID, n), http.HandlerFunc(w.receive))
		}
	}
	w.oracle.registered(w.base.all(context.Background()))
}

func hostOf(id string, n int) string { return fmt.Sprintf("%s-%d.example", id, n) }
func urlOf(id string, n int) string  { return "http://" + hostOf(id, n) + "/hook" }

// live lets everything happen, and returns when all has ended.
func (w *world) live() {
	var busy sync.WaitGroup
	for i := range slots {
		busy.Go(func() { w.keepWorker(i) })
	}
	for i := range producers {
		busy.Go(func() { w.produce(i) })
	}
	busy.Go(w.burst)
	busy.Go(w.edit)
	if w.recalls {
		busy.Go(w.visit)
	}
	time.Sleep(chaosFor)
	w.heal()
	busy.Wait()
	for end := time.Now().Add(healFor); w.oracle.open() > 0 && time.Now().Before(end); {
		time.Sleep(time.Second)
	}
	time.Sleep(3 * time.Second)
	w.oracle.compare(context.Background(), w.base)
	for i := range slots {
		w.retire(i)
	}
	w.zombies.Wait()
}

// heal makes the world kind: what is open can end.
func (w *world) heal() {
	w.healed.Store(true)
	w.oracle.locked(func() { w.oracle.tell("the world is healed") })
}
