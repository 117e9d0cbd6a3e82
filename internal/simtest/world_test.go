package simtest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
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
	timeout time.Duration // of calls of the store that have no other
	forgets bool          // planted: drains forget
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
		shared: s.share("shared") < 0.5, timeout: storeTimeout, byHost: map[string]string{}, key: signer.GenerateSecret(),
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
	for i := range w.plan {
		ep := &w.plan[i]
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
}

func hostOf(id string, n int) string { return fmt.Sprintf("%s-%d.example", id, n) }
func urlOf(id string, n int) string  { return "http://" + hostOf(id, n) + "/hook" }

// receive is every receiver.
func (w *world) receive(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // broken off before it was whole
	}
	host, _, _ := strings.Cut(r.Host, ":")
	id := w.byHost[host]
	_, err = w.sees.Verify(r.Header, body)
	n := w.oracle.arrived(id, host, r.Header.Get("Webhook-Id"), body, err)
	if w.replays && w.seed.share("replay", id, eventOf(body), n) < 0.1 {
		n = w.oracle.arrived(id, host, r.Header.Get("Webhook-Id"), body, err)
	}
	status, delay, header := w.answer(id, eventOf(body), n)
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
	}
	if status == 0 || r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // the answer is lost
	}
	w.oracle.answered(id, body, status)
	if header != "" {
		rw.Header().Set("Retry-After", header)
	}
	rw.WriteHeader(status)
}

// answer decides what a receiver does with the n-th request for an event;
// status 0 means that its answer is lost.
func (w *world) answer(id string, event, n int) (status int, delay time.Duration, retryAfter string) {
	delay = w.seed.between(0, 60*time.Millisecond, "took", id, event, n)
	if w.healed.Load() {
		return 200, delay, ""
	}
	if id == "alone" {
		delay += 700 * time.Millisecond
	}
	if id == "sick" && w.seed.share("sick") < 0.7 {
		return 500, delay, ""
	}
	switch p := w.seed.share("answer", id, event, n); {
	case p < 0.10:
		return 500, delay, ""
	case p < 0.16:
		return 302, delay, ""
	case p < 0.24:
		return 0, delay, ""
	case p < 0.32:
		return 0, time.Hour, "" // hangs
	case p < 0.38:
		return 200, attemptTime + 100*time.Millisecond + delay, "" // late
	case p < 0.43:
		return 429, delay, "3"
	case p < 0.48:
		return 200, 700*time.Millisecond + delay, ""
	case p < 0.484:
		return 410, delay, ""
	}
	return 200, delay, ""
}

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

// produce dispatches the events of one host process.
func (w *world) produce(producer int) {
	time.Sleep(w.seed.between(0, time.Second, "producer", producer))
	for i := range eventsEach {
		n := producer*eventsEach + i
		if w.seed.share("burst", n) > 0.6 {
			time.Sleep(w.seed.between(0, 6*time.Second, "pause", n))
		}
		e := happened{N: n, Text: strings.Repeat("<é>", 1+n%7), Key: fmt.Sprintf("k%d", producer%2)}
		if w.seed.share("identified", n) < 0.6 {
			e.ID = fmt.Sprintf("event-%d", n)
		}
		w.dispatch(e)
	}
}

// burst dispatches events in bursts.
func (w *world) burst() {
	for b := range bursts {
		time.Sleep(w.seed.between(time.Second, 8*time.Second, "burst", b))
		for i := range burstSize {
			w.dispatch(happened{N: 1000 + b*burstSize + i, Burst: true})
		}
	}
}

// dispatch brings an event to a worker that lives; an event with an id is tried
// until it is accepted.
func (w *world) dispatch(e happened) {
	w.oracle.begun(e.N, e.Key)
	scope := webhook.In("link", strconv.Itoa(w.seed.below(3, "scope", e.N)))
	if e.Burst {
		scope = webhook.In("link", "2")
	}
	for try := 1; ; try++ {
		if x := w.someWorker(e.N, try); x != nil {
			ctx, cancel := context.WithValue(context.Background(), eventKey{}, strconv.Itoa(e.N)), func() {}
			limit := storeTimeout
			if w.seed.share("deadline", e.N, try) < 0.5 {
				limit = 800 * time.Millisecond
				ctx, cancel = context.WithTimeout(ctx, limit)
			}
			start := time.Now()
			receipt, err := x.d.Dispatch(ctx, e, scope)
			cancel()
			w.judgeDispatch(e, try, receipt, err, time.Since(start), limit)
			if err == nil || e.ID == "" {
				return
			}
		}
		if time.Since(w.oracle.start) > chaosFor+time.Minute {
			w.oracle.locked(func() { w.oracle.violate(ruleRefused, "event %d after %d tries", e.N, try) })
			return
		}
		time.Sleep(w.seed.between(100*time.Millisecond, 400*time.Millisecond, "again", e.N, try))
	}
}

func (w *world) judgeDispatch(e happened, try int, r webhook.Receipt, err error, took, limit time.Duration) {
	// Match and Enqueue are two calls of the store, and a shared commit that
	// is under way is waited for.
	if took > 3*max(limit, storeTimeout)+time.Millisecond {
		w.oracle.locked(func() { w.oracle.violate(ruleDispatch, "event %d took %v, limit %v", e.N, took, limit) })
	}
	if err != nil {
		w.oracle.locked(func() {
			w.oracle.seen["dispatches refused"]++
			w.oracle.tell("event %d, try %d: %v", e.N, try, err)
		})
		return
	}
	w.oracle.accepted(e.N, r, func(endpoint string) bool { return endpoint != "fire" })
}

func (w *world) someWorker(event, try int) *worker {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := w.seed.below(slots, "worker", event, try)
	for i := range slots {
		if x := w.workers[(first+i)%slots]; x != nil {
			return x
		}
	}
	return nil
}

// edit changes endpoints while the world is alive.
func (w *world) edit() {
	n := 2 + w.seed.below(5, "edits")
	for i := range n {
		time.Sleep(w.seed.between(0, 2*chaosFor/time.Duration(n+1), "edit", i))
		w.editOne(&w.plan[w.seed.below(len(w.plan), "edited", i)], i)
	}
	time.Sleep(time.Until(w.oracle.start.Add(chaosFor)))
	for i := range w.plan {
		w.resume(&w.plan[i], i)
	}
}

// editOne changes one endpoint. What is active again stays so.
func (w *world) editOne(ep *webhook.Endpoint, i int) {
	w.oracle.mu.Lock()
	defer w.oracle.mu.Unlock()
	ctx := context.Background()
	found, _ := w.base.Endpoints(ctx, []string{ep.ID})
	if len(found) == 0 {
		return
	}
	now := *found[0]
	switch w.seed.below(8, "how", i) {
	case 0:
		w.oracle.seen["edits: disabled"]++
		w.oracle.edited(ep.ID, false, hostIn(&now))
		_ = w.base.SetStatus(ctx, ep.ID, webhook.Disabled, "the host's wish")
	case 1:
		w.oracle.seen["edits: removed"]++
		w.oracle.edited(ep.ID, false, hostIn(&now))
		_ = w.base.Remove(ctx, ep.ID)
	case 2, 3, 4:
		if now.Status != webhook.Disabled {
			w.oracle.seen["edits: paused"]++
			w.oracle.edited(ep.ID, false, hostIn(&now))
			_ = w.base.SetStatus(ctx, ep.ID, webhook.Paused, "")
		}
	default:
		w.oracle.seen["edits: moved"]++
		now.URL = urlOf(ep.ID, i%2)
		w.oracle.edited(ep.ID, now.Status <= webhook.Active, hostIn(&now))
		_, _ = w.base.Set(ctx, &now)
	}
}

func hostIn(ep *webhook.Endpoint) string {
	return strings.TrimSuffix(strings.TrimPrefix(ep.URL, "http://"), "/hook")
}

// resume opens an endpoint that is paused, sometimes with a word to a worker.
func (w *world) resume(ep *webhook.Endpoint, i int) {
	ctx := context.Background()
	paused := false
	w.oracle.locked(func() {
		found, _ := w.base.Endpoints(ctx, []string{ep.ID})
		if len(found) == 1 && found[0].Status == webhook.Paused {
			paused = true
			w.oracle.edited(ep.ID, true, hostIn(found[0]))
			_ = w.base.SetStatus(ctx, ep.ID, webhook.Active, "")
		}
	})
	if x := w.someWorker(i, 0); paused && x != nil && i%2 == 0 {
		_ = x.d.Release(ctx, ep.ID)
	}
}
