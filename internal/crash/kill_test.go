package crash_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
)

// TestKill kills a host in the middle of dispatching and delivering, and starts
// it again.
func TestKill(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, kind  string
		calm        bool
		short, full int
	}{
		{name: "SQLite", kind: "SQLite", short: 50, full: 1000},
		{name: "PostgreSQL", kind: "PostgreSQL", short: 20, full: 200},
		{name: "calm SQLite", kind: "SQLite", calm: true, short: 20, full: 200},
		{name: "calm PostgreSQL", kind: "PostgreSQL", calm: true, short: 20, full: 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			kills := tt.short
			if full() {
				kills = tt.full
			}
			k := newKilling(t, tt.kind, "")
			k.calm = tt.calm
			if v := k.run(t, kills); v.broken() {
				t.Errorf("%+v, want nothing lost, undone, extra or over", v)
			}
			if !tt.calm {
				return
			}
			t.Logf("%d deliveries were taken as they were stored", k.took)
			if k.took < kills {
				t.Error("too few to see what a kill does to them")
			}
		})
	}
}

// endpointNames are where a host's events go; two of them want order.
func endpointNames() []string { return []string{"a", "b", "c", "d", "ordered-a", "ordered-b"} }

func setEndpoints(ctx context.Context, s webhook.EndpointAdmin, to string) error {
	for _, name := range endpointNames() {
		_, err := s.Set(ctx, &webhook.Endpoint{
			ID: name, Name: name, Scope: scope(), URL: to + "/" + name, Encoder: "json", Ordered: strings.HasPrefix(name, "ordered"), Status: webhook.Active,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// killing is one test.
type killing struct {
	kind, dsn string
	fault     string // planted in the hosts; see faulty
	calm      bool   // the hosts have less to do than they can: they take what they store
	to        *receiver

	mu        sync.Mutex
	accepted  map[int64]string // what a host was told to be stored: its message
	refused   int
	took      int              // deliveries that hosts took as they stored them
	waiting   map[string]int64 // accepted deliveries that have not been acknowledged: their events
	exposures map[string]int   // how many crashes could repeat a delivery
	acked     map[string]int   // at the last kill
	judged    int              // arrivals that undone has seen
	found     verdict          // what the kills showed
}

func newKilling(t *testing.T, kind, fault string) *killing {
	t.Helper()
	return &killing{
		kind: kind, dsn: place(t, kind), fault: fault, to: newReceiver(t),
		accepted: map[int64]string{}, waiting: map[string]int64{}, exposures: map[string]int{},
	}
}

func (k *killing) heard(verb, rest string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	word, message, _ := strings.Cut(rest, " ")
	switch verb {
	case "accepted":
		n, _ := strconv.ParseInt(word, 10, 64)
		k.accepted[n] = message
		for _, e := range endpointNames() {
			k.waiting[message+"/"+e] = n
		}
	case "refused":
		k.refused++
	case "took":
		n, _ := strconv.Atoi(word)
		k.took += n
	}
}

// child starts a host that dispatches at the given pace, if any.
func (k *killing) child(t *testing.T, from int64, pace string) *process {
	t.Helper()
	return start(t, "host", map[string]string{
		"KIND": k.kind, "DSN": k.dsn, "FROM": strconv.FormatInt(from, 10), "PACE": pace, "FAULT": k.fault,
		"CALM": strconv.FormatBool(k.calm),
	}, k.heard)
}

// pace is that of the next host: a slower one where a backlog has grown.
func (k *killing) pace() string {
	if k.calm || len(k.waiting) > 3000 {
		return "50ms"
	}
	return "4ms"
}

func (k *killing) open(t *testing.T) *backend {
	t.Helper()
	b, err := openBackend(context.Background(), k.kind, k.dsn)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (k *killing) run(t *testing.T, kills int) verdict {
	t.Helper()
	ctx := t.Context()
	b := k.open(t)
	if err := setEndpoints(ctx, b.store, k.to.URL); err != nil {
		t.Fatal(err)
	}
	b.close()
	for i := range kills {
		p := k.child(t, int64(i+1)*1_000_000, k.pace())
		p.await(t)
		born, was, sent := time.Now(), k.count(), k.to.count()
		until(ctx, 20*time.Second, func() bool { // it is at work
			return k.count() > was+4 && k.to.count() > sent && k.shows()
		})
		time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
		p.kill()
		k.look(t, i+1, time.Since(born).Round(time.Millisecond))
	}
	k.fault = ""
	k.settle(t)
	k.judge(t)
	return k.found
}

// count is how many events hosts know to be stored.
func (k *killing) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.accepted)
}

// look compares what the dead host promised with what is in the store and what
// arrived, and sees what the crash can make the receiver see again: what it
// acknowledged in this life of the host, and the store does not know to be over.
func (k *killing) look(t *testing.T, kill int, life time.Duration) {
	t.Helper()
	// What the host sent before it died is read before its connections end.
	if !until(t.Context(), 10*time.Second, func() bool { return k.to.conns.Load() == 0 }) {
		t.Fatal("the receiver still has connections of a host that is dead")
	}
	b := k.open(t)
	defer b.close()
	open, err := openDeliveries(t.Context(), b.store)
	if err != nil {
		t.Fatal(err)
	}
	acked := k.to.acked()
	now := verdict{undone: k.undone(t, k.orders(t, b))}
	unsettled := 0
	for d, n := range acked {
		delete(k.waiting, d)
		if again := n - max(k.acked[d], 1); again > 0 {
			now.repeated += again
		}
		if open[d] && n > k.acked[d] {
			k.exposures[d]++
			unsettled++
		}
	}
	for d := range k.waiting {
		if !open[d] { // nobody will send it any more
			now.lost++
			delete(k.waiting, d)
		}
	}
	k.acked = acked
	if unsettled > bound {
		now.over++
	}
	t.Logf("kill %d after %v: %d events accepted, %d deliveries acknowledged, %d open; %d lost, %d delivered after rollback; "+
		"this kill left %d unsettled, at most %d; repeated since the last one %d",
		kill, life, k.count(), len(acked), len(open), now.lost, now.undone, unsettled, bound, now.repeated)
	k.found.add(now)
}

// settle lets a last host finish the work.
func (k *killing) settle(t *testing.T) {
	t.Helper()
	p := k.child(t, 0, "")
	p.await(t)
	b := k.open(t)
	defer b.close()
	drained(t, b.store)
	if err := p.end(); err != nil {
		t.Errorf("the last host ended with %v", err)
	}
}
