package webhook_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

// slowTaker takes its time the first time that it is asked for a request.
type slowTaker struct {
	*memstore.Store

	takes time.Duration
}

func (s *slowTaker) Take(context.Context, string, int, webhook.Rate) (granted int, wait time.Duration, err error) {
	time.Sleep(s.takes)
	s.takes = 0
	return 1, 0, nil
}

// An attempt that the store kept waiting until its lease is nearly over is not
// made, even to an endpoint that need not be read again.
func TestLeaseIsLookedAtLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const takes = 14 * time.Second // of 30 s, of which an attempt and its margin need 17.5
		r := newRig(t, func(c *webhook.Config) {
			c.Queue = &slowTaker{Store: c.Queue.(*memstore.Store), takes: takes}
			c.Lease, c.StoreTimeout = 30*time.Second, 20*time.Second
		})
		recv := r.net.Receiver("a.example")
		began := time.Now()
		_, err := r.d.DispatchTo(t.Context(), leadCreated{Email: "x"}, webhook.Endpoint{
			URL: "http://a.example/", Policy: "at-least-once", Rate: webhook.Rate{Limit: 1, Per: time.Second},
		})
		if err != nil {
			t.Fatal(err)
		}
		r.run()
		time.Sleep(time.Minute)
		reqs := recv.Requests()
		if len(reqs) != 1 {
			t.Fatalf("%d requests, want 1", len(reqs))
		}
		if at := reqs[0].At.Sub(began); at <= takes {
			t.Errorf("the request was made after %v, want one under a lease of its own", at)
		}
		if d := <-r.ended; d.Attempts != 1 {
			t.Errorf("%d attempts, want 1: what is not sent uses none up", d.Attempts)
		}
	})
}
