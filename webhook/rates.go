package webhook

import (
	"context"
	"sync"
	"time"
)

// rates counts requests per endpoint where the store does not, and reopens
// lanes of volatile deliveries that wait for their endpoint's rate.
type rates struct {
	mu      sync.Mutex
	windows map[string]*window
	sweepAt int
	timers  map[*lane]*time.Timer
	stopped bool
}

// window counts requests in slices of rate.Per, one more than make it up, so
// that no window of that length anywhere holds more than the limit.
type window struct {
	per    time.Duration
	slice  int64 // the number of the newest slice since the epoch
	counts [windowSlices + 1]int
}

const windowSlices = 32

// take grants up to n requests now.
func (r *rates) take(id string, n int, rate Rate, now time.Time) (granted int, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.windows[id]
	if w == nil || w.per != rate.Per {
		r.sweep(now)
		w = &window{per: rate.Per}
		r.windows[id] = w
	}
	return w.take(n, rate.Limit, now)
}

func (w *window) take(n, limit int, now time.Time) (granted int, wait time.Duration) {
	length := max(int64(w.per)/windowSlices, 1)
	at := now.UnixNano() / length
	for w.slice = max(w.slice, at-windowSlices-1); w.slice < at; {
		w.slice++
		w.counts[w.slice%(windowSlices+1)] = 0
	}
	used := 0
	for _, c := range w.counts {
		used += c
	}
	granted = min(n, max(limit-used, 0))
	w.counts[w.slice%(windowSlices+1)] += granted
	for s := w.slice - windowSlices; s <= w.slice; s++ { // the oldest that counts
		if w.counts[s%(windowSlices+1)] > 0 {
			return granted, time.Duration((s+windowSlices+1)*length - now.UnixNano())
		}
	}
	return granted, time.Duration(length)
}

// sweep forgets the windows that are over, once there are many. The cost is
// spread over those that came since the last time.
func (r *rates) sweep(now time.Time) {
	if r.windows == nil {
		r.windows, r.sweepAt = make(map[string]*window), maxCached
	}
	if len(r.windows) < r.sweepAt {
		return
	}
	for id, w := range r.windows {
		if length := max(int64(w.per)/windowSlices, 1); now.UnixNano()/length > w.slice+windowSlices {
			delete(r.windows, id)
		}
	}
	r.sweepAt = max(maxCached, 2*len(r.windows))
}

// reopen opens l again after wait.
func (r *rates) reopen(d *Dispatcher, l *lane, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return
	}
	if r.timers == nil {
		r.timers = make(map[*lane]*time.Timer)
	}
	r.timers[l] = time.AfterFunc(wait, func() {
		r.mu.Lock()
		delete(r.timers, l)
		r.mu.Unlock()
		d.lanes.reopen(l)
		d.pool.Kick()
	})
}

// stop ends all timers.
func (r *rates) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	for _, t := range r.timers {
		t.Stop()
	}
}

// takeRate asks for n requests: the store, if it counts over all processes,
// else our own count.
func (d *Dispatcher) takeRate(ctx context.Context, ep *Endpoint, n int) (granted int, wait time.Duration) {
	if shared, ok := d.cfg.Queue.(RateLimiter); ok {
		ctx, cancel := d.bound(ctx)
		defer cancel()
		err := d.contain(ctx, "store", func() (err error) {
			granted, wait, err = shared.Take(ctx, ep.ID, n, ep.Rate)
			return err
		})
		if err == nil {
			return min(max(granted, 0), n), wait
		}
		d.storeFailed(ctx, "take", err)
	}
	return d.rates.take(ep.ID, n, ep.Rate, time.Now())
}

// allowed reports whether the endpoint's rate lets j be sent now. If not, the
// delivery waits, at no cost of attempts: a volatile one in its lane, a stored
// one in the queue, where its endpoint is parked for all processes.
func (d *Dispatcher) allowed(j *job) (bool, pace) {
	ep := j.target.ep
	if ep.Rate.Limit == 0 {
		return true, 0
	}
	granted, wait := d.takeRate(d.attempts.context(), ep, 1)
	if granted > 0 {
		return true, 0
	}
	wait = max(wait, time.Millisecond)
	if !j.stored {
		l := j.lane
		d.lanes.postpone(j)
		d.rates.reopen(d, l, wait)
		return false, 0
	}
	delay := time.Duration(0)
	if !d.park([]Park{{EndpointID: ep.ID, For: wait}}) {
		delay = min(wait, lookAgain)
	}
	d.letGo(append(d.lanes.shedLaneOf(ep.ID), j), delay)
	return false, unknownPace
}
