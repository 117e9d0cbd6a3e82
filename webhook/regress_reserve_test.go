package webhook_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// Endpoints that hang, however many, leave room in MaxInFlight, and among what
// is claimed, to one that answers.
func TestHangingEndpointsLeaveRoom(t *testing.T) {
	for _, tt := range []struct {
		policy string
		batch  int
	}{{"at-least-once", 500}, {"at-least-once", 20}, {"fire-and-forget", 500}} {
		t.Run(fmt.Sprintf("%s, %d", tt.policy, tt.batch), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *webhook.Config) {
					c.Concurrency, c.MaxInFlight, c.ClaimBatch = 4, 40, tt.batch
				})
				r.net.Receiver("good.example", webhooktest.Answer{Delay: 10 * time.Millisecond})
				r.net.Receiver("bad.example", webhooktest.Answer{Hang: true})
				r.set(webhook.Endpoint{ID: "good", Scope: "link:2", URL: "http://good.example/", Policy: tt.policy})
				for i := range 200 {
					id := fmt.Sprintf("e%03d", i)
					r.set(webhook.Endpoint{ID: id, Name: id, Scope: link1, URL: "http://bad.example/", Policy: tt.policy})
				}
				r.run()
				r.dispatch(leadCreated{Email: "x"}, "link:2")
				r.end()
				r.dispatch(leadCreated{Email: "x"}, link1)
				time.Sleep(2 * time.Second)
				for i := range 20 {
					start := time.Now()
					r.dispatch(leadCreated{Email: "x"}, "link:2")
					for d := r.end(); d.EndpointID != "good"; d = r.end() {
					}
					if took := time.Since(start); took > time.Second {
						t.Errorf("delivery %d to the good endpoint took %v, want less than 1s", i, took)
					}
				}
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				_ = r.d.Shutdown(ctx)
			})
		})
	}
}
