package webhook_test

import (
	"encoding/json"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// A stream that is about what its receiver can take neither starves a retry that
// is due, nor overtakes for long what it left in the store.
func TestStreamOfTakenIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const events = 600
		x := newTakeRig(t, false, func(c *webhook.Config) {
			c.Policies = []retry.Policy{{Name: "p", Schedule: retry.Fixed(time.Second), Jitter: -1}}
		})
		slow := webhooktest.Answer{Delay: 19 * time.Millisecond}
		recv := x.net.Receiver("a.example", slow, webhooktest.Answer{Status: 500}, slow)
		x.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/", MaxConcurrent: 2})
		x.run()
		x.prove(link1, 1)
		first := x.dispatch(leadCreated{Email: "0"}, link1).MessageID
		start := time.Now()
		for i := range events {
			if i%4 == 0 { // as many at once as can begin, and as many again
				time.Sleep(40 * time.Millisecond)
			}
			x.dispatch(leadCreated{Email: strconv.Itoa(i + 1)}, link1)
		}
		for range events + 1 {
			x.end()
		}
		if n := len(x.q.tokens); n < 20 || n > events-20 {
			t.Errorf("%d of %d were taken, want some, and not all", n, events)
		}
		last, overtaken, retried := 0, 0, time.Duration(0)
		for _, req := range recv.Requests()[2:] {
			if req.ID() == first {
				retried = req.At.Sub(start)
				continue
			}
			var body struct{ Email string }
			if err := json.Unmarshal(req.Body, &body); err != nil {
				t.Fatal(err)
			}
			n, _ := strconv.Atoi(body.Email)
			overtaken = max(overtaken, last-n)
			last = max(last, n)
		}
		if overtaken > 150 {
			t.Errorf("one was overtaken by %d, want no more than by claims alone", overtaken)
		}
		if retried == 0 || retried > 2*time.Second {
			t.Errorf("what was due again after 1s was sent after %v, want no more ahead of it than was due by then", retried)
		}
	})
}

// What waits in the store since its lane was full goes first, also once the lane
// has room again.
func TestTakesNothingPastASkippedLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const backlog = 100
		x := newTakeRig(t, false, func(c *webhook.Config) { c.PollInterval = time.Minute })
		x.net.Receiver("a.example", webhooktest.Answer{Delay: 10 * time.Millisecond})
		x.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/", MaxConcurrent: 1})
		x.run()
		x.prove(link1, 1)
		for range backlog {
			x.dispatch(leadCreated{Email: "x"}, link1)
		}
		time.Sleep(50 * time.Millisecond) // a claim skips the lane
		open := make(chan struct{})
		x.q.set(func(q *takeQueue) { q.claiming = func() { <-open } })
		time.Sleep(time.Second) // the lane is empty, and the next claim hangs
		if n := len(x.ended); n == backlog {
			t.Fatal("nothing is left")
		}
		x.asks("past what is left")
		x.q.set(func(q *takeQueue) { q.claiming = nil })
		close(open)
		for range backlog + 1 {
			x.end()
		}
	})
}
