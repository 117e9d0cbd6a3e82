package storetest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/outhook/outhook/webhook"
)

// ErrFault is wrapped by every error that a faulty store makes up.
var ErrFault = errors.New("storetest: planted fault")

// Fault is when a call of a faulty store fails.
type Fault uint8

// The faults of one call.
const (
	// NoFault lets the call through.
	NoFault Fault = iota + 1
	// Before returns an error instead of making the call.
	Before
	// After makes the call and returns an error instead of its answer: the
	// work is done, and the caller does not know.
	After
)

// String returns the fault's name in lower case, as "before".
func (f Fault) String() string {
	switch f {
	case NoFault:
		return "none"
	case Before:
		return "before"
	case After:
		return "after"
	}
	return "unknown"
}

// Faults says which calls of a faulty store fail. A decision depends on the
// seed, the method, and the number of the call of that method alone, so that a
// run of one goroutine can be repeated exactly.
type Faults struct {
	Seed uint64
	// Before and After are the shares of calls that fail, 0 to 1 in sum.
	Before, After float64
	// Decide overrules the shares; n counts the calls of a method from 1.
	// It may be called concurrently.
	//
	// Defaults to nil: the shares decide.
	Decide func(method string, n int) Fault
}

// faults counts calls.
type faults struct {
	Faults
	mu    sync.Mutex
	calls map[string]int
}

func (f *faults) next(method string) (Fault, error) {
	f.mu.Lock()
	f.calls[method]++
	n := f.calls[method]
	f.mu.Unlock()
	fault := f.share(method, n)
	if f.Decide != nil {
		fault = f.Decide(method, n)
	}
	return fault, fmt.Errorf("%w %v call %d of %s", ErrFault, fault, n, method)
}

func (f *faults) share(method string, n int) Fault {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d/%s/%d", f.Seed, method, n) // a hash takes all
	_, _ = io.WriteString(h, "/fault")
	x := h.Sum64()
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93 // spreads the last bytes over all bits
	x ^= x >> 32
	switch p := float64(x>>11) / (1 << 53); {
	case p < f.Before:
		return Before
	case p < f.Before+f.After:
		return After
	}
	return NoFault
}

// around makes one call, or fails it.
func around[T any](f *faults, method string, call func() (T, error)) (T, error) {
	var zero T
	fault, planted := f.next(method)
	if fault == Before {
		return zero, planted
	}
	got, err := call()
	if err == nil && fault == After {
		return zero, planted
	}
	return got, err
}

type faultyQueue struct {
	inner  webhook.Queue
	faults *faults
}

// Faulty wraps q so that calls of Enqueue, Claim, Settle and Park fail as f
// says. Where q implements Extender, RateLimiter, History, Canceler, Counter
// and Purger of package webhook, all six, then so does the result, and it is a
// BatchOutbox where q is one: EnqueueAll, Extend and Take fail as f says, the
// rest passes. Otherwise it has no optional interface. It never is a Listener,
// nor a Recaller. The result may be used concurrently.
func Faulty(q webhook.Queue, f Faults) webhook.Queue {
	fq := &faultyQueue{inner: q, faults: &faults{Faults: f, calls: map[string]int{}}}
	ff := &faultyFull{faultyQueue: fq}
	ok := make([]bool, 6)
	ff.extender, ok[0] = q.(webhook.Extender)
	ff.limiter, ok[1] = q.(webhook.RateLimiter)
	ff.History, ok[2] = q.(webhook.History)
	ff.Canceler, ok[3] = q.(webhook.Canceler)
	ff.Counter, ok[4] = q.(webhook.Counter)
	ff.Purger, ok[5] = q.(webhook.Purger)
	if slices.Contains(ok, false) {
		return fq
	}
	if batches, ok := q.(webhook.BatchOutbox); ok {
		return &faultyBatches{faultyFull: ff, batches: batches}
	}
	return ff
}

// Enqueue implements webhook.Outbox.
func (q *faultyQueue) Enqueue(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
	return around(q.faults, "Enqueue", func() ([]webhook.Existing, error) { return q.inner.Enqueue(ctx, b) })
}

// Claim implements webhook.Queue.
func (q *faultyQueue) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
	return around(q.faults, "Claim", func() ([]webhook.Claimed, error) { return q.inner.Claim(ctx, c) })
}

// Settle implements webhook.Queue.
func (q *faultyQueue) Settle(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
	return around(q.faults, "Settle", func() (webhook.Settled, error) { return q.inner.Settle(ctx, items) })
}

// Park implements webhook.Queue.
func (q *faultyQueue) Park(ctx context.Context, parks []webhook.Park) error {
	_, err := around(q.faults, "Park", func() (struct{}, error) { return struct{}{}, q.inner.Park(ctx, parks) })
	return err
}

type faultyFull struct {
	*faultyQueue
	webhook.History
	webhook.Canceler
	webhook.Counter
	webhook.Purger
	extender webhook.Extender
	limiter  webhook.RateLimiter
}

// Extend implements webhook.Extender.
func (q *faultyFull) Extend(ctx context.Context, leases []webhook.Lease, lease time.Duration) ([]int, error) {
	return around(q.faults, "Extend", func() ([]int, error) { return q.extender.Extend(ctx, leases, lease) })
}

// Take implements webhook.RateLimiter.
func (q *faultyFull) Take(ctx context.Context, endpointID string, n int, rate webhook.Rate) (int, time.Duration, error) {
	type taken struct {
		granted int
		wait    time.Duration
	}
	got, err := around(q.faults, "Take", func() (taken, error) {
		granted, wait, err := q.limiter.Take(ctx, endpointID, n, rate)
		return taken{granted: granted, wait: wait}, err
	})
	return got.granted, got.wait, err
}

type faultyBatches struct {
	*faultyFull
	batches webhook.BatchOutbox
}

// EnqueueAll implements webhook.BatchOutbox.
func (q *faultyBatches) EnqueueAll(ctx context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error) {
	return around(q.faults, "EnqueueAll", func() ([][]webhook.Existing, error) { return q.batches.EnqueueAll(ctx, batches) })
}

// FaultyEndpoints wraps s so that Match, Endpoints and Disable fail as f says.
// It has none of the optional interfaces, and may be used concurrently.
func FaultyEndpoints(s webhook.EndpointStore, f Faults) webhook.EndpointStore {
	return &faultyEndpoints{inner: s, faults: &faults{Faults: f, calls: map[string]int{}}}
}

type faultyEndpoints struct {
	inner  webhook.EndpointStore
	faults *faults
}

// Match implements webhook.EndpointStore.
func (s *faultyEndpoints) Match(ctx context.Context, q webhook.Query) ([]*webhook.Endpoint, error) {
	return around(s.faults, "Match", func() ([]*webhook.Endpoint, error) { return s.inner.Match(ctx, q) })
}

// Endpoints implements webhook.EndpointStore.
func (s *faultyEndpoints) Endpoints(ctx context.Context, ids []string) ([]*webhook.Endpoint, error) {
	return around(s.faults, "Endpoints", func() ([]*webhook.Endpoint, error) { return s.inner.Endpoints(ctx, ids) })
}

// Disable implements webhook.EndpointStore.
func (s *faultyEndpoints) Disable(ctx context.Context, id, reason string) error {
	_, err := around(s.faults, "Disable", func() (struct{}, error) { return struct{}{}, s.inner.Disable(ctx, id, reason) })
	return err
}
