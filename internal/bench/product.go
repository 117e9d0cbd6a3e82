package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

// event is what the product dispatches.
type event struct {
	Data string `json:"data"`
}

// EventType implements webhook.Event.
func (*event) EventType() string { return "bench.event" }

const (
	volatile = "fire-and-forget"
	stored   = "at-least-once"
)

// store is where a product keeps its endpoints and deliveries.
type store interface {
	webhook.EndpointStore
	webhook.EndpointAdmin
	webhook.Queue
}

// product is the dispatcher under load.
type product struct {
	wire
	policy string
	// tune changes the default Config; nil leaves it.
	tune func(*webhook.Config)
	// open makes the store; nil is one in memory.
	open opener
	// spread sends one event to one endpoint after the other, instead of each
	// event to all of them.
	spread bool
	// backlog enqueues everything before the clock starts, and then runs.
	backlog bool

	// at overrides the URL of an endpoint; nil leaves it.
	at func(i int) string

	scopes []webhook.Scope // set by start
}

// opened is a store, empty and for one run.
type opened struct {
	store
	ready func(ctx context.Context) error // called once it is filled
	end   func() error
	again func(ctx context.Context) (*opened, error) // the same once more; nil: cannot
	place *place                                     // nil: nowhere, or nobody's concern
}

type opener func(ctx context.Context) (*opened, error)

func openMemory(context.Context) (*opened, error) {
	return &opened{
		store: memstore.New(memstore.Options{MaxPending: 2_000_000}), // a million wait for one, and others work
		ready: func(context.Context) error { return nil },
		end:   func() error { return nil },
	}, nil
}

// scope is that of endpoint i, and of event i. A host's scope comes from its
// own data: making one is not counted.
func (p *product) scope(i int) webhook.Scope {
	if p.spread {
		return p.scopes[i%p.endpoints]
	}
	return p.scopes[0]
}

// step is how many deliveries one event makes.
func (p *product) step() int {
	if p.spread {
		return 1
	}
	return p.endpoints
}

// config is the default one, but for what loopback needs.
func (p *product) config(s store) webhook.Config {
	c := webhook.Config{
		Endpoints: s, Queue: s,
		Transports: []webhook.Transport{{
			Name: "loopback", Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
			RootCAs: p.recv.roots, HTTP1Only: p.http1,
		}},
	}
	if p.dial != nil {
		c.Transports[0].Private, c.Transports[0].DialContext = nil, p.dial
	}
	if p.tune != nil {
		p.tune(&c)
	}
	return c
}

func endpointID(i int) string { return "ep_" + strconv.Itoa(i) }

// running is a dispatcher with its endpoints, and what it takes to end it.
type running struct {
	d     *webhook.Dispatcher
	p     *product
	event *event
	track *tracker
	ready func(ctx context.Context) error
	again func(ctx context.Context) (*opened, error)
	place *place
	queue webhook.Queue
	stop  func() error
}

// tracker counts the deliveries that ended, and tells the one who waits.
type tracker struct {
	ended  atomic.Int64
	target atomic.Int64
	done   chan struct{} // told when ended reaches target; capacity 1
	wake   chan struct{} // told now and then; capacity 1
	once   sync.Once
	failed error // the first that was not delivered; read after done
	fail   chan struct{}
	each   func(message string)
}

const wakeEvery = 256

func newTracker() *tracker {
	return &tracker{done: make(chan struct{}, 1), wake: make(chan struct{}, 1), fail: make(chan struct{})}
}

// endedHook is webhook.Hooks.Ended.
func (t *tracker) endedHook(_ context.Context, d webhook.Delivery) {
	if d.State != webhook.Delivered {
		t.once.Do(func() {
			t.failed = fmt.Errorf("a delivery is %v: %s", d.State, d.Reason)
			close(t.fail)
		})
	}
	if t.each != nil {
		t.each(d.MessageID)
	}
	n := t.ended.Add(1)
	if n == t.target.Load() {
		t.done <- struct{}{}
	}
	if n%wakeEvery == 0 {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

// expect sets how many are to end from now on.
func (t *tracker) expect(n int) { t.ended.Store(0); t.target.Store(int64(n)) }

// wait returns when all that is expected ended.
func (t *tracker) wait(ctx context.Context) error { return t.on(ctx, t.done) }

func (t *tracker) on(ctx context.Context, c chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-t.fail:
		return t.failed
	case <-ctx.Done():
		return fmt.Errorf("%d of %d ended: %w", t.ended.Load(), t.target.Load(), ctx.Err())
	}
}

// start makes a dispatcher with its endpoints; run says whether it claims.
func (p *product) start(ctx context.Context, change func(*webhook.Config)) (*running, error) {
	r := &running{p: p, event: &event{Data: p.text()}, track: newTracker()}
	open := p.open
	if open == nil {
		open = openMemory
	}
	s, err := open(ctx)
	if err != nil {
		return nil, err
	}
	p.scopes = make([]webhook.Scope, p.endpoints)
	for i := range p.scopes {
		p.scopes[i] = webhook.In("bench", strconv.Itoa(i))
	}
	at := p.at
	if at == nil {
		at = p.url
	}
	for i := range p.endpoints {
		_, err := s.Set(ctx, &webhook.Endpoint{
			ID: endpointID(i), Name: strconv.Itoa(i), Scope: p.scope(i),
			URL: at(i), Policy: p.policy, Secrets: []signer.Key{p.key},
		})
		if err != nil {
			return nil, errors.Join(err, s.end())
		}
	}
	c := p.config(s.store)
	c.Hooks.Ended = r.track.endedHook
	if change != nil {
		change(&c)
	}
	if r.d, err = webhook.New(c); err != nil {
		return nil, errors.Join(err, s.end())
	}
	r.queue = s.store
	r.ready, r.again, r.place = s.ready, s.again, s.place
	r.stop = func() error { return errors.Join(r.d.Shutdown(context.WithoutCancel(ctx)), s.end()) }
	return r, nil
}

// work lets r claim until stop is called.
func (r *running) work(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- r.d.Run(ctx) }()
	stop := r.stop
	r.stop = func() error {
		cancel()
		err := <-ran
		return errors.Join(err, stop())
	}
}

// feed dispatches until n deliveries are on their way. With bounded, so few
// wait at a time that none is dropped for want of room.
func (r *running) feed(ctx context.Context, n int, bounded bool) error {
	most := int64(max(1000, 8*r.p.endpoints)) // fewer than MaxWaiting in any one lane
	for sent := 0; sent < n; sent += r.p.step() {
		for bounded && int64(sent)-r.track.ended.Load() >= most {
			if err := r.track.on(ctx, r.track.wake); err != nil {
				return err
			}
		}
		if _, err := r.d.Dispatch(ctx, r.event, r.p.scope(sent)); err != nil {
			return err
		}
	}
	return nil
}

// burst makes n deliveries and waits for them.
func (r *running) burst(ctx context.Context, n int) error {
	r.track.expect(n)
	if err := r.feed(ctx, n, true); err != nil {
		return err
	}
	return r.track.wait(ctx)
}

// run is the product's side: Dispatch, and all that follows from it.
func (p *product) run(ctx context.Context, l load) (_ sample, err error) {
	var took *clock
	var at atomic.Int64
	r, err := p.start(ctx, func(c *webhook.Config) {
		if !l.timed {
			return
		}
		took = newClock(l.n)
		c.Hooks.AttemptDone = func(_ context.Context, a webhook.Attempt) {
			if i := int(at.Add(1)) - 1; i >= 0 && i < l.n {
				took.took[i] = a.Duration
			}
		}
	})
	if err != nil {
		return sample{}, err
	}
	defer func() { err = errors.Join(err, r.stop()) }()
	if p.backlog {
		return p.drain(ctx, r, l, took)
	}
	r.work(ctx)
	warm := warmUp(p.endpoints, l.n)
	if err := r.burst(ctx, warm); err != nil {
		return sample{}, err
	}
	if err := p.check(warm); err != nil {
		return sample{}, err
	}
	at.Store(0)
	m, err := startMeter(ctx)
	if err != nil {
		return sample{}, err
	}
	burstErr := r.burst(ctx, l.n)
	s, err := m.stop(l.n)
	if err := errors.Join(err, burstErr); err != nil {
		return s, err
	}
	if took != nil {
		s.Latencies = took.sorted()
	}
	return s, p.check(l.n)
}

// drain is the claiming half alone: everything is stored before the clock
// starts.
func (p *product) drain(ctx context.Context, r *running, l load, took *clock) (sample, error) {
	r.track.expect(l.n)
	if err := errors.Join(r.fill(ctx, l.n), r.ready(ctx)); err != nil {
		return sample{}, err
	}
	m, err := startMeter(ctx)
	if err != nil {
		return sample{}, err
	}
	r.work(ctx)
	waitErr := r.track.wait(ctx)
	s, err := m.stop(l.n)
	if err := errors.Join(err, waitErr); err != nil {
		return s, err
	}
	if took != nil {
		s.Latencies = took.sorted()
	}
	return s, p.check(l.n)
}

// fill dispatches n deliveries from many callers at a time, as a host would.
func (r *running) fill(ctx context.Context, n int) error {
	const callers = 256
	var left atomic.Int64
	left.Store(int64(n / r.p.step()))
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for k := left.Add(-1); k >= 0 && errs[i] == nil; k = left.Add(-1) {
				_, errs[i] = r.d.Dispatch(ctx, r.event, r.p.scope(int(k)))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
