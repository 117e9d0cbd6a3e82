package webhook_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/webhook"
)

// The end of Run waits for what is being taken, but no longer than Shutdown's
// context: a store that hangs does not keep the process.
func TestHangingEnqueueDoesNotKeepShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTakeRig(t, false, func(c *webhook.Config) { c.DrainTimeout = time.Minute })
		x.net.Receiver("a.example")
		x.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		done := make(chan error, 1)
		go func() { done <- x.d.Run(context.Background()) }()
		x.prove(link1, 1)
		open := make(chan struct{})
		x.q.set(func(q *takeQueue) {
			q.before = func(context.Context, *webhook.Batch) error { <-open; return nil }
		})
		dispatched := make(chan webhook.Receipt)
		go func() { dispatched <- x.dispatch(leadCreated{Email: "x"}, link1) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := x.d.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown = %v, want deadline exceeded", err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("Shutdown with 1s took %v", took)
		}
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		close(open)
		id := (<-dispatched).Deliveries[0].ID
		synctest.Wait()
		if d, _, err := x.store.Delivery(t.Context(), id); err != nil || d.State != webhook.Pending || d.Attempts != 0 {
			t.Errorf("stored as %+v, %v; want it pending, and no attempt counted", d, err)
		}
		x.net.Close()
	})
}
