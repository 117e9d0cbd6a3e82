package webhook_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/webhook"
)

// Whatever a store answers, each endpoint gets the event once, and the places
// that were reserved come back.
func TestAnswersThatAreNonsense(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answer  func(*webhook.Take)
		reports int
	}{
		{"none", func(*webhook.Take) {}, 0},
		{"no such index", func(t *webhook.Take) { t.Taken = append(t.Taken, 7, -1) }, 2},
		{"not wanted", func(t *webhook.Take) { t.Taken = append(t.Taken, 1) }, 1},
		{"twice", func(t *webhook.Take) { t.Taken = append(t.Taken, t.Taken...) }, 2},
		{"backwards", func(t *webhook.Take) { slices.Reverse(t.Taken) }, 0},
		{"nothing but nonsense", func(t *webhook.Take) { t.Taken = []int{-1, 1, 9, 9} }, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				reports := 0
				x := newTakeRig(t, false, func(c *webhook.Config) {
					c.Lease, c.ClaimBatch = 30*time.Second, 8
					c.Hooks.StoreFailed = func(_ context.Context, op string, _ error) {
						mu.Lock()
						defer mu.Unlock()
						if reports++; op != "enqueue" {
							t.Errorf("a fault of %q is reported, want one of enqueue", op)
						}
					}
				})
				recv := x.net.Receiver("a.example")
				for _, id := range []string{"a", "b", "c"} { // no claim has b in its order
					x.set(webhook.Endpoint{ID: id, Name: id, Scope: link1, URL: "http://a.example/" + id, Ordered: id == "b"})
				}
				x.run()
				x.prove(link1, 3)
				x.q.set(func(q *takeQueue) { q.after = func(b *webhook.Batch) { tt.answer(b.Take) } })
				receipt := x.dispatch(leadCreated{Email: "x"}, link1)
				x.q.set(func(q *takeQueue) { q.after = nil })
				if got := x.q.asked(); !slices.Equal(got, []int{0, 2}) {
					t.Fatalf("%v were to be taken, want a and c", got)
				}
				time.Sleep(time.Minute)
				got := map[string]int{}
				for _, req := range recv.Requests() {
					if req.ID() == receipt.MessageID {
						got[req.Path]++
					}
				}
				if len(got) != 3 || got["/a"] != 1 || got["/b"] != 1 || got["/c"] != 1 {
					t.Errorf("the requests are %v, want one for each endpoint", got)
				}
				mu.Lock()
				if reports != tt.reports {
					t.Errorf("%d faults were reported, want %d", reports, tt.reports)
				}
				mu.Unlock()
				for range 10 { // more than there are places
					x.dispatch(leadCreated{Email: "y"}, link1)
					if got := x.q.asked(); !slices.Equal(got, []int{0, 2}) {
						t.Fatalf("then %v were to be taken, want a and c again", got)
					}
					time.Sleep(polls)
				}
			})
		})
	}
}

// What a shared commit that failed has answered does not count for the commit of
// each batch by itself.
func TestAnswerOfAFailedCommitDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTakeRig(t, true, nil)
		recv := x.net.Receiver("a.example")
		x.many(3)
		x.run()
		x.prove(link1, 3)
		open := make(chan struct{})
		x.q.set(func(*takeQueue) {
			x.all.commit = func(batches []*webhook.Batch) error {
				<-open
				if len(batches) == 1 {
					return nil
				}
				for _, b := range batches {
					if b.Take != nil {
						b.Take.Taken, b.Take.Token = append(b.Take.Taken[:0], b.Take.Wanted...), 77
					}
				}
				x.q.set(func(q *takeQueue) { q.ignores = true })
				return errAway
			}
		})
		var wg sync.WaitGroup
		for i := range 10 { // the first four lead, the others wait together
			wg.Go(func() { x.dispatch(leadCreated{Email: "x"}, link1) })
			if i == 3 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		close(open)
		wg.Wait()
		time.Sleep(time.Minute)
		if n := len(recv.Requests()); n != 3*11 {
			t.Errorf("%d requests, want %d", n, 3*11)
		}
	})
}

// A Dispatch that found its endpoint paused does not pause it again once it is
// released.
func TestReleaseDuringADispatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTakeRig(t, false, nil)
		x.net.Receiver("a.example")
		x.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		x.run()
		x.prove(link1, 1)
		status := func(s webhook.Status) {
			if err := x.store.SetStatus(t.Context(), "a", s, ""); err != nil {
				t.Fatal(err)
			}
		}
		status(webhook.Paused)
		x.q.set(func(q *takeQueue) {
			q.before = func(ctx context.Context, _ *webhook.Batch) error {
				status(webhook.Active)
				return x.d.Release(ctx, "a")
			}
		})
		start := time.Now()
		x.dispatch(leadCreated{Email: "x"}, link1)
		if got := x.q.asked(); got != nil {
			t.Errorf("%v were to be taken of a paused endpoint, want none", got)
		}
		if d := x.end(); d.State != webhook.Delivered || time.Since(start) > 2*time.Second {
			t.Errorf("ended %v after %v, want delivered at once", d.State, time.Since(start))
		}
	})
}
