package webhook_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/webhook"
)

// slowStore takes its time to match, and hangs when something is stored.
type slowStore struct {
	webhook.EndpointStore
	webhook.Queue
	matches time.Duration
}

func (s *slowStore) Match(ctx context.Context, q webhook.Query) ([]*webhook.Endpoint, error) {
	select {
	case <-time.After(s.matches):
		return s.EndpointStore.Match(ctx, q)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (*slowStore) Enqueue(ctx context.Context, _ *webhook.Batch) ([]webhook.Existing, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (*slowStore) Claim(ctx context.Context, _ webhook.Claim) ([]webhook.Claimed, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// slowBatches is a slowStore whose commits can be shared.
type slowBatches struct{ *slowStore }

func (slowBatches) EnqueueAll(ctx context.Context, _ []*webhook.Batch) ([][]webhook.Existing, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A Dispatch without a deadline takes one StoreTimeout, and says so, and where.
func TestStoreTimeoutIsNamedAndShared(t *testing.T) {
	for _, tt := range []struct {
		name, says string
		matches    time.Duration
		batches    bool
	}{
		{name: "match", says: "webhook: match: Config.StoreTimeout, which is 3s, is over", matches: time.Hour},
		{name: "enqueue", says: "webhook: enqueue: Config.StoreTimeout, which is 3s, is over", matches: 2 * time.Second},
		{name: "shared", says: "webhook: enqueue: Config.StoreTimeout, which is 3s, is over", matches: 2 * time.Second, batches: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var op atomic.Value
				r := newRig(t, func(c *webhook.Config) {
					s := &slowStore{EndpointStore: c.Endpoints, Queue: c.Queue, matches: tt.matches}
					c.Endpoints, c.Queue = s, s
					if tt.batches {
						c.Queue = slowBatches{s}
					}
					c.StoreTimeout = 3 * time.Second
					c.Hooks.StoreFailed = func(_ context.Context, what string, err error) {
						op.Store(what + ": " + err.Error())
					}
				})
				r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
				start := time.Now()
				_, err := r.d.Dispatch(context.Background(), leadCreated{Email: "x"}, link1)
				if took := time.Since(start); took != 3*time.Second {
					t.Errorf("Dispatch took %v, want 3s", took)
				}
				if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), tt.says) {
					t.Errorf("Dispatch = %v, want a deadline exceeded that begins %q", err, tt.says)
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				if _, err := r.d.Dispatch(ctx, leadCreated{Email: "x"}, link1); !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "StoreTimeout") {
					t.Errorf("Dispatch with its own deadline = %v, want no word of StoreTimeout", err)
				}
				<-ctx.Done()
				if _, err := r.d.Dispatch(ctx, leadCreated{Email: "x"}, link1); !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "webhook: ") {
					t.Errorf("Dispatch after its deadline = %v, want a deadline exceeded that says whose", err)
				}
				r.run()
				time.Sleep(4 * time.Second)
				if got, _ := op.Load().(string); !strings.HasPrefix(got, "claim: Config.StoreTimeout") {
					t.Errorf("StoreFailed was told %q, want a claim that StoreTimeout ended", got)
				}
			})
		})
	}
}
