package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
)

// neighbourhoods are the scenarios of endpoints that behave badly beside others
// that don't: the floor is the same dispatcher without the bad ones' events.
func neighbourhoods() []scenario {
	var out []scenario
	for _, g := range []struct {
		engine string
		open   opener
		rate   float64 // of the good ones' events, a second
	}{
		{"memory", openMemory, 1000},
		{"postgres", openPgx, 400},
	} {
		n := int(3 * g.rate)
		out = append(
			out,
			noisy("noisy/"+g.engine, "10 others hang until the timeout of 1 s, and 10 answer 500",
				neighbourhood{good: 80, hang: 10, fail: 10, rate: g.rate, open: g.open, timeout: time.Second}, n),
			noisy("dead/"+g.engine, "1,000 others hang from before the first event to the end, and 100,000 deliveries (with -full a million) wait for one that refuses connections",
				neighbourhood{good: 80, hang: 1000, dead: 1, backlog: 100_000, rate: g.rate, open: g.open}, n),
		)
	}
	return out
}

func noisy(name, about string, h neighbourhood, n int) scenario {
	return scenario{
		Name: name, N: n, Short: n / 5, Of: p99,
		About: fmt.Sprintf("%.0f events a second to %d endpoints, from the time an event was to happen to the end of its delivery; %s", h.rate, h.good, about),
		Floor: "the same dispatcher and endpoints, without the events of the others",
		Open: func(_ context.Context, e *env) ([]arm, func() error, error) {
			with, without := h, h
			with.noise = true
			switch {
			case e.full:
				with.backlog *= 10
			case e.short:
				with.backlog /= 10
			}
			return []arm{
				{Name: "floor", Run: without.run(e)},
				{Name: "with the others", Aims: []aim{{Of: p99, Limit: 1.5}}, Run: with.run(e)},
			}, nil, nil
		},
	}
}

// neighbourhood has so many endpoints of each kind, the good ones first.
type neighbourhood struct {
	good, hang, fail, dead int
	backlog                int           // deliveries that wait for the dead one
	rate                   float64       // of the good ones' events; each bad one has as many, but all together no more
	timeout                time.Duration // of an attempt; 0 is the default
	noise                  bool
	open                   opener
}

// url is that of endpoint i.
func (h *neighbourhood) url(w *wire, i int) string {
	base := "http://" + w.recv.Plain
	switch i -= h.good; {
	case i < 0:
		return w.url(i + h.good)
	case i < h.hang:
		return base + "/hang/" + strconv.Itoa(i)
	case i < h.hang+h.fail:
		return base + "/fail/" + strconv.Itoa(i)
	}
	return "http://127.0.0.1:65534/" // nothing listens there
}

// product is the dispatcher.
func (h *neighbourhood) product(e *env) *product {
	p := &product{wire: newWire(e), policy: stored, open: h.open, spread: true}
	p.endpoints = h.good + h.hang + h.fail + h.dead
	p.at = func(i int) string { return h.url(&p.wire, i) }
	p.tune = func(c *webhook.Config) {
		policy := retry.AtLeastOnce()
		policy.Name = stored
		if h.timeout > 0 {
			policy.Timeout = h.timeout
		}
		c.Policies, c.DrainTimeout = []retry.Policy{policy}, 10*time.Millisecond // nobody waits for what hangs
	}
	return p
}

func (h *neighbourhood) run(e *env) func(context.Context, load) (sample, error) {
	return func(ctx context.Context, l load) (_ sample, err error) {
		p := h.product(e)
		r, err := p.start(ctx, nil)
		if err != nil {
			return sample{}, err
		}
		defer func() { err = errors.Join(err, r.stop()) }()
		if err := h.begin(ctx, r); err != nil {
			return sample{}, err
		}
		w := newWatchList(l.n)
		r.track.each = w.end
		r.track.expect(l.n)
		m, err := startMeter(ctx)
		if err != nil {
			return sample{}, err
		}
		feedErr := h.feed(ctx, r, w)
		s, err := m.stop(l.n)
		if err := errors.Join(err, feedErr); err != nil {
			return s, err
		}
		s.Latencies = w.sorted()
		g, err := e.recv.take()
		if err == nil && int(g.Requests) < l.n {
			err = fmt.Errorf("the receiver saw %d requests, want at least %d", g.Requests, l.n)
		}
		// An attempt that outlasts the timeout is repeated, whoever is slow.
		s.Facts = map[string]float64{factHeap: float64(liveHeap()), factRepeats: float64(int(g.Requests) - l.n)}
		return s, err
	}
}

const factRepeats = "attempts repeated after a timeout"

// begin stores the backlog, starts r, and lets those that hang for long hang.
func (h *neighbourhood) begin(ctx context.Context, r *running) error {
	if h.noise {
		if err := r.load(ctx, "dead", h.backlog, 10, func(int) string { return endpointID(r.p.endpoints - 1) }); err != nil {
			return err
		}
	}
	if err := r.ready(ctx); err != nil {
		return err
	}
	r.work(ctx)
	if !h.noise || h.timeout > 0 {
		return nil
	}
	if err := r.load(ctx, "hang", h.hang, 100, func(i int) string { return endpointID(h.good + i) }); err != nil {
		return err
	}
	r.d.Wake()
	return rest(ctx, 3*time.Second)
}

// feed dispatches the events of all, and waits for those of the good ones.
func (h *neighbourhood) feed(ctx context.Context, r *running, w *watchList) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var noise, calls sync.WaitGroup
	quiet, stop := context.WithCancel(ctx)
	defer stop()
	bad := h.hang + h.fail
	if h.noise {
		each := min(h.rate/float64(h.good)*float64(bad), h.rate)
		noise.Go(func() {
			at := arrivals(int(each*60), each)
			_ = onTime(quiet, at, func(i int, _ time.Time) error { // it ends when it is told to
				calls.Go(func() {
					_, err := r.d.Dispatch(ctx, r.event, r.p.scope(h.good+i%bad))
					cancelOn(cancel, err)
				})
				return nil
			})
		})
	}
	err := onTime(ctx, arrivals(len(w.began), h.rate), func(i int, due time.Time) error {
		calls.Go(func() {
			got, err := r.d.Dispatch(ctx, r.event, r.p.scope(i%h.good))
			cancelOn(cancel, err)
			w.began[i] = ending{message: got.MessageID, at: due}
		})
		return nil
	})
	if err == nil {
		err = r.track.wait(ctx)
	}
	stop()
	noise.Wait()
	calls.Wait()
	return errors.Join(err, context.Cause(ctx))
}

// watchList takes down when each delivery was to begin, and when it ended.
type watchList struct {
	began, ended []ending
	next         atomic.Int64
}

func newWatchList(n int) *watchList {
	return &watchList{began: make([]ending, n), ended: make([]ending, n)}
}

func (w *watchList) end(message string) {
	if i := int(w.next.Add(1)) - 1; i < len(w.ended) {
		w.ended[i] = ending{message: message, at: time.Now()}
	}
}

func (w *watchList) sorted() []time.Duration {
	began := make(map[string]time.Time, len(w.began))
	for _, b := range w.began {
		began[b.message] = b.at
	}
	took := make([]time.Duration, 0, len(w.ended))
	for _, e := range w.ended {
		took = append(took, e.at.Sub(began[e.message]))
	}
	slices.Sort(took)
	return took
}

// load stores n deliveries without a Dispatch each: a message of 1 KB for
// every fan of them. What is loaded apart has names apart.
func (r *running) load(ctx context.Context, name string, n, fan int, endpoint func(i int) string) error {
	const atOnce = 1000
	for i := 0; i < n; {
		var group []*webhook.Batch
		for end := min(i+atOnce, n); i < end; {
			m := &webhook.Message{
				ID: fmt.Sprintf("msg_%s_%d", name, i), Type: r.event.EventType(), Time: time.Now(),
				Bodies: []webhook.Body{{Variant: "json", Body: payload.Body{ContentType: "application/json", Data: r.p.prepared(), Tail: 1}}},
			}
			b := &webhook.Batch{Message: m}
			for k := 0; k < fan && i < end; k++ {
				b.Deliveries = append(b.Deliveries, webhook.Delivery{
					ID: fmt.Sprintf("dlv_%s_%d", name, i), MessageID: m.ID, EndpointID: endpoint(i), Policy: stored, State: webhook.Pending,
				})
				i++
			}
			group = append(group, b)
		}
		if err := r.enqueue(ctx, group); err != nil {
			return fmt.Errorf("load: %w", err)
		}
	}
	return nil
}

func (r *running) enqueue(ctx context.Context, group []*webhook.Batch) error {
	if q, ok := r.queue.(webhook.BatchOutbox); ok {
		_, err := q.EnqueueAll(ctx, group)
		return err
	}
	for _, b := range group {
		if _, err := r.queue.Enqueue(ctx, b); err != nil {
			return err
		}
	}
	return nil
}
