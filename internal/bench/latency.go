package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// latencies are the scenarios of single deliveries.
func latencies() []scenario {
	var out []scenario
	for _, policy := range []string{volatile, stored} {
		kind := map[string]string{volatile: "volatile", stored: "memory"}[policy]
		out = append(out,
			scenario{
				Name: "idle/" + kind, N: 500, Short: 100, Of: cost,
				About: "from Dispatch to the first byte of the request on the wire, idle, median of single events",
				Floor: "three hand-overs to a goroutine by a channel, and the bare client from Do to the wire",
				Open: func(_ context.Context, e *env) ([]arm, func() error, error) {
					return []arm{
						{Name: "floor", Run: idleFloor(e)},
						{Name: "default", Aims: []aim{{Of: cost, Limit: 1}}, Run: idleProduct(e, policy)},
					}, nil, nil
				},
			},
			scenario{
				Name: "open/" + kind, N: 20_000, Short: 4_000, Of: p99,
				About: "open loop at 70 % of the product's capacity: from the time an event was to happen to its answer",
				Floor: "open-loop bare client at the same times, a goroutine each",
				Open:  openLoop(policy),
			},
		)
	}
	return out
}

// tap tells when a request reaches the wire: the first write on any of its
// connections after arm.
type tap struct {
	armed atomic.Bool
	wrote chan time.Time // capacity 1
}

func newTap() *tap { return &tap{wrote: make(chan time.Time, 1)} }

func (t *tap) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &tapped{Conn: c, tap: t}, nil
}

type tapped struct {
	net.Conn
	tap *tap
}

// Write implements net.Conn.
func (c *tapped) Write(p []byte) (int, error) {
	if c.tap.armed.Swap(false) {
		c.tap.wrote <- time.Now()
	}
	return c.Conn.Write(p)
}

// next arms the tap, lets act begin something, and returns how long it took
// from the time that act returned until a write.
func (t *tap) next(ctx context.Context, act func() (time.Time, error)) (time.Duration, error) {
	t.armed.Store(true)
	began, err := act()
	if err != nil {
		return 0, err
	}
	select {
	case at := <-t.wrote:
		return at.Sub(began), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// idle makes n events with a pause before each, so that everything sleeps.
func idle(ctx context.Context, n int, one func() (time.Duration, error)) (sample, error) {
	m, err := startMeter(ctx)
	if err != nil {
		return sample{}, err
	}
	took := make([]time.Duration, n)
	for i := range n {
		pause := time.NewTimer(3 * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return sample{}, ctx.Err()
		}
		if took[i], err = one(); err != nil {
			return sample{}, err
		}
	}
	s, err := m.stop(n)
	slices.Sort(took)
	s.Latencies, s.Cost = took, float64(percentile(took, 0.5))
	return s, err
}

const (
	factHandOver = "ns of a hand-over"
	factOwn      = "ns of the bare client to the wire"
)

// idleFloor measures a hand-over by a channel and the bare client's own way to
// the wire, each by itself.
func idleFloor(e *env) func(context.Context, load) (sample, error) {
	return func(ctx context.Context, l load) (sample, error) {
		handed := make(chan time.Time)
		answers := make(chan time.Duration)
		go func() {
			for at := range handed {
				answers <- time.Since(at)
			}
		}()
		defer close(handed)
		hand, err := idle(ctx, l.n, func() (time.Duration, error) {
			handed <- time.Now()
			return <-answers, nil
		})
		if err != nil {
			return hand, err
		}
		t := newTap()
		w := newWire(e)
		w.dial = t.dial
		header, err := w.header(ctx)
		if err != nil {
			return hand, err
		}
		client := w.client()
		defer client.CloseIdleConnections()
		p := &poster{client: client, header: header, timeout: timeoutOf(volatile)}
		body, url := w.prepared(), w.url(0)
		if err := p.post(ctx, url, body); err != nil { // opens the connection
			return hand, err
		}
		own, err := idle(ctx, l.n, func() (time.Duration, error) {
			return t.next(ctx, func() (time.Time, error) {
				began := time.Now()
				return began, p.post(ctx, url, body)
			})
		})
		if err != nil {
			return own, err
		}
		own.Facts = map[string]float64{factHandOver: hand.Cost, factOwn: own.Cost}
		own.Cost += 3 * hand.Cost
		return own, w.check(l.n + 1)
	}
}

// idleProduct measures from the call of Dispatch to the wire.
func idleProduct(e *env, policy string) func(context.Context, load) (sample, error) {
	return func(ctx context.Context, l load) (_ sample, err error) {
		t := newTap()
		p := &product{wire: newWire(e), policy: policy}
		p.dial = t.dial
		r, err := p.start(ctx, nil)
		if err != nil {
			return sample{}, err
		}
		r.work(ctx)
		defer func() { err = errors.Join(err, r.stop()) }()
		if err := r.burst(ctx, 1); err != nil { // opens the connection
			return sample{}, err
		}
		s, err := idle(ctx, l.n, func() (time.Duration, error) {
			r.track.expect(1)
			took, err := t.next(ctx, func() (time.Time, error) {
				began := time.Now()
				_, err := r.d.Dispatch(ctx, r.event, p.scope(0))
				return began, err
			})
			return took, errors.Join(err, r.track.wait(ctx))
		})
		if err != nil {
			return s, err
		}
		return s, p.check(l.n + 1)
	}
}

// openLoop offers 70 % of what the product can do, by a clock that waits for
// nobody.
func openLoop(policy string) func(context.Context, *env) ([]arm, func() error, error) {
	return func(ctx context.Context, e *env) ([]arm, func() error, error) {
		w := newWire(e)
		w.endpoints = 10
		n := 20_000
		if e.short {
			n = 4_000
		}
		full, err := (&product{wire: w, policy: policy, spread: true}).run(ctx, load{n: n})
		if err != nil {
			return nil, nil, err
		}
		offered := 0.7 * full.value(rate)
		return []arm{
			{Name: "floor", Run: func(ctx context.Context, l load) (sample, error) {
				return openFloor(ctx, &w, policy, l.n, offered)
			}},
			{Name: "default", Aims: []aim{{Of: p99, Limit: 2}}, Run: func(ctx context.Context, l load) (sample, error) {
				return openProduct(ctx, &w, policy, l.n, offered)
			}},
		}, nil, nil
	}
}

const factOffered = "offered per second"

// arrivals are the times at which n events happen: a Poisson process, the same
// for both sides.
func arrivals(n int, perSecond float64) []time.Duration {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // it need not be secret, but the same each time
	at := make([]time.Duration, n)
	var t float64
	for i := range at {
		t += r.ExpFloat64() / perSecond
		at[i] = time.Duration(t * 1e9)
	}
	return at
}

// onTime calls each at its time, however long the calls before took.
func onTime(ctx context.Context, at []time.Duration, each func(i int, due time.Time) error) error {
	began := time.Now()
	for i, d := range at {
		due := began.Add(d)
		if wait := time.Until(due); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := each(i, due); err != nil {
			return err
		}
	}
	return nil
}

func openFloor(ctx context.Context, w *wire, policy string, n int, offered float64) (sample, error) {
	header, err := w.header(ctx)
	if err != nil {
		return sample{}, err
	}
	client := w.client()
	defer client.CloseIdleConnections()
	posters := sync.Pool{New: func() any {
		return &poster{client: client, header: header, timeout: timeoutOf(policy)}
	}}
	body := w.prepared()
	urls := make([]string, w.endpoints)
	for i := range urls {
		urls[i] = w.url(i)
	}
	took, errs := newClock(n), make([]error, n)
	m, err := startMeter(ctx)
	if err != nil {
		return sample{}, err
	}
	var wg sync.WaitGroup
	err = onTime(ctx, arrivals(n, offered), func(i int, due time.Time) error {
		wg.Go(func() {
			p, _ := posters.Get().(*poster)
			errs[i] = p.post(ctx, urls[i%len(urls)], body)
			posters.Put(p)
			took.took[i] = time.Since(due)
		})
		return nil
	})
	wg.Wait()
	s, stopErr := m.stop(n)
	if err := errors.Join(append(errs, err, stopErr)...); err != nil {
		return s, err
	}
	s.Latencies, s.Facts = took.sorted(), map[string]float64{factOffered: offered}
	return s, w.check(n)
}

// ending is when a message's delivery ended.
type ending struct {
	message string
	at      time.Time
}

func openProduct(ctx context.Context, w *wire, policy string, n int, offered float64) (_ sample, err error) {
	p := &product{wire: *w, policy: policy, spread: true}
	r, err := p.start(ctx, nil)
	if err != nil {
		return sample{}, err
	}
	r.work(ctx)
	defer func() { err = errors.Join(err, r.stop()) }()
	ends := make([]ending, n)
	var at atomic.Int64
	r.track.each = func(message string) {
		ends[at.Add(1)-1] = ending{message: message, at: time.Now()}
	}
	r.track.expect(n)
	began := make(map[string]time.Time, n)
	m, err := startMeter(ctx)
	if err != nil {
		return sample{}, err
	}
	feedErr := onTime(ctx, arrivals(n, offered), func(i int, due time.Time) error {
		got, err := r.d.Dispatch(ctx, r.event, p.scope(i))
		began[got.MessageID] = due
		return err
	})
	if feedErr == nil {
		feedErr = r.track.wait(ctx)
	}
	s, err := m.stop(n)
	if err := errors.Join(err, feedErr); err != nil {
		return s, err
	}
	took := newClock(n)
	for i, e := range ends {
		took.took[i] = e.at.Sub(began[e.message])
	}
	s.Latencies, s.Facts = took.sorted(), map[string]float64{factOffered: offered}
	return s, w.check(n)
}
