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
		kind        string
		short, full int
	}{
		{kind: "SQLite", short: 50, full: 1000},
		{kind: "PostgreSQL", short: 20, full: 200},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			t.Parallel()
			kills := tt.short
			if full() {
				kills = tt.full
			}
			(&killing{kind: tt.kind, dsn: place(t, tt.kind), to: newReceiver(t), exposures: map[string]int{}, accepted: map[int64]bool{}}).
				run(t, kills)
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
	to        *receiver

	mu        sync.Mutex
	accepted  map[int64]bool // what a host was told to be stored
	exposures map[string]int // how many crashes could repeat a delivery
	refused   int
	repeated  int
	acked     map[string]int // at the last kill
}

func (k *killing) heard(verb, rest string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	word, _, _ := strings.Cut(rest, " ")
	switch verb {
	case "accepted":
		n, _ := strconv.ParseInt(word, 10, 64)
		k.accepted[n] = true
	case "refused":
		k.refused++
	}
}

func (k *killing) child(t *testing.T, from int64, dispatch string) *process {
	t.Helper()
	return start(t, "host", map[string]string{
		"KIND": k.kind, "DSN": k.dsn, "FROM": strconv.FormatInt(from, 10), "DISPATCH": dispatch,
	}, k.heard)
}

func (k *killing) open(t *testing.T) *backend {
	t.Helper()
	b, err := openBackend(context.Background(), k.kind, k.dsn)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (k *killing) run(t *testing.T, kills int) {
	t.Helper()
	ctx := t.Context()
	b := k.open(t)
	if err := setEndpoints(ctx, b.store, k.to.URL); err != nil {
		t.Fatal(err)
	}
	b.close()
	for i := range kills {
		p := k.child(t, int64(i+1)*1_000_000, "yes")
		p.await(t)
		born, was := time.Now(), k.count()
		until(ctx, 5*time.Second, func() bool { return k.count() > was+4 }) // it is at work
		time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
		p.kill()
		k.look(t, i+1, time.Since(born).Round(time.Millisecond))
	}
	k.settle(t)
	k.judge(t)
}

// count is how many events hosts know to be stored.
func (k *killing) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.accepted)
}

// look sees what the crash can make the receiver see again: what it
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
	exposed, total, repeated := 0, 0, 0
	for d, n := range acked {
		total += n
		repeated += n - 1
		if open[d] && n > k.acked[d] {
			k.exposures[d]++
			exposed++
		}
	}
	k.acked = acked
	t.Logf("kill %d after %v: %d events accepted, %d deliveries acknowledged, %d open; this kill left %d unsettled, at most %d; repeated since the last one %d",
		kill, life, k.count(), total, len(open), exposed, bound, repeated-k.repeated)
	k.repeated = repeated
	if exposed > bound {
		t.Errorf("kill %d left %d deliveries acknowledged and unsettled, want at most %d", kill, exposed, bound)
	}
}

// settle lets a last host finish the work.
func (k *killing) settle(t *testing.T) {
	t.Helper()
	p := k.child(t, 0, "")
	p.await(t)
	b := k.open(t)
	defer b.close()
	var last webhook.Counts
	if !until(t.Context(), 2*time.Minute, func() bool {
		counts, err := b.store.Counts(t.Context())
		last = counts
		return err == nil && counts.Pending+counts.Running == 0
	}) {
		t.Errorf("after two minutes there are still %d pending and %d running deliveries", last.Pending, last.Running)
	}
	if err := p.end(); err != nil {
		t.Errorf("the last host ended with %v", err)
	}
}

// judge compares what was promised with what arrived.
func (k *killing) judge(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	b := k.open(t)
	defer b.close()
	orders, err := b.orders(ctx)
	if err != nil {
		t.Fatal(err)
	}
	arrived := map[int64]map[string]int{}
	repeats := 0
	counted := map[string]bool{}
	acked := k.to.acked()
	for _, a := range k.to.all() {
		switch {
		case a.event.Kind == "undone":
			t.Errorf("event %d was delivered, and its transaction rolled back", a.event.N)
		case a.event.Kind == "committed" && !orders[a.event.N]:
			t.Errorf("event %d was delivered, and its transaction never committed", a.event.N)
		}
		if !a.acked {
			continue
		}
		if arrived[a.event.N] == nil {
			arrived[a.event.N] = map[string]int{}
		}
		arrived[a.event.N][a.endpoint]++
		if counted[a.delivery] {
			continue
		}
		counted[a.delivery] = true
		repeats += acked[a.delivery] - 1
		if n, most := acked[a.delivery]-1, k.exposures[a.delivery]; n > most {
			t.Errorf("delivery %s was repeated %d times, and %d crashes left it unsettled", a.delivery, n, most)
		}
	}
	for n := range orders { // a commit whose answer the crash swallowed counts as well
		k.accepted[n] = true
	}
	lost := 0
	for n := range k.accepted {
		for _, e := range endpointNames() {
			if arrived[n][e] == 0 {
				lost++
				t.Errorf("event %d was accepted, and never reached %s", n, e)
			}
		}
	}
	exposed := 0
	for _, n := range k.exposures {
		exposed += n
	}
	t.Logf("%s: %d events accepted, %d of them with an order, %d refused; %d deliveries lost, %d repeated of %d that crashes left unsettled",
		k.kind, len(k.accepted), len(orders), k.refused, lost, repeats, exposed)
	if len(k.accepted) == 0 || len(orders) == 0 {
		t.Error("nothing was accepted: the test tests nothing")
	}
}
