package webhook_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// An Enqueue that fails, or panics, gives back the places that were reserved for
// it, all of them.
func TestFailedEnqueueGivesItsPlacesBack(t *testing.T) {
	for _, tt := range []struct {
		name   string
		shared bool
		fails  func(context.Context, *webhook.Batch) error
	}{
		{"fails", false, func(context.Context, *webhook.Batch) error { return errAway }},
		{"panics", false, func(context.Context, *webhook.Batch) error { panic("store") }},
		{"fails, shared", true, func(context.Context, *webhook.Batch) error { return errAway }},
		{"panics, shared", true, func(context.Context, *webhook.Batch) error { panic("store") }},
		{"hangs", false, func(ctx context.Context, _ *webhook.Batch) error { <-ctx.Done(); return ctx.Err() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const batch = 4
				x := newTakeRig(t, tt.shared, func(c *webhook.Config) { c.ClaimBatch = batch })
				recv := x.net.Receiver("a.example")
				x.many(batch)
				x.run()
				x.prove(link1, batch)
				x.q.set(func(q *takeQueue) { q.before = tt.fails })
				for range 10 {
					if _, err := x.d.Dispatch(t.Context(), leadCreated{Email: "x"}, link1); err == nil {
						t.Error("Dispatch = nil, want the error of the store")
					}
					if n := len(x.q.asked()); n != batch {
						t.Errorf("%d were to be taken, want %d each time", n, batch)
					}
				}
				x.q.set(func(q *takeQueue) { q.before = nil })
				x.asks("after the failures", 0, 1, 2, 3)
				for range batch {
					x.end()
				}
				if n := len(recv.Requests()); n != 2*batch {
					t.Errorf("%d requests, want %d", n, 2*batch)
				}
			})
		})
	}
}

// What was taken while Run ended goes back unsent: another process has it at its
// next poll, as its first attempt, and Run ends no sooner.
func TestTakenWhileRunEndsIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTakeRig(t, false, func(c *webhook.Config) { c.Lease = time.Hour })
		recv := x.net.Receiver("a.example")
		x.many(3)
		stop := x.start()
		x.prove(link1, 3)
		open := make(chan struct{})
		x.q.set(func(q *takeQueue) { q.after = func(*webhook.Batch) { <-open } })
		dispatched, stopped := make(chan struct{}), make(chan struct{})
		go func() { x.dispatch(leadCreated{Email: "x"}, link1); close(dispatched) }()
		synctest.Wait()
		go func() { stop(); close(stopped) }()
		time.Sleep(time.Second)
		select {
		case <-stopped:
			t.Error("Run ended before what was taken was given back")
		default:
		}
		if n := x.leased(); n != 3 {
			t.Errorf("%d deliveries are under lease, want the 3 that were taken", n)
		}
		close(open)
		<-dispatched
		<-stopped
		if n, sent := x.leased(), len(recv.Requests()); n != 0 || sent != 3 {
			t.Errorf("%d deliveries are under lease and %d requests made, want none, and the first 3", n, sent)
		}
		other := newTakeRig(t, false, func(c *webhook.Config) {
			c.Endpoints, c.Queue = x.store, x.store
			c.Transports = []webhook.Transport{x.net.Transport()}
		})
		stop = other.start()
		for range 3 {
			if d := other.end(); d.State != webhook.Delivered || d.Attempts != 1 {
				t.Errorf("ended %v after %d attempts, want delivered after 1", d.State, d.Attempts)
			}
		}
		stop()
		if n := len(recv.Requests()); n != 6 {
			t.Errorf("%d requests, want 6", n)
		}
		other.finish(t)
		x.finish(t)
	})
}

// With a store that does not know Take all is as ever.
func TestStoreThatIgnoresTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTakeRig(t, false, func(c *webhook.Config) { c.PollInterval, c.ClaimBatch = time.Minute, 4 })
		recv := x.net.Receiver("a.example")
		x.many(3)
		x.run()
		x.prove(link1, 3)
		x.q.set(func(q *takeQueue) { q.ignores = true })
		for range 20 {
			start := time.Now()
			x.asks("each time", 0, 1, 2)
			for range 3 {
				if d := x.end(); d.State != webhook.Delivered || d.Attempts != 1 || !x.q.claimed(d.ID) {
					t.Errorf("ended %v after %d attempts, claimed: %t; want delivered after 1, claimed", d.State, d.Attempts, x.q.claimed(d.ID))
				}
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("it took %v, want no poll", took)
			}
			time.Sleep(polls)
		}
		if n := len(recv.Requests()); n != 63 {
			t.Errorf("%d requests, want 63", n)
		}
	})
}

// An event under several policies is taken in part: each endpoint gets its own
// body, once.
func TestTakesOfMixedPolicies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTakeRig(t, false, nil)
		recv := x.net.Receiver("a.example")
		policies := []string{"fire-and-forget", "at-least-once", "fire-and-forget", "at-most-once", "at-least-once"}
		for i, p := range policies {
			id := strconv.Itoa(i)
			x.set(webhook.Endpoint{
				ID: id, Name: id, Scope: link1, URL: "http://a.example/" + id, Policy: p, Fields: []string{"email", "name"}[:1+i%2],
			})
		}
		x.run()
		x.prove(link1, len(policies))
		// What is seen of one endpoint does not count for the next: two are not stored.
		if err := x.store.SetStatus(t.Context(), "2", webhook.Paused, ""); err != nil {
			t.Fatal(err)
		}
		x.dispatch(leadCreated{Email: "x", Name: "n"}, link1)
		if got := x.q.asked(); !slices.Equal(got, []int{0, 2}) {
			t.Errorf("of the three that are stored %v were to be taken, want 0 and 2", got)
		}
		got := map[string]webhook.Delivery{}
		for range policies {
			d := x.end()
			got[d.EndpointID] = d
		}
		x.q.set(func(q *takeQueue) {
			if len(q.tokens) != 1 {
				t.Errorf("%d batches were taken from, want 1", len(q.tokens))
			}
		})
		for i, p := range policies {
			id := strconv.Itoa(i)
			d := got[id]
			state, attempts := webhook.Delivered, 1
			if id == "2" {
				state, attempts = webhook.Dropped, 0
			}
			if d.State != state || d.Policy != p || d.Attempts != attempts {
				t.Errorf("endpoint %s: %v after %d attempts under %q, want %v after %d under %q", id, d.State, d.Attempts, d.Policy, state, attempts, p)
			}
			if claimed, want := x.q.claimed(d.ID), p == "at-most-once"; claimed != want {
				t.Errorf("endpoint %s: claimed: %t, want %t", id, claimed, want)
			}
		}
		bodies := map[string]string{}
		for _, req := range recv.Requests()[len(policies):] {
			bodies[req.Path] += string(req.Body)
		}
		for i := range policies {
			want := []string{`{"email":"x"}`, `{"email":"x","name":"n"}`, "", `{"email":"x","name":"n"}`, `{"email":"x"}`}[i]
			if got := bodies[fmt.Sprintf("/%d", i)]; got != want {
				t.Errorf("endpoint %d got %s, want %s", i, got, want)
			}
		}
	})
}

// Events of many endpoints are delivered once each, though the memory of their
// batches is used again while they are under way.
func TestTakenOutlivesItsBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const endpoints, events = 20, 50
		x := newTakeRig(t, false, nil)
		recv := x.net.Receiver("a.example", webhooktest.Answer{Delay: 3 * time.Millisecond})
		x.many(endpoints)
		x.run()
		x.prove(link1, endpoints)
		var mu sync.Mutex
		used := map[*webhook.Delivery]bool{}
		x.q.set(func(q *takeQueue) {
			q.before = func(_ context.Context, b *webhook.Batch) error {
				mu.Lock()
				defer mu.Unlock()
				used[&b.Deliveries[0]] = true
				return nil
			}
		})
		want := map[string]string{} // the endpoint of each delivery
		for i := range events {
			receipt := x.dispatch(leadCreated{Email: strconv.Itoa(i)}, link1)
			for _, d := range receipt.Deliveries {
				want[d.ID] = d.EndpointID
			}
			time.Sleep(time.Millisecond)
		}
		for range endpoints * events {
			if d := x.end(); d.State != webhook.Delivered || d.Attempts != 1 || want[d.ID] != d.EndpointID {
				t.Errorf("%s to %q ended %v after %d attempts, want delivered to %q after 1", d.ID, d.EndpointID, d.State, d.Attempts, want[d.ID])
			}
		}
		got := map[string]int{}
		for _, req := range recv.Requests() {
			got[req.Path+" "+string(req.Body)]++
		}
		for what, n := range got {
			if n != 1 {
				t.Errorf("%s came %d times, want once", what, n)
			}
		}
		if len(got) != endpoints*(events+1) {
			t.Errorf("%d different requests, want %d", len(got), endpoints*(events+1))
		}
		if len(x.q.tokens) == 0 {
			t.Error("nothing was taken")
		}
		mu.Lock()
		defer mu.Unlock()
		if len(used) > events*4/5 {
			t.Errorf("%d batches for %d events, want their memory used again", len(used), events)
		}
	})
}

// However much is dispatched, a process has no more under lease than what its
// guarantee says: MaxInFlight, and twice ClaimBatch.
func TestTakenStaysWithinTheBound(t *testing.T) {
	const batch, inFlight, endpoints = 8, 4, 40
	for _, tt := range []struct {
		name     string
		answer   webhooktest.Answer
		settling bool // the store takes its time
	}{
		{name: "hangs", answer: webhooktest.Answer{Hang: true}},
		{name: "slow", answer: webhooktest.Answer{Delay: 60 * time.Millisecond}},
		{name: "results wait", settling: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newTakeRig(t, false, func(c *webhook.Config) {
					p := retry.AtLeastOnce()
					p.Timeout = time.Second
					c.Policies = []retry.Policy{p}
					c.ClaimBatch, c.MaxInFlight, c.Concurrency = batch, inFlight, inFlight/2
				})
				recv := x.net.Receiver("a.example")
				x.many(endpoints)
				x.run()
				x.prove(link1, endpoints)
				recv.Script(tt.answer)
				open := make(chan struct{})
				if tt.settling {
					x.q.set(func(q *takeQueue) { q.settling = func() error { <-open; return nil } })
				}
				most := 0
				for i := range 200 {
					if i < 100 { // one at a time, so that nothing is left at first
						id := fmt.Sprintf("e%03d", i%endpoints)
						if _, err := x.d.DispatchTo(t.Context(), leadCreated{Email: "x"}, webhook.Endpoint{ID: id, URL: "http://a.example/" + id}); err != nil {
							t.Error(err)
						}
					} else {
						x.dispatch(leadCreated{Email: "x"}, link1)
						time.Sleep(time.Duration(i%3*30) * time.Millisecond)
					}
					synctest.Wait()
					most = max(most, x.leased())
				}
				if len(x.q.tokens) == 0 {
					t.Error("nothing was taken")
				}
				if most > inFlight+2*batch {
					t.Errorf("%d deliveries were under lease, want at most %d", most, inFlight+2*batch)
				}
				recv.Script()
				close(open)
				x.cancelAll(t)
			})
		})
	}
}
