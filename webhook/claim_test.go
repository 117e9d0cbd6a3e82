package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/webhook"
)

// unsentCounts counts what is claimed, and what of it is given back unsent.
type unsentCounts struct {
	webhook.Queue
	claims, claimed, unsent atomic.Int64
}

func (q *unsentCounts) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
	got, err := q.Queue.Claim(ctx, c)
	q.claims.Add(1)
	q.claimed.Add(int64(len(got)))
	return got, err
}

func (q *unsentCounts) Settle(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
	for i := range items {
		if items[i].Unsent {
			q.unsent.Add(1)
		}
	}
	return q.Queue.Settle(ctx, items)
}

// remote is a store 30 ms away.
type remote struct{ webhook.Queue }

func (q remote) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
	time.Sleep(30 * time.Millisecond)
	return q.Queue.Claim(ctx, c)
}

// What slow lanes refuse does not shrink the share of a fast one, which a store
// far away would make felt.
func TestSlowLanesLeaveAFastOneItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config) {
			c.Queue = remote{c.Queue}
			c.Hooks.AttemptDone, c.Hooks.Ended = nil, nil
		})
		var got sync.WaitGroup
		set := func(name string, scope webhook.Scope, delay time.Duration, done func()) {
			r.net.Handle(name, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				time.Sleep(delay)
				done()
			}))
			r.set(webhook.Endpoint{ID: name, Name: name, Scope: scope, URL: "http://" + name + "/"})
		}
		set("fast.example", link1, time.Millisecond, got.Done)
		for i := range 20 {
			set(fmt.Sprintf("e%d.example", i), "link:2", 500*time.Millisecond+time.Duration(i)*50*time.Millisecond, func() {})
		}
		const n = 20_000
		got.Add(n)
		for range n {
			r.dispatch(leadCreated{Email: "x"}, link1)
		}
		for range 1000 {
			r.dispatch(leadCreated{Email: "x"}, "link:2")
		}
		start := time.Now()
		r.run()
		got.Wait()
		if took := time.Since(start); took > 4*time.Second {
			t.Errorf("the fast receiver's %d took %v, want some 3 s", n, took)
		}
	})
}

// A claim brings about what the lanes take: little of it is claimed in vain, and
// a lane that could use more soon gets more at a time.
func TestClaimsBringWhatLanesTake(t *testing.T) {
	for _, tt := range []struct {
		name            string
		endpoints, each int
		first, others   time.Duration // how long their receivers take
		claims, inVain  int64         // at most
	}{
		{name: "ten alike", endpoints: 10, each: 1000, first: 10 * time.Millisecond, others: 10 * time.Millisecond, claims: 1000, inVain: 30_000},
		{name: "one alone", endpoints: 1, each: 10_000, first: time.Millisecond, claims: 800, inVain: 2000},
		{name: "one fast", endpoints: 10, each: 1000, first: time.Millisecond, others: 100 * time.Millisecond, claims: 1500, inVain: 30_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var q *unsentCounts
				r := newRig(t, func(c *webhook.Config) {
					q = &unsentCounts{Queue: c.Queue}
					c.Queue = q
					c.Hooks.AttemptDone, c.Hooks.Ended = nil, nil
				})
				var got sync.WaitGroup
				for i := range tt.endpoints {
					delay := tt.others
					if i == 0 {
						delay = tt.first
					}
					name := fmt.Sprintf("e%d.example", i)
					r.net.Handle(name, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
						time.Sleep(delay)
						got.Done()
					}))
					r.set(webhook.Endpoint{ID: name, Name: name, Scope: link1, URL: "http://" + name + "/"})
				}
				for range tt.each {
					r.dispatch(leadCreated{Email: "x"}, link1)
					got.Add(tt.endpoints)
				}
				r.run()
				got.Wait()
				t.Logf("%d claims, %d claimed, %d of them in vain", q.claims.Load(), q.claimed.Load(), q.unsent.Load())
				if n := q.unsent.Load(); n > tt.inVain {
					t.Errorf("%d deliveries were given back unsent, want at most %d for %d that were sent", n, tt.inVain, tt.endpoints*tt.each)
				}
				if n := q.claims.Load(); n > tt.claims {
					t.Errorf("%d claims, want at most %d", n, tt.claims)
				}
			})
		})
	}
}
