package main

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/sqlstore"
)

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

// The pauses before each event: after them everything sleeps. A store that
// notifies does so once in 10 ms.
const (
	shortPause = 3 * time.Millisecond
	longPause  = 25 * time.Millisecond
)

// idle makes n events with a pause before each.
func idle(ctx context.Context, n int, pause time.Duration, one func() (time.Duration, error)) (sample, error) {
	m, err := startMeter(ctx)
	if err != nil {
		return sample{}, err
	}
	took := make([]time.Duration, n)
	for i := range n {
		if err := rest(ctx, pause); err != nil {
			return sample{}, err
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

// rest waits for d.
func rest(ctx context.Context, d time.Duration) error {
	pause := time.NewTimer(d)
	defer pause.Stop()
	select {
	case <-pause.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

const (
	factHandOver = "ns of a hand-over"
	factCommit   = "ns of a commit"
	factOwn      = "ns of the bare client to the wire"
)

// idleFloor measures a unit so many times, and the bare client's own way to the
// wire, each by itself.
func idleFloor(e *env, times float64, fact string, unit func(context.Context, int, time.Duration) (sample, error), pause time.Duration) func(context.Context, load) (sample, error) {
	return func(ctx context.Context, l load) (sample, error) {
		one, err := unit(ctx, l.n, pause)
		if err != nil {
			return one, err
		}
		t := newTap()
		w := newWire(e)
		w.dial = t.dial
		client := w.client()
		defer client.CloseIdleConnections()
		sign, err := newHandSigner(w.key)
		if err != nil {
			return one, err
		}
		p := &poster{client: client, sign: sign, timeout: timeoutOf(volatile)}
		body, url := w.prepared(), w.url(0)
		if err := p.post(ctx, url, body); err != nil { // opens the connection
			return one, err
		}
		own, err := idle(ctx, l.n, pause, func() (time.Duration, error) {
			return t.next(ctx, func() (time.Time, error) {
				began := time.Now()
				return began, p.post(ctx, url, body)
			})
		})
		if err != nil {
			return own, err
		}
		own.Facts = map[string]float64{fact: one.Cost, factOwn: own.Cost}
		own.Cost += times * one.Cost
		return own, w.check(l.n + 1)
	}
}

// handOver is that of a value to a goroutine that waits for it.
func handOver(ctx context.Context, n int, pause time.Duration) (sample, error) {
	handed := make(chan time.Time)
	answers := make(chan time.Duration)
	go func() {
		for at := range handed {
			answers <- time.Since(at)
		}
	}()
	defer close(handed)
	return idle(ctx, n, pause, func() (time.Duration, error) {
		handed <- time.Now()
		return <-answers, nil
	})
}

// commits are those of one row of 1 KB each.
func commits(ctx context.Context, n int, pause time.Duration) (s sample, err error) {
	p, err := newPlace(ctx, sqlstore.PostgreSQL)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, p.drop()) }()
	pool, err := pgxpool.New(ctx, p.dsn)
	if err != nil {
		return s, err
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, "CREATE TABLE hand_row (id bigint PRIMARY KEY, data bytea)"); err != nil {
		return s, err
	}
	id, data := 0, make([]byte, 1000)
	return idle(ctx, n, pause, func() (time.Duration, error) {
		began := time.Now()
		id++
		_, err := pool.Exec(ctx, "INSERT INTO hand_row VALUES ($1, $2)", id, data)
		return time.Since(began), err
	})
}

// idleProduct measures from the call of Dispatch to the wire.
type idleProduct struct {
	*env
	policy string
	open   opener
	other  bool // a dispatcher with a store and connections of its own dispatches
	pause  time.Duration
}

func (x *idleProduct) run(ctx context.Context, l load) (_ sample, err error) {
	t := newTap()
	p := &product{wire: newWire(x.env), policy: x.policy, open: x.open}
	p.dial = t.dial
	r, err := p.start(ctx, nil)
	if err != nil {
		return sample{}, err
	}
	r.work(ctx)
	defer func() { err = errors.Join(err, r.stop()) }()
	d := r.d
	if x.other {
		s, err := r.again(ctx)
		if err != nil {
			return sample{}, err
		}
		defer func() { err = errors.Join(err, s.end()) }()
		if d, err = webhook.New(p.config(s.store)); err != nil {
			return sample{}, err
		}
		defer func() { err = errors.Join(err, d.Shutdown(context.WithoutCancel(ctx))) }()
	}
	if err := r.burst(ctx, 1); err != nil { // opens the connection
		return sample{}, err
	}
	s, err := idle(ctx, l.n, x.pause, func() (time.Duration, error) {
		r.track.expect(1)
		took, err := t.next(ctx, func() (time.Time, error) {
			began := time.Now()
			_, err := d.Dispatch(ctx, r.event, p.scope(0))
			return began, err
		})
		return took, errors.Join(err, r.track.wait(ctx))
	})
	if err != nil {
		return s, err
	}
	return s, p.check(l.n + 1)
}
