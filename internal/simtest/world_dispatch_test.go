package simtest_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/outhook/outhook/webhook"
)

// produce dispatches the events of one host process.
func (w *world) produce(producer int) {
	time.Sleep(w.seed.between(0, time.Second, "producer", producer))
	for i := range eventsEach {
		n := producer*eventsEach + i
		if w.seed.share("burst", n) > 0.6 {
			time.Sleep(w.seed.between(0, 6*time.Second, "pause", n))
		}
		e := happened{N: n, Text: strings.Repeat("<é>", 1+n%7), Key: fmt.Sprintf("k%d", producer%2)}
		if w.seed.share("identified", n) < 0.6 {
			e.ID = fmt.Sprintf("event-%d", n)
		}
		w.dispatch(e)
	}
}

// burst dispatches events in bursts. Some come to one process all at once: then
// they share commits.
func (w *world) burst() {
	for b := range bursts {
		time.Sleep(w.seed.between(time.Second, 8*time.Second, "burst", b))
		together := w.seed.share("together", b) < 0.5
		var all sync.WaitGroup
		for i := range burstSize {
			e := happened{N: 1000 + b*burstSize + i, Burst: true}
			if together {
				e.With = 1 + b
				all.Go(func() { w.dispatch(e) })
			} else {
				w.dispatch(e)
			}
		}
		all.Wait()
	}
}

// dispatch brings an event to a worker that lives; an event with an id is tried
// until it is accepted.
func (w *world) dispatch(e happened) {
	scope := webhook.In("link", strconv.Itoa(w.seed.below(3, "scope", e.N)))
	if e.Burst {
		scope = webhook.In("link", "2")
	}
	w.oracle.begun(e.N, e.Key, scope)
	for try := 1; ; try++ {
		at := e.N
		if e.With > 0 {
			at = -e.With
		}
		if x := w.someWorker(at, try); x != nil {
			ctx, cancel := context.WithValue(context.Background(), eventKey{}, strconv.Itoa(e.N)), func() {}
			limit := storeTimeout
			if w.seed.share("deadline", e.N, try) < 0.5 {
				limit = 800 * time.Millisecond
				ctx, cancel = context.WithTimeout(ctx, limit)
			}
			start := time.Now()
			receipt, err := x.d.Dispatch(ctx, e, scope)
			cancel()
			w.judgeDispatch(e, try, receipt, err, time.Since(start), limit)
			if err == nil || e.ID == "" {
				return
			}
		}
		if time.Since(w.oracle.start) > chaosFor+time.Minute {
			w.oracle.locked(func() { w.oracle.violate(ruleRefused, "event %d after %d tries", e.N, try) })
			return
		}
		time.Sleep(w.seed.between(100*time.Millisecond, 400*time.Millisecond, "again", e.N, try))
	}
}

func (w *world) judgeDispatch(e happened, try int, r webhook.Receipt, err error, took, limit time.Duration) {
	// Match and Enqueue are two calls of the store, and a shared commit that
	// is under way is waited for.
	if took > 3*max(limit, storeTimeout)+time.Millisecond {
		w.oracle.locked(func() { w.oracle.violate(ruleDispatch, "event %d took %v, limit %v", e.N, took, limit) })
	}
	if err != nil {
		w.oracle.locked(func() {
			if errors.Is(err, webhook.ErrOutdated) {
				w.oracle.violate(ruleTold, "event %d, try %d: %v", e.N, try, err)
			}
			w.oracle.seen["dispatches refused"]++
			w.oracle.tell("event %d, try %d: %v", e.N, try, err)
		})
		return
	}
	w.oracle.accepted(e.N, r, func(endpoint string) bool { return endpoint != "fire" })
}

func (w *world) someWorker(event, try int) *worker {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := w.seed.below(slots, "worker", event, try)
	for i := range slots {
		if x := w.workers[(first+i)%slots]; x != nil {
			return x
		}
	}
	return nil
}
