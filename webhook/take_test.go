package webhook_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// What an Enqueue took is sent without a Claim having handed it out, and nothing
// looks for more on its account.
func TestTakenIsSentWithoutAClaim(t *testing.T) {
	for _, shared := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			x := newTakeRig(t, shared, func(c *webhook.Config) { c.PollInterval = time.Minute })
			recv := x.net.Receiver("a.example", webhooktest.Answer{Delay: 5 * time.Millisecond})
			x.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
			x.run()
			x.prove(link1, 1)
			time.Sleep(2 * time.Minute)
			claims := x.q.calls()
			for i := range 20 {
				start := time.Now()
				receipt := x.dispatch(leadCreated{Email: "x"}, link1)
				d := x.end()
				id := receipt.Deliveries[0].ID
				if d.ID != id || d.State != webhook.Delivered || d.Attempts != 1 {
					t.Errorf("%d: ended %s %v after %d attempts, want %s delivered after 1", i, d.ID, d.State, d.Attempts, id)
				}
				if took := time.Since(start); took > 50*time.Millisecond {
					t.Errorf("%d: it took %v, want no wait for a poll", i, took)
				}
				if x.q.claimed(id) || !slices.Equal(x.q.asked(), []int{0}) {
					t.Errorf("%d: claimed: %t, wanted %v; want it taken, and not claimed", i, x.q.claimed(id), x.q.asked())
				}
				if s := x.q.settlement(id); s.Token != x.q.tokens[i] || s.State != webhook.Delivered || s.Unsent {
					t.Errorf("%d: settled as %+v, want delivered with token %d", i, s, x.q.tokens[i])
				}
				kept, _, err := x.store.Delivery(t.Context(), id)
				if err != nil || kept.State != webhook.Delivered || kept.Attempts != 1 {
					t.Errorf("%d: stored as %+v, %v; want delivered after 1 attempt", i, kept, err)
				}
				if (<-x.tries).Number != 1 {
					t.Errorf("%d: it is not attempt 1", i)
				}
			}
			if n := x.q.calls() - claims; n != 0 {
				t.Errorf("shared=%t: %d claims beside 20 deliveries that were taken, want none before the poll", shared, n)
			}
			if n := len(recv.Requests()); n != 21 {
				t.Errorf("%d requests, want 21", n)
			}
		})
	}
}
