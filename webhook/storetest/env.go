package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
)

// testCase is one promise of the contract.
type testCase struct {
	name string
	// explanation is printed on failure: the promise, and what breaks
	// without it.
	explanation string
	needs       Features
	run         func(ctx context.Context, e *env)
}

func cases() []testCase {
	return slices.Concat(
		enqueueCases(), againCases(), dedupCases(), batchCases(),
		claimCases(), leaseCases(), fenceCases(), extendCases(), takeCases(), recallCases(),
		dueCases(), fairCases(), parkCases(), probeCases(), orderCases(), healthCases(),
		txCases(), endpointCases(), matchCases(), adminCases(),
		historyCases(), pageCases(), finalsCases(), purgeCases(), cancelCases(),
		rateCases(), listenCases(), contextCases(), faultCases(), crowdCases(),
	)
}

const (
	// never is a lease, delay or parking time that no case lives to see.
	never = time.Hour
	// grain is the coarsest clock that a store may have.
	grain = 2 * time.Millisecond
	// patience is how many ticks a case waits for what must come.
	patience = 400
)

// env is what a case works with: a fresh store, and ways to use it that fail
// the case where an error is not part of it. Its methods may be called
// concurrently; fatalf and what calls it only by the case's own goroutine.
type env struct {
	Store
	tick   time.Duration
	volume int
	peer   func() Store

	seq    atomic.Int64
	mu     sync.Mutex
	report func(fault string)
}

// stop is what fatalf panics with.
type stop struct{}

// play runs one case and tells report of each fault.
func play(t *testing.T, c testCase, open func(t *testing.T) Store, o Options, report func(fault string)) {
	t.Helper()
	e := &env{Store: open(t), tick: o.Tick, volume: o.Volume, report: report}
	e.peer = func() Store {
		t.Helper()
		return e.Peer(t)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	defer func() {
		if r := recover(); r != nil && r != any(stop{}) {
			panic(r)
		}
	}()
	c.run(ctx, e)
}

func (e *env) errorf(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.report(fmt.Sprintf(format, args...))
}

func (e *env) fatalf(format string, args ...any) {
	e.errorf(format, args...)
	panic(stop{})
}

// ok ends the case where err is not nil.
func (e *env) ok(err error, what string) {
	if err != nil {
		e.fatalf("%s: %v", what, err)
	}
}

// is reports an error that is not want.
func (e *env) is(err, want error, what string) {
	if !errors.Is(err, want) {
		e.errorf("%s: error %v, want %v", what, err, want)
	}
}

// sleep lets n ticks go by.
func (e *env) sleep(ctx context.Context, ticks float64) {
	e.pause(ctx, time.Duration(ticks*float64(e.tick)))
}

func (e *env) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// eventually asks until done says yes; where that takes longer than any store
// may need, it reports what.
func (e *env) eventually(ctx context.Context, what string, done func() bool) {
	start := time.Now()
	for !done() {
		if time.Since(start) > patience*e.tick || ctx.Err() != nil {
			e.errorf("%s: not within %v", what, time.Since(start).Round(time.Millisecond))
			return
		}
		e.sleep(ctx, 0.2)
	}
}

// enqueue stores b without repeats.
func (e *env) enqueue(ctx context.Context, q webhook.Outbox, b *webhook.Batch) {
	if existing := e.enqueued(ctx, q, b); len(existing) != 0 {
		e.errorf("Enqueue of new deliveries reported existing ones: %+v", existing)
	}
}

func (e *env) enqueued(ctx context.Context, q webhook.Outbox, b *webhook.Batch) []webhook.Existing {
	existing, err := q.Enqueue(ctx, b)
	e.ok(err, "Enqueue")
	return existing
}

// wide fills what a case does not care about.
func wide(c webhook.Claim) webhook.Claim {
	if c.Limit == 0 {
		c.Limit = 1000
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 1 << 30
	}
	if c.PerEndpoint == 0 {
		c.PerEndpoint = c.Limit
	}
	if c.Lease == 0 {
		c.Lease = never
	}
	return c
}

// claim claims once and checks what holds of every Claim.
func (e *env) claim(ctx context.Context, q webhook.Queue, c webhook.Claim) []webhook.Claimed {
	c = wide(c)
	got, err := q.Claim(ctx, c)
	e.ok(err, "Claim")
	e.checkClaim(c, got)
	return got
}

func (e *env) checkClaim(c webhook.Claim, got []webhook.Claimed) {
	if len(got) > c.Limit {
		e.errorf("Claim(Limit %d) returned %d deliveries", c.Limit, len(got))
	}
	per := map[string]int{}
	counted := map[*webhook.Message]bool{}
	sum := 0
	for i := range got {
		d, m := &got[i].Delivery, got[i].Message
		if got[i].Err != nil {
			continue // its other fields may be missing
		}
		if m == nil || d.Body < 0 || d.Body >= len(m.Bodies) {
			e.fatalf("Claim returned delivery %s without its message or body", d.ID)
		}
		per[d.EndpointID]++
		// A store may count a body that several deliveries share once, or for
		// each.
		if !counted[m] {
			counted[m] = true
			sum += len(m.Bodies[d.Body].Data)
		}
	}
	if sum > c.MaxBytes && len(got) > 1 {
		e.errorf("Claim(MaxBytes %d) returned %d deliveries with at least %d bytes", c.MaxBytes, len(got), sum)
	}
	e.checkEndpoints(c, per)
}

// checkEndpoints looks at how many deliveries a Claim returned per endpoint.
func (e *env) checkEndpoints(c webhook.Claim, per map[string]int) {
	for id, n := range per {
		if n > c.PerEndpoint {
			e.errorf("Claim(PerEndpoint %d) returned %d deliveries of endpoint %s", c.PerEndpoint, n, id)
		}
		if slices.Contains(c.Skip, id) {
			e.errorf("Claim(Skip %q) returned a delivery of it", id)
		}
	}
}

// drain claims until nothing is due. One claim may return less than is due,
// but never nothing. More than most is reported.
func (e *env) drain(ctx context.Context, q webhook.Queue, c webhook.Claim, most int) []webhook.Claimed {
	var all []webhook.Claimed
	for {
		got := e.claim(ctx, q, c)
		if len(got) == 0 {
			return all
		}
		all = append(all, got...)
		if len(all) > most {
			e.fatalf("Claim handed out %d deliveries where %d are due: %s", len(all), most, repeats(all))
		}
	}
}

// want claims until nothing is due, which must be the deliveries with these
// ids, and returns them by id.
func (e *env) want(ctx context.Context, q webhook.Queue, c webhook.Claim, ids ...string) map[string]webhook.Claimed {
	all := e.drain(ctx, q, c, len(ids))
	byID := make(map[string]webhook.Claimed, len(all))
	for i := range all {
		id := all[i].Delivery.ID
		if _, twice := byID[id]; twice {
			e.errorf("Claim handed out delivery %s twice", id)
		}
		if !slices.Contains(ids, id) {
			e.errorf("Claim handed out delivery %s, which is not due", id)
		}
		byID[id] = all[i]
	}
	for _, id := range ids {
		if _, ok := byID[id]; !ok {
			e.fatalf("Claim never handed out delivery %s, which is due", id)
		}
	}
	return byID
}

// none reports deliveries that a Claim returned though none is due.
func (e *env) none(ctx context.Context, q webhook.Queue, why string) {
	if got := e.claim(ctx, q, webhook.Claim{}); len(got) != 0 {
		e.errorf("Claim returned %s, want none: %s", ids(got), why)
	}
}

// one claims a single delivery, which must be there.
func (e *env) one(ctx context.Context, q webhook.Queue, c webhook.Claim) webhook.Claimed {
	c.Limit = 1
	got := e.claim(ctx, q, c)
	if len(got) != 1 {
		e.fatalf("Claim(Limit 1) returned %d deliveries, want 1", len(got))
	}
	return got[0]
}

// item is a settlement of got with this state.
func item(got webhook.Claimed, state webhook.State) webhook.Settlement {
	s := webhook.Settlement{
		ID: got.Delivery.ID, EndpointID: got.Delivery.EndpointID, Token: got.Token,
		State: state, Health: webhook.NoSign,
	}
	if state.Final() && state != webhook.Delivered {
		s.Reason = "because"
	}
	return s
}

// settle applies items, none of which may be stale.
func (e *env) settle(ctx context.Context, q webhook.Queue, items ...webhook.Settlement) webhook.Settled {
	res, err := q.Settle(ctx, items)
	e.ok(err, "Settle")
	if len(res.Stale) != 0 {
		e.errorf("Settle called items %v of %d stale, though each has the latest token", res.Stale, len(items))
	}
	return res
}

// finish settles all of got as Delivered.
func (e *env) finish(ctx context.Context, q webhook.Queue, got ...webhook.Claimed) {
	items := make([]webhook.Settlement, len(got))
	for i := range got {
		items[i] = item(got[i], webhook.Delivered)
	}
	e.settle(ctx, q, items...)
}

// stale reports a settlement that was not refused.
func (e *env) stale(ctx context.Context, q webhook.Queue, it webhook.Settlement, why string) {
	res, err := q.Settle(ctx, []webhook.Settlement{it})
	e.ok(err, "Settle")
	if !slices.Equal(res.Stale, []int{0}) {
		e.errorf("Settle took an item that is stale (Stale = %v, want [0]): %s", res.Stale, why)
	}
	if len(res.Failing) != 0 {
		e.errorf("Settle counted the failure of an item that is stale: %s", why)
	}
}

func (e *env) park(ctx context.Context, q webhook.Queue, parks ...webhook.Park) {
	e.ok(q.Park(ctx, parks), "Park")
}

// ids lists deliveries for a message.
func ids(got []webhook.Claimed) string {
	out := make([]string, 0, 5)
	for i := range got {
		if i == 4 {
			out = append(out, fmt.Sprintf("and %d more", len(got)-i))
			break
		}
		out = append(out, got[i].Delivery.ID)
	}
	return fmt.Sprint(out)
}

// repeats says which delivery was handed out most often.
func repeats(all []webhook.Claimed) string {
	n := map[string]int{}
	top := ""
	for i := range all {
		id := all[i].Delivery.ID
		n[id]++
		if top == "" || n[id] > n[top] {
			top = id
		}
	}
	if n[top] < 2 {
		return "none of them twice"
	}
	return fmt.Sprintf("delivery %s %d times", top, n[top])
}
