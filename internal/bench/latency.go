package main

import (
	"context"
	"errors"
	"math/rand/v2"
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
						{Name: "floor", Run: idleFloor(e, 3, factHandOver, handOver, shortPause)},
						{Name: "default", Aims: []aim{{Of: cost, Limit: 1}}, Run: (&idleProduct{env: e, policy: policy, pause: shortPause}).run},
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
	return append(out, scenario{
		Name: "idle/postgres", N: 100, Short: 20, Of: cost,
		About: "from Dispatch to the first byte of the request on the wire, idle, pgxstore with durable commits",
		Floor: "two commits of one row, and the bare client from Do to the wire",
		Open: func(_ context.Context, e *env) ([]arm, func() error, error) {
			aims := []aim{{Of: cost, Limit: 1}}
			p := idleProduct{env: e, policy: stored, open: openPgx, pause: longPause}
			other := p
			other.other = true
			return []arm{
				{Name: "floor", Run: idleFloor(e, 2, factCommit, commits, longPause)},
				{Name: "same process", Aims: aims, Run: p.run},
				{Name: "another process, NOTIFY", Aims: aims, Run: other.run},
			}, nil, nil
		},
	})
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
	client := w.client()
	defer client.CloseIdleConnections()
	if _, err := newHandSigner(w.key); err != nil {
		return sample{}, err
	}
	posters := sync.Pool{New: func() any {
		sign, _ := newHandSigner(w.key) // it went well before
		return &poster{client: client, sign: sign, timeout: timeoutOf(policy)}
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
