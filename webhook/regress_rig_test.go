package webhook_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
)

var errAway = errors.New("the store is away")

// finish ends a rig whose run was not called.
func (r *rig) finish(t *testing.T) {
	t.Helper()
	if err := r.d.Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown = %v, want nil", err)
	}
	r.net.Close()
}

// runFor runs the dispatcher for a while, and returns what Run panicked with.
func (r *rig) runFor(t *testing.T, while time.Duration) (panicked any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), while)
	defer cancel()
	defer func() { panicked = recover() }()
	if err := r.d.Run(ctx); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	return nil
}

// states counts what has ended so far.
func (r *rig) states() map[webhook.State]int {
	out := map[webhook.State]int{}
	for len(r.ended) > 0 {
		out[(<-r.ended).State]++
	}
	return out
}

// cancelAll cancels what is pending, so that a rig ends soon.
func (r *rig) cancelAll(t *testing.T) {
	t.Helper()
	pending, _, err := r.store.Deliveries(t.Context(), webhook.HistoryQuery{States: []webhook.State{webhook.Pending}, Limit: 1000})
	if err != nil {
		t.Fatalf("Deliveries: %v", err)
	}
	for _, d := range pending {
		_ = r.store.Cancel(t.Context(), d.ID, "") // it may be under way
	}
}

// queueCounts counts calls of a Queue, each of which takes a millisecond.
type queueCounts struct {
	webhook.Queue
	claims, settled, parks atomic.Int64
	noPark                 bool
}

func (q *queueCounts) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
	time.Sleep(time.Millisecond)
	q.claims.Add(1)
	return q.Queue.Claim(ctx, c)
}

func (q *queueCounts) Settle(ctx context.Context, s []webhook.Settlement) (webhook.Settled, error) {
	time.Sleep(time.Millisecond)
	q.settled.Add(int64(len(s)))
	return q.Queue.Settle(ctx, s)
}

func (q *queueCounts) Park(ctx context.Context, p []webhook.Park) error {
	q.parks.Add(1)
	if q.noPark {
		return errAway
	}
	return q.Queue.Park(ctx, p)
}
