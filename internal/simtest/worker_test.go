package simtest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/outhook/outhook/webhook"
)

// worker is one process of the host.
type worker struct {
	name string
	gate *gate
	d    *webhook.Dispatcher
	stop context.CancelFunc
	done chan struct{} // closed when Run has returned
}

// start begins a process in a slot.
func (w *world) start(slot, life int) {
	name := fmt.Sprintf("worker-%d-%d", slot, life)
	g := newGate(w, name)
	s := g.open(w.shared, w.recalls)
	cfg := webhook.Config{
		Endpoints: s, Queue: s, Policies: w.policies(),
		Transports:   []webhook.Transport{{Name: "memory", DialContext: g.dial}},
		Lease:        leaseTime,
		SlowAfter:    time.Second,
		PollInterval: 200 * time.Millisecond,
		StoreTimeout: w.timeout,
		DrainTimeout: drainTime,
		Failing:      webhook.FailingRules{OpenAfter: 6, OpenFor: 2 * time.Second, MaxOpenFor: 8 * time.Second, DisableAfter: -1},
		Hooks: webhook.Hooks{Ended: func(_ context.Context, d webhook.Delivery) {
			if !g.dead.Load() {
				w.oracle.ended(d)
			}
		}},
	}
	if w.seed.share("disables") < 0.25 {
		cfg.Failing.DisableAfter, cfg.Failing.DisableCount = 15*time.Second, 8
	}
	d, err := webhook.New(cfg)
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	x := &worker{name: name, gate: g, d: d, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(x.done)
		if err := d.Run(ctx); err != nil {
			panic(err)
		}
	}()
	w.oracle.locked(func() { w.oracle.tell("%s starts", name) })
	w.mu.Lock()
	defer w.mu.Unlock()
	w.workers[slot] = x
}

// keepWorker lets processes of a slot die, stop and start until the world is
// healed; then one is left.
func (w *world) keepWorker(slot int) {
	time.Sleep(w.seed.between(0, time.Second, "begins", slot))
	for life := 1; ; life++ {
		w.start(slot, life)
		rest := time.Until(w.oracle.start.Add(chaosFor))
		runs := w.seed.between(time.Second, 15*time.Second, "lives", slot, life)
		if runs >= rest {
			return
		}
		time.Sleep(runs)
		if w.seed.share("dies", slot, life) < 0.5 {
			w.kill(slot)
		} else {
			w.retire(slot)
		}
		time.Sleep(w.seed.between(50*time.Millisecond, 3*time.Second, "rests", slot, life))
	}
}

func (w *world) take(slot int) *worker {
	w.mu.Lock()
	defer w.mu.Unlock()
	x := w.workers[slot]
	w.workers[slot] = nil
	return x
}

// kill lets a process die. What is left of it in memory is cleared away
// meanwhile, without any word to the world.
func (w *world) kill(slot int) {
	x := w.take(slot)
	w.oracle.locked(func() {
		w.oracle.seen["deaths"]++
		w.oracle.leaves(x.name, "its worker dies")
		w.oracle.tell("%s dies", x.name)
	})
	x.gate.kill()
	w.zombies.Go(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = x.d.Shutdown(ctx)
		x.stop()
		<-x.done
	})
}

// retire lets a process end as it should, and judges what it leaves.
func (w *world) retire(slot int) {
	x := w.take(slot)
	w.oracle.locked(func() {
		w.oracle.leaves(x.name, "its worker stops")
		w.oracle.tell("%s stops", x.name)
	})
	failed, start := x.gate.failed.Load(), time.Now()
	x.gate.drains.Store(true)
	x.stop()
	<-x.done
	w.oracle.locked(func() { w.oracle.tell("%s has stopped", x.name) })
	if x.gate.failed.Load() == failed {
		w.oracle.drained(x.name)
	}
	// The rest of a claim, the requests under way, and their settlements.
	const most = 20*time.Second + drainTime + 5*time.Second
	if took := time.Since(start); took > most {
		w.oracle.locked(func() { w.oracle.violate(ruleNeverEnds, "%s took %v to stop", x.name, took) })
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = x.d.Shutdown(ctx)
	if took := time.Since(start); took > most+15*time.Second {
		w.oracle.locked(func() { w.oracle.violate(ruleNeverEnds, "%s took %v to shut down", x.name, took) })
	}
}
