package webhook_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/webhook"
)

// lateBatches tells late what its shared commits have done.
type lateBatches struct {
	webhook.Queue
	late time.Duration
}

func (s *lateBatches) EnqueueAll(ctx context.Context, batches []*webhook.Batch) ([][]webhook.Existing, error) {
	out := make([][]webhook.Existing, len(batches))
	for i, b := range batches {
		var err error
		if out[i], err = s.Enqueue(ctx, b); err != nil {
			return nil, err
		}
	}
	time.Sleep(s.late)
	return out, nil
}

// What was taken for a Dispatch that no longer waits is given back before Run
// returns.
func TestDrainWaitsForACommitThatWasAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &lateBatches{}
		r := newRig(t, func(c *webhook.Config) { store.Queue, c.Queue = c.Queue, store })
		r.net.Receiver("a.example")
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.d.Run(ctx) }()
		r.dispatch(leadCreated{Email: "x"}, link1)
		r.end() // the receiver is known to answer: more is taken as it is stored
		time.Sleep(time.Second)

		store.late = time.Second
		brief, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := r.d.Dispatch(brief, leadCreated{Email: "y"}, link1); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Dispatch = %v, want deadline exceeded", err)
		}
		if c, err := r.store.Counts(t.Context()); err != nil || c.Running != 1 {
			t.Fatalf("the store has %+v, %v; want one that was taken", c, err)
		}
		stop()
		if err := <-done; err != nil {
			t.Fatalf("Run = %v, want nil", err)
		}
		if c, err := r.store.Counts(t.Context()); err != nil || c.Running != 0 || c.Pending != 1 {
			t.Errorf("the store has %+v, %v; want what was taken pending again", c, err)
		}
		r.finish(t)
	})
}
