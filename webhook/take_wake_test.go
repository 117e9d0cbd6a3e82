package webhook_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// The next of an ordered key is claimed once the one before has ended, also where
// nothing else wakes the claimer: what is dispatched beside it is taken.
func TestOrderedGoesOnBesideWhatIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const backlog = 50
		x := newTakeRig(t, false, func(c *webhook.Config) { c.PollInterval = time.Second })
		x.net.Receiver("a.example", webhooktest.Answer{Delay: 5 * time.Millisecond})
		x.net.Receiver("b.example", webhooktest.Answer{Delay: 30 * time.Millisecond})
		x.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/", Ordered: true})
		x.set(webhook.Endpoint{ID: "b", Scope: "link:2", URL: "http://b.example/"})
		x.run()
		x.prove("link:2", 1)
		time.Sleep(2 * time.Second)
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for tick := time.NewTicker(10 * time.Millisecond); ; {
				select {
				case <-stop:
					tick.Stop()
					return
				case <-tick.C:
					x.dispatch(leadCreated{Email: "x"}, "link:2")
				}
			}
		}()
		time.Sleep(time.Second)
		start := time.Now()
		for range backlog {
			x.dispatch(leadCreated{Email: "x", Key: "k"}, link1)
		}
		for n := 0; n < backlog; {
			if x.end().EndpointID == "a" {
				n++
			}
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%d ordered deliveries of 5ms took %v, want no poll between them", backlog, took)
		}
		close(stop)
		<-stopped
	})
}

// A claim that ended for its bytes has not seen everything: the next one comes as
// soon as there is room, and nothing overtakes what was left.
func TestClaimCutByItsBytesSawNotAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const endpoints, events = 20, 50
		x := newTakeRig(t, false, func(c *webhook.Config) { c.ClaimBytes, c.PollInterval = 300_000, time.Second })
		x.net.Receiver("a.example", webhooktest.Answer{Delay: 5 * time.Millisecond})
		x.many(endpoints)
		for range events { // Run is yet to begin: all waits to be claimed
			x.dispatch(leadCreated{Email: strings.Repeat("x", 50_000)}, link1)
		}
		x.run()
		start := time.Now()
		time.Sleep(50 * time.Millisecond)
		x.dispatch(leadCreated{Email: "late"}, link1)
		if got := x.q.asked(); got != nil {
			t.Errorf("%v were to be taken while older ones are left, want none", got)
		}
		for range endpoints * (events + 1) {
			x.end()
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%d large deliveries of 5ms took %v, want no poll between the claims", endpoints*events, took)
		}
	})
}

// A claim may also end for what a store counts besides the bodies that are sent,
// if it says so.
func TestClaimCutByWhatElseIsCounted(t *testing.T) {
	body := webhook.Body{Variant: "json"}
	body.Data = make([]byte, 1000)
	synctest.Test(t, func(t *testing.T) {
		const backlog = 100
		x := newTakeRig(t, false, func(c *webhook.Config) { c.ClaimBytes, c.PollInterval = 32_000, time.Second })
		x.q.most, x.q.counts = 7, 3000 // fewer than the least share of an endpoint
		x.net.Receiver("a.example", webhooktest.Answer{Delay: 5 * time.Millisecond})
		x.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		for i := range backlog {
			_, err := x.store.Enqueue(t.Context(), &webhook.Batch{
				Message:    &webhook.Message{ID: fmt.Sprint("msg_", i), Type: "lead.created", Bodies: []webhook.Body{body}},
				Deliveries: []webhook.Delivery{{ID: fmt.Sprint("dlv_", i), EndpointID: "a", Policy: "at-least-once", State: webhook.Pending}},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		x.run()
		start := time.Now()
		for range backlog {
			x.end()
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%d deliveries of 5ms took %v, want no poll between the claims", backlog, took)
		}
	})
}

// After a burst that had to be claimed, what comes no faster than it is sent is
// taken again, to whatever endpoint it goes.
func TestTakesAgainAfterABurst(t *testing.T) {
	for _, inline := range []bool{false, true} {
		t.Run(fmt.Sprintf("inline %v", inline), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const burst, n = 300, 1000
				x := newTakeRig(t, false, nil)
				x.q.claiming = func() { time.Sleep(2 * time.Millisecond) } // others are stored meanwhile
				x.net.Receiver("a.example", webhooktest.Answer{Delay: 5 * time.Millisecond})
				ep := webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"}
				x.set(ep)
				x.run()
				send := func() {
					if !inline {
						x.dispatch(leadCreated{Email: "x"}, link1)
					} else if _, err := x.d.DispatchTo(t.Context(), leadCreated{Email: "x"}, ep); err != nil {
						t.Fatal(err)
					}
				}
				for range burst {
					send()
				}
				x.q.set(func(q *takeQueue) { q.taken = nil })
				for range n {
					send()
					time.Sleep(time.Millisecond)
				}
				for range burst + n {
					x.end()
				}
				x.q.mu.Lock()
				defer x.q.mu.Unlock()
				if got := len(x.q.taken); got < n/2 {
					t.Errorf("%d of %d were taken, want most", got, n)
				}
			})
		})
	}
}

// A Dispatch that fails brings nothing to be claimed.
func TestFailedEnqueueWakesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTakeRig(t, false, func(c *webhook.Config) { c.PollInterval = time.Minute })
		x.net.Receiver("a.example")
		x.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		x.run()
		x.prove(link1, 1)
		time.Sleep(2 * time.Minute)
		x.q.set(func(q *takeQueue) {
			q.before = func(context.Context, *webhook.Batch) error { return errAway }
		})
		claims := x.q.calls()
		for range 100 {
			if _, err := x.d.Dispatch(t.Context(), leadCreated{Email: "x"}, link1); err == nil {
				t.Error("Dispatch = nil, want the error of the store")
			}
			synctest.Wait()
		}
		if n := x.q.calls() - claims; n != 0 {
			t.Errorf("%d claims beside 100 dispatches that failed, want none", n)
		}
		x.q.set(func(q *takeQueue) { q.before = nil })
	})
}

// What ends as it is dispatched leaves nothing to be claimed: a disabled endpoint
// does not keep the others from being taken.
func TestDisabledEndpointLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTakeRig(t, false, func(c *webhook.Config) { c.PollInterval = time.Minute })
		x.net.Receiver("a.example")
		x.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		x.set(webhook.Endpoint{ID: "b", Name: "b", Scope: link1, URL: "http://a.example/b", Status: webhook.Disabled})
		x.run()
		x.dispatch(leadCreated{Email: "first"}, link1)
		x.end() // b
		x.end()
		time.Sleep(90 * time.Second)
		claims := x.q.calls()
		for range 10 {
			x.dispatch(leadCreated{Email: "x"}, link1)
			if got := x.q.asked(); !slices.Equal(got, []int{0}) {
				t.Errorf("%v were to be taken, want a each time", got)
			}
			x.end() // b
			x.end()
		}
		if n := x.q.calls() - claims; n != 0 {
			t.Errorf("%d claims beside 10 deliveries that were taken, want none", n)
		}
	})
}
