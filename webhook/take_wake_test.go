package webhook_test

import (
	"context"
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
		ctx, stop := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			for ctx.Err() == nil {
				x.dispatch(leadCreated{Email: "x"}, "link:2")
				time.Sleep(10 * time.Millisecond)
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
		stop()
		<-stopped
	})
}
