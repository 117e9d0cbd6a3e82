package simtest_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/storetest"
	"github.com/outhook/outhook/webhook/webhooktest"
)

var errDead = errors.New("simtest: the process has ended")

// gate is all that a worker reaches of the world: the store and the network.
// It takes time, and it shuts for good when the worker's process dies.
type gate struct {
	seed    seed
	name    string
	store   webhook.Queue
	ends    webhook.EndpointStore
	watch   *watch
	healed  *atomic.Bool // the world is kind from now on
	dead    atomic.Bool
	drains  atomic.Bool  // the process is about to end, and knows it
	forgets forgets      // planted: what it gives back and is lost
	trusts  bool         // planted: leases of what it takes are shorter than it thinks
	mixes   bool         // planted: it gives what it kept first, to check by what it kept last
	away    *atomic.Bool // the store answers nobody
	failed  atomic.Int64 // calls of the store that failed
	network *webhooktest.Network

	mu    sync.Mutex
	conns map[net.Conn]bool
	kept  map[string][]*recalled // what Match brought, by query, oldest first
}

// gateAll is a gate to a store with shared commits.
type gateAll struct{ *gate }

// newGate opens the store of b to a worker, through the oracle and the faulty
// stores of package storetest.
func newGate(w *world, name string) *gate {
	g := &gate{
		seed: w.seed, name: name, healed: &w.healed, away: &w.away, network: w.network,
		watch: &watch{base: w.base, o: w.oracle, worker: name},
		conns: map[net.Conn]bool{}, kept: map[string][]*recalled{}, forgets: w.forgets, trusts: w.trusts, mixes: w.mixes,
	}
	faults := storetest.Faults{Decide: g.decide}
	if w.shared {
		g.store = storetest.Faulty(&watchAll{g.watch}, faults)
	} else {
		g.store = storetest.Faulty(g.watch, faults)
	}
	g.ends = storetest.FaultyEndpoints(g.watch, faults)
	return g
}

// slot numbers the moments of the world. Decisions about calls of the store
// are made by moment, not by counting calls: where two worlds of one seed
// differ by one call, since goroutines that wake together have no order, they
// do not differ in all that follows.
func (g *gate) slot() int { return int(time.Since(g.watch.o.start) / (20 * time.Millisecond)) }

// decide says which calls fail.
func (g *gate) decide(method string, _ int) storetest.Fault {
	if g.healed.Load() {
		return storetest.NoFault
	}
	switch p := g.seed.share("store", g.name, method, g.slot()); {
	case p < 0.05:
		return storetest.Before
	case p < 0.10:
		return storetest.After
	}
	return storetest.NoFault
}

// delay is how long one way of a call takes; about tells calls of one method
// apart that are made at the same time.
func (g *gate) delay(method, way, about string) time.Duration {
	slot := g.slot()
	fast := g.seed.between(100*time.Microsecond, 3*time.Millisecond, "way", g.name, method, way, about, slot)
	if g.healed.Load() {
		return fast
	}
	switch p := g.seed.share("slow", g.name, method, way, slot); {
	case p < 0.2 && g.seed.share("slow world") < 0.2:
		return 300*time.Millisecond + fast*700
	case p < 0.004:
		return 20 * time.Second // longer than any context, and than a lease
	case p < 0.02:
		return 300*time.Millisecond + 100*fast
	case p < 0.1:
		return 10 * fast
	}
	return fast
}

// pass lets the time of one way pass.
func (g *gate) pass(ctx context.Context, method, way, about string) error {
	timer := time.NewTimer(g.delay(method, way, about))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	if g.dead.Load() {
		return errDead
	}
	if g.away.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

// through makes one call of the store.
func through[T any](ctx context.Context, g *gate, method, about string, call func() (T, error)) (T, error) {
	var zero T
	if err := g.pass(ctx, method, "there", about); err != nil {
		g.failed.Add(1)
		return zero, err
	}
	got, err := call()
	if err == nil {
		err = g.pass(ctx, method, "back", about)
	}
	if err != nil {
		g.failed.Add(1)
		return zero, err
	}
	return got, nil
}

func (g *gate) Enqueue(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
	defer g.shorten(b)()
	existing, err := through(ctx, g, "Enqueue", string(b.Message.Bodies[0].Data), func() ([]webhook.Existing, error) { return g.store.Enqueue(ctx, b) })
	if err != nil {
		g.watch.unheard(b)
	}
	return existing, err
}

func (g *gateAll) EnqueueAll(ctx context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error) {
	defer g.shorten(batches...)()
	existing, err := through(ctx, g.gate, "EnqueueAll", string(batches[0].Message.Bodies[0].Data), func() ([][]webhook.Existing, error) {
		return g.store.(webhook.BatchOutbox).EnqueueAll(ctx, batches)
	})
	if err != nil {
		g.watch.unheard(batches...)
	}
	return existing, err
}

func (g *gate) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
	start := time.Now()
	got, err := through(ctx, g, "Claim", "", func() ([]webhook.Claimed, error) { return g.store.Claim(ctx, c) })
	if err != nil {
		g.watch.forgot(start)
	}
	return got, err
}

func (g *gate) Settle(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
	if g.forgets != nil {
		items = slices.DeleteFunc(slices.Clone(items), func(it webhook.Settlement) bool { return it.Unsent && g.forgets(g, &it) })
	}
	return through(ctx, g, "Settle", "", func() (webhook.Settled, error) { return g.store.Settle(ctx, items) })
}

func (g *gate) Park(ctx context.Context, parks []webhook.Park) error {
	_, err := through(ctx, g, "Park", parks[0].EndpointID, func() (struct{}, error) { return struct{}{}, g.store.Park(ctx, parks) })
	return err
}

func (g *gate) Extend(ctx context.Context, leases []webhook.Lease, lease time.Duration) ([]int, error) {
	return through(ctx, g, "Extend", "", func() ([]int, error) {
		return g.store.(webhook.Extender).Extend(ctx, leases, lease)
	})
}

func (g *gate) Take(ctx context.Context, endpointID string, n int, rate webhook.Rate) (int, time.Duration, error) {
	var granted int
	wait, err := through(ctx, g, "Take", endpointID, func() (wait time.Duration, err error) {
		granted, wait, err = g.store.(webhook.RateLimiter).Take(ctx, endpointID, n, rate)
		return wait, err
	})
	if err != nil {
		g.watch.o.locked(func() { g.watch.o.rates[endpointID].failed++ })
	}
	return granted, wait, err
}

func (g *gate) Match(ctx context.Context, q webhook.Query) ([]*webhook.Endpoint, error) {
	found, err := through(ctx, g, "Match", string(q.Scopes[0])+eventIn(ctx), func() ([]*webhook.Endpoint, error) { return g.ends.Match(ctx, q) })
	if err == nil {
		g.keep(q, found)
	}
	return found, err
}

func (g *gate) Endpoints(ctx context.Context, ids []string) ([]*webhook.Endpoint, error) {
	return through(ctx, g, "Endpoints", ids[0], func() ([]*webhook.Endpoint, error) { return g.ends.Endpoints(ctx, ids) })
}

func (g *gate) Disable(ctx context.Context, id, reason string) error {
	_, err := through(ctx, g, "Disable", id, func() (struct{}, error) { return struct{}{}, g.ends.Disable(ctx, id, reason) })
	return err
}

// dial connects to a receiver.
func (g *gate) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if g.dead.Load() {
		return nil, errDead
	}
	if !g.healed.Load() && g.seed.share("dial", g.name, address, g.slot()) < 0.04 {
		return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	}
	c, err := g.network.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c = g.watch.conn(c)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns[c] = true
	return c, nil
}

// kill ends the worker's process: no call of the store does or tells anything
// from now on, and its connections break.
func (g *gate) kill() {
	g.dead.Store(true)
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		_ = c.Close()
	}
}

// eventKey carries which event a call is about, so that decisions can be.
type eventKey struct{}

func eventIn(ctx context.Context) string {
	about, _ := ctx.Value(eventKey{}).(string)
	return about
}
