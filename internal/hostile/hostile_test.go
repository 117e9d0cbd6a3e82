package hostile_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

// long reports whether the long forms are asked for.
func long() bool { return os.Getenv("OUTHOOK_FULL") != "" }

// pick returns what belongs to the form that is asked for.
func pick[T any](short, full T) T {
	if long() {
		return full
	}
	return short
}

const scope webhook.Scope = "link:1"

// clicked is the event of these tests.
type clicked struct {
	Text string `json:"text"`
}

func (clicked) EventType() string { return "link.clicked" }

// rig is a dispatcher with stores in memory that tells of what has ended.
type rig struct {
	*webhook.Dispatcher
	store    *memstore.Store
	attempts chan webhook.Attempt
	ended    chan webhook.Delivery
	ran      chan error
}

// start runs a dispatcher with one policy, of one attempt.
func start(tb testing.TB, timeout time.Duration, via webhook.Transport, change func(*webhook.Config)) *rig {
	tb.Helper()
	r := &rig{
		store:    memstore.New(memstore.Options{}),
		attempts: make(chan webhook.Attempt, 1<<8), ended: make(chan webhook.Delivery, 1<<8), ran: make(chan error, 1),
	}
	cfg := webhook.Config{
		Endpoints: r.store, Queue: r.store, Transports: []webhook.Transport{via},
		Policies: []retry.Policy{{Name: "once", Mode: retry.StoredOnce, Timeout: timeout}},
		Hooks: webhook.Hooks{
			AttemptDone: func(_ context.Context, a webhook.Attempt) { r.attempts <- a },
			Ended:       func(_ context.Context, d webhook.Delivery) { r.ended <- d },
		},
		Failing: webhook.FailingRules{OpenAfter: -1, DisableAfter: -1},
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if r.Dispatcher, err = webhook.New(cfg); err != nil {
		tb.Fatalf("New: %v", err)
	}
	go func() { r.ran <- r.Run(context.Background()) }()
	return r
}

// stop ends the dispatcher and reports errors.
func (r *rig) stop(tb testing.TB) {
	tb.Helper()
	if err := r.Shutdown(context.Background()); err != nil {
		tb.Errorf("Shutdown = %v, want nil", err)
	}
	if err := <-r.ran; err != nil {
		tb.Errorf("Run = %v, want nil", err)
	}
}

func (r *rig) set(tb testing.TB, endpoints ...webhook.Endpoint) {
	tb.Helper()
	for i := range endpoints {
		if _, err := r.store.Set(context.Background(), &endpoints[i]); err != nil {
			tb.Fatalf("Set(%v): %v", endpoints[i], err)
		}
	}
}

func (r *rig) dispatch(tb testing.TB, e webhook.Event) {
	tb.Helper()
	if _, err := r.Dispatch(context.Background(), e, scope); err != nil {
		tb.Fatalf("Dispatch: %v", err)
	}
}

// settled waits until no more goroutines run than before.
func settled(tb testing.TB, before int) {
	tb.Helper()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			tb.Errorf("%d goroutines are left, want %d:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
			return
		}
	}
}

// allocated is how much the heap has grown since the program began, what was
// freed included.
func allocated() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.TotalAlloc)
}

func mib(n int64) string { return fmt.Sprintf("%.2f MiB", float64(n)/(1<<20)) }

// meter collects garbage without a pause, and returns what tells how much more
// memory was in use at most, after a collection, than now.
func meter() func() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	used := func() int64 {
		runtime.GC()
		metrics.Read(sample)
		return int64(sample[0].Value.Uint64())
	}
	before := used()
	for range 5 { // what came before may not have let go of all yet
		time.Sleep(2 * time.Millisecond)
		before = min(before, used())
	}
	peak := before
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-done:
				return
			default:
				peak = max(peak, used())
			}
		}
	}()
	return func() int64 {
		close(done)
		<-stopped
		return peak - before
	}
}
