package webhook_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/webhook"
)

// abandon dispatches an event to link1 and gives up while its commit hangs.
func (x *takeRig) abandon() {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := x.d.Dispatch(ctx, leadCreated{Email: "x"}, link1); !errors.Is(err, context.DeadlineExceeded) {
		x.t.Errorf("Dispatch = %v, want deadline exceeded", err)
	}
}

// What a commit takes for a Dispatch that has not waited for it goes back at
// once, and not when the lease ends.
func TestAbandonedCommitIsGivenBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTakeRig(t, true, func(c *webhook.Config) { c.Lease = time.Hour })
		recv := x.net.Receiver("a.example")
		x.many(3)
		x.run()
		x.prove(link1, 3)
		open := make(chan struct{})
		x.q.set(func(*takeQueue) {
			x.all.commit = func([]*webhook.Batch) error { <-open; return nil }
		})
		x.abandon()
		close(open)
		start := time.Now()
		for range 3 {
			if d := x.end(); d.State != webhook.Delivered || d.Attempts != 1 {
				t.Errorf("ended %v after %d attempts, want delivered after 1", d.State, d.Attempts)
			}
		}
		if took := time.Since(start); took > polls {
			t.Errorf("it took %v, want no more than a poll", took)
		}
		if n := len(recv.Requests()); n != 6 {
			t.Errorf("%d requests, want 6", n)
		}
	})
}

// Commits that nobody waits for keep their places until they are done, so that
// what they take stays within the bound.
func TestAbandonedCommitsKeepTheirPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const batch, inFlight = 8, 8
		x := newTakeRig(t, true, func(c *webhook.Config) {
			c.ClaimBatch, c.MaxInFlight, c.Concurrency = batch, inFlight, inFlight
		})
		recv := x.net.Receiver("a.example")
		x.many(batch)
		x.run()
		x.prove(link1, batch)
		open, settle := make(chan struct{}), make(chan struct{})
		x.q.set(func(q *takeQueue) {
			q.settling = func() error { <-settle; return nil }
			x.all.commit = func([]*webhook.Batch) error { <-open; return nil }
		})
		for range 4 {
			x.abandon()
		}
		close(open)
		time.Sleep(polls)
		if n := x.leased(); n > inFlight+2*batch {
			t.Errorf("%d deliveries are under lease, want at most %d", n, inFlight+2*batch)
		}
		close(settle)
		for range 4 * batch {
			if d := x.end(); d.State != webhook.Delivered || d.Attempts != 1 {
				t.Errorf("ended %v after %d attempts, want delivered after 1", d.State, d.Attempts)
			}
		}
		if n := len(recv.Requests()); n != 5*batch {
			t.Errorf("%d requests, want %d", n, 5*batch)
		}
		time.Sleep(polls)
		x.dispatch(leadCreated{Email: "y"}, link1)
		if n := len(x.q.asked()); n != batch {
			t.Errorf("then %d were to be taken, want %d: the places are there again", n, batch)
		}
	})
}

// A commit that fails after its Dispatch has gone gives its places back.
func TestAbandonedCommitThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const batch = 8
		x := newTakeRig(t, true, func(c *webhook.Config) { c.ClaimBatch = batch })
		x.net.Receiver("a.example")
		x.many(batch)
		x.run()
		x.prove(link1, batch)
		for range 10 {
			open, wanted := make(chan struct{}), make(chan int, 1)
			x.q.set(func(*takeQueue) {
				x.all.commit = func(batches []*webhook.Batch) error {
					n := 0
					if take := batches[0].Take; take != nil {
						n = len(take.Wanted)
					}
					wanted <- n
					<-open
					return errAway
				}
			})
			x.abandon()
			if n := <-wanted; n != batch {
				t.Errorf("%d were to be taken, want %d each time", n, batch)
			}
			close(open)
			time.Sleep(polls)
		}
		x.q.set(func(*takeQueue) { x.all.commit = nil })
	})
}
