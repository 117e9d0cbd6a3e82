package storetest_test

import (
	"context"
	"sync"
	"time"

	"github.com/outhook/outhook/webhook"
)

func otherFaults() []planted {
	return []planted{
		{
			name: "purge goes by nothing",
			plant: func(m *mutant) {
				m.purge = func(ctx context.Context, p webhook.Purge) (int, error) {
					p.Age = time.Nanosecond
					return m.model.Purge(ctx, p)
				}
			},
			sees: []string{"purge/age", "purge/keep", "purge/nothing"},
		},
		{
			name: "purge has no steps",
			plant: func(m *mutant) {
				m.purge = func(ctx context.Context, p webhook.Purge) (int, error) {
					p.Limit = 1000
					return m.model.Purge(ctx, p)
				}
			},
			sees: []string{"purge/steps"},
		},
		{
			name: "purge ignores the count",
			plant: func(m *mutant) {
				m.purge = func(ctx context.Context, p webhook.Purge) (int, error) {
					p.Keep = 0
					return m.model.Purge(ctx, p)
				}
			},
			sees: []string{"purge/keep"},
		},
		{
			name: "purge takes bodies that are needed",
			plant: func(m *mutant) {
				purged := false
				m.purge = func(ctx context.Context, p webhook.Purge) (int, error) {
					purged = true
					return m.model.Purge(ctx, p)
				}
				m.eachClaimed(func(c *webhook.Claimed) {
					if purged && c.Message != nil {
						bare := *c.Message
						bare.Bodies = make([]webhook.Body, len(bare.Bodies))
						c.Message = &bare
					}
				})
			},
			sees: []string{"purge/open", "purge/age"},
		},
		{
			name: "counts leave out what waits",
			plant: func(m *mutant) {
				m.counts = func(ctx context.Context) (webhook.Counts, error) {
					c, err := m.model.Counts(ctx)
					c.Pending = min(c.Pending, 2)
					return c, err
				}
			},
			sees: []string{"counts"},
		},
		{
			name: "twice the rate",
			plant: func(m *mutant) {
				m.take = func(ctx context.Context, id string, n int, rate webhook.Rate) (int, time.Duration, error) {
					rate.Limit *= 2
					return m.model.Take(ctx, id, n, rate)
				}
			},
			sees: []string{"rate/window", "rate/peers", "rate/endpoints"},
		},
		{
			name: "one rate for all endpoints",
			plant: func(m *mutant) {
				m.take = func(ctx context.Context, _ string, n int, rate webhook.Rate) (int, time.Duration, error) {
					return m.model.Take(ctx, "all", n, rate)
				}
			},
			sees: []string{"rate/endpoints"},
		},
		{
			name: "the wait is too short",
			plant: func(m *mutant) {
				m.take = func(ctx context.Context, id string, n int, rate webhook.Rate) (int, time.Duration, error) {
					granted, wait, err := m.model.Take(ctx, id, n, rate)
					return granted, wait / 4, err
				}
			},
			sees: []string{"rate/wait"},
		},
		{
			name: "a window that jumps",
			plant: func(m *mutant) {
				var mu sync.Mutex
				window, used := int64(0), 0
				m.take = func(_ context.Context, _ string, n int, rate webhook.Rate) (int, time.Duration, error) {
					mu.Lock()
					defer mu.Unlock()
					now := time.Now().UnixNano() + int64(rate.Per)/2
					if w := now / int64(rate.Per); w != window {
						window, used = w, 0
					}
					granted := min(n, rate.Limit-used)
					used += granted
					return granted, time.Duration(int64(rate.Per) - now%int64(rate.Per)), nil
				}
			},
			sees: []string{"rate/window"},
		},
	}
}
