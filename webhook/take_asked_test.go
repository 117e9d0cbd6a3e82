package webhook_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// start runs the dispatcher until stop is called, which waits for its end.
func (x *takeRig) start() (stop func()) {
	x.t.Helper()
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- x.d.Run(ctx) }()
	return func() {
		x.t.Helper()
		cancel()
		if err := <-done; err != nil {
			x.t.Errorf("Run = %v, want nil", err)
		}
	}
}

// asks dispatches an event to link1 and holds what was to be taken against want.
func (x *takeRig) asks(when string, want ...int) {
	x.t.Helper()
	x.q.set(func(q *takeQueue) { q.wanted = nil })
	x.dispatch(leadCreated{Email: "x"}, link1)
	if got := x.q.asked(); !slices.Equal(got, want) {
		x.t.Errorf("%s, %v were to be taken, want %v", when, got, want)
	}
}

// Nothing is taken where no claim looks, or none has looked yet.
func TestTakesOnlyWhereRunClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTakeRig(t, false, nil)
		x.net.Receiver("a.example")
		x.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		x.asks("without Run")
		stop := x.start()
		x.end()
		time.Sleep(polls)
		x.asks("beside Run", 0)
		x.end()
		stop()
		open := make(chan struct{})
		x.q.set(func(q *takeQueue) { q.claiming = func() { <-open } })
		stop = x.start()
		synctest.Wait()
		x.asks("before the first claim")
		x.q.set(func(q *takeQueue) { q.claiming = nil })
		close(open)
		if d := x.end(); d.Attempts != 1 {
			t.Errorf("%d attempts, want 1", d.Attempts)
		}
		time.Sleep(polls)
		x.asks("beside the second Run", 0)
		x.end()
		stop()
		x.asks("after Run")
		x.finish(t)
	})
}

// Taken is what may be sent again, and whose order nobody asks for.
func TestTakesOnlyWhatMayBeSentAgain(t *testing.T) {
	for _, tt := range []struct {
		name     string
		endpoint webhook.Endpoint
		enqueued bool
	}{
		{"ordered", webhook.Endpoint{Ordered: true}, true},
		{"at-most-once", webhook.Endpoint{Policy: "at-most-once"}, true},
		{"volatile", webhook.Endpoint{Policy: "fire-and-forget"}, false},
		{"paused", webhook.Endpoint{Status: webhook.Paused}, true},
		{"disabled", webhook.Endpoint{Status: webhook.Disabled}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newTakeRig(t, false, nil)
				x.net.Receiver("a.example")
				ep := tt.endpoint
				ep.ID, ep.Scope, ep.URL = "a", link1, "http://a.example/"
				x.set(webhook.Endpoint{ID: ep.ID, Scope: ep.Scope, URL: ep.URL})
				x.run()
				x.prove(link1, 1)
				x.asks("before the change", 0)
				x.end()
				x.set(ep)
				time.Sleep(2 * time.Second)
				x.asks("of such an endpoint")
				if n := len(x.q.wanted); n == 1 != tt.enqueued {
					t.Errorf("%d calls of Enqueue, want one: %t", n, tt.enqueued)
				}
			})
		})
	}
}

// seenOutbox keeps what a transaction was asked to take.
type seenOutbox struct {
	webhook.Outbox
	take **webhook.Take
}

func (o seenOutbox) Enqueue(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
	*o.take = b.Take
	return o.Outbox.Enqueue(ctx, b)
}

// A transaction may be rolled back: nothing of it is taken.
func TestTakesNothingInATransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTakeRig(t, false, nil)
		recv := x.net.Receiver("a.example")
		x.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		x.run()
		x.prove(link1, 1)
		take := &webhook.Take{}
		tx := x.store.Begin()
		outbox := seenOutbox{x.store.InTx(tx), &take}
		if _, err := x.d.DispatchTx(t.Context(), outbox, leadCreated{Email: "x"}, link1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(polls)
		if n := len(recv.Requests()); take != nil || n != 1 {
			t.Errorf("before the commit: asked to take %v, %d requests; want none, and the first alone", take, n)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		x.d.Wake()
		if d := x.end(); d.State != webhook.Delivered || d.Attempts != 1 {
			t.Errorf("ended %v after %d attempts, want delivered after 1", d.State, d.Attempts)
		}
		x.asks("after the transaction", 0)
	})
}

// What goes to a receiver that did not answer the last time, or hangs now, waits
// in the store.
func TestTakesOnlyForReceiversThatAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTakeRig(t, false, func(c *webhook.Config) {
			c.Policies = []retry.Policy{{Name: "p", Schedule: retry.Fixed(time.Hour), Jitter: -1, Timeout: 10 * time.Second}}
			c.Failing.OpenAfter = -1
			c.PollInterval = 10 * time.Minute // no claim sees it hang
		})
		recv := x.net.Receiver("a.example")
		x.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/", MaxConcurrent: 1})
		x.run()
		time.Sleep(polls)
		x.asks("of an endpoint that is not known")
		x.end()
		time.Sleep(polls)
		recv.Script(webhooktest.Answer{Hang: true})
		x.asks("of one that has answered", 0)
		time.Sleep(time.Second)
		x.asks("of one that hangs")
		time.Sleep(time.Minute) // both attempts are over
		x.asks("of one that hung")
		recv.Script()
		for range 3 {
			x.end()
		}
		time.Sleep(polls)
		x.asks("of one that answers again", 0)
		x.end()
	})
}

// Where the store takes no results, nothing more is taken.
func TestTakesNothingWhileResultsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTakeRig(t, false, nil)
		x.net.Receiver("a.example")
		x.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		x.run()
		x.prove(link1, 1)
		x.q.set(func(q *takeQueue) { q.settling = func() error { return errAway } })
		x.asks("while nothing is wrong", 0)
		synctest.Wait()
		x.asks("while the store takes no results")
		x.q.set(func(q *takeQueue) { q.settling = nil })
		x.end()
		x.end()
		time.Sleep(polls)
		x.asks("once it takes them", 0)
		x.end()
	})
}

// Taken is at most half of what the lanes may hold; what that leaves is seen by a
// claim before anything is taken again.
func TestTakesHalfTheRoom(t *testing.T) {
	takesFour(t, func(c *webhook.Config) { c.ClaimBatch = 4 })
}

// Taken is at most what can begin at once.
func TestTakesWhatCanBegin(t *testing.T) {
	takesFour(t, func(c *webhook.Config) { c.Concurrency = 4 })
}

func takesFour(t *testing.T, config func(*webhook.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		x := newTakeRig(t, false, config)
		recv := x.net.Receiver("a.example")
		x.many(6)
		x.set(webhook.Endpoint{ID: "z", Scope: "link:2", URL: "http://a.example/z"})
		x.run()
		x.prove(link1, 6)
		x.prove("link:2", 1)
		open := make(chan struct{})
		x.q.set(func(q *takeQueue) { q.claiming = func() { <-open } })
		time.Sleep(polls) // it looks, and hangs
		recv.Script(webhooktest.Answer{Delay: time.Millisecond})
		x.asks("of six", 0, 1, 2, 3)
		for range 4 {
			x.end()
		}
		x.asks("while two are left")
		x.q.set(func(q *takeQueue) { q.claiming = nil })
		close(open)
		for range 8 {
			x.end()
		}
		time.Sleep(polls)
		x.asks("once a claim has seen everything", 0, 1, 2, 3)
		for range 6 {
			x.end()
		}
	})
}

// What runs already, and what its lane has no room for, is counted as such.
func TestTakesNotWhatMustWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTakeRig(t, false, func(c *webhook.Config) { c.Concurrency = 3 })
		recv := x.net.Receiver("a.example")
		x.many(6)
		x.set(webhook.Endpoint{ID: "z", Scope: "link:2", URL: "http://a.example/z", MaxConcurrent: 1})
		x.run()
		x.prove(link1, 6)
		x.prove("link:2", 1)
		recv.Script(webhooktest.Answer{Delay: 20 * time.Millisecond}) // a claim comes between
		x.dispatch(leadCreated{Email: "x"}, "link:2")
		if got := x.q.asked(); !slices.Equal(got, []int{0}) {
			t.Errorf("%v were to be taken of the first, want it", got)
		}
		x.asks("beside one of three that runs", 0, 1)
		for range 7 {
			x.end()
		}
		time.Sleep(polls)
		x.dispatch(leadCreated{Email: "x"}, "link:2")
		x.dispatch(leadCreated{Email: "x"}, "link:2")
		if got := x.q.asked(); got != nil {
			t.Errorf("%v were to be taken of a lane that is full, want none", got)
		}
		x.end()
		x.end()
	})
}

// What other calls are about to take counts as taken.
func TestTakesNotWhatOthersAreAboutToTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const batch = 4
		x := newTakeRig(t, false, func(c *webhook.Config) { c.ClaimBatch = batch })
		x.net.Receiver("a.example")
		x.many(batch)
		x.run()
		x.prove(link1, batch)
		open, done := make(chan struct{}), make(chan struct{})
		x.q.set(func(q *takeQueue) { q.after = func(*webhook.Batch) { <-open } })
		go func() { x.dispatch(leadCreated{Email: "x"}, link1); close(done) }()
		synctest.Wait()
		x.q.set(func(q *takeQueue) { q.after = nil })
		x.asks("while another call has all places")
		close(open)
		<-done
		for range 2 * batch {
			x.end()
		}
		time.Sleep(polls)
		x.asks("after it", 0, 1, 2, 3)
		for range batch {
			x.end()
		}
	})
}
