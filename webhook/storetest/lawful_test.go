package storetest_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/storetest"
)

// TestLawfulStore runs the suite against a store that uses every freedom that
// the contract leaves: the suite must not ask for more than is promised.
func TestLawfulStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store {
		t.Helper()
		return lawful().handle()
	}, storetest.Options{Require: storetest.All, Around: virtual().Around, Volume: 300})
}

func lawful() *mutant {
	m := newMutant()
	// A Claim may return less than is due.
	m.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
		c.Limit = min(c.Limit, 25)
		got, err := m.model.Claim(ctx, c)
		for i := range got {
			coarse(&got[i].Delivery)
			got[i].Age = got[i].Age.Truncate(time.Millisecond)
		}
		return got, err
	}
	// A retry may report its own deliveries as existing.
	m.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
		var own []webhook.Existing
		for i := range b.Deliveries {
			if _, _, err := m.model.Delivery(ctx, b.Deliveries[i].ID); err == nil {
				own = append(own, webhook.Existing{Index: i, ID: b.Deliveries[i].ID})
			}
		}
		out, err := m.model.Enqueue(ctx, b)
		for _, x := range own {
			if err == nil && !slices.Contains(out, x) {
				out = append(out, x)
			}
		}
		slices.Reverse(out)
		return out, err
	}
	// Match may return more, and both in any order.
	m.match = func(ctx context.Context, q webhook.Query) ([]*webhook.Endpoint, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		at := m.memory.count.Load()
		var all []*webhook.Endpoint
		for _, scope := range append(slices.Clone(q.Scopes), webhook.Everywhere) {
			found, err := m.model.List(ctx, scope)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
		slices.Reverse(all)
		m.remember(&remembered{q: q, found: all, at: at})
		return all, nil
	}
	// Of some queries nothing is remembered, and any change makes all outdated.
	m.recall = func(q webhook.Query) ([]*webhook.Endpoint, any) {
		if len(q.Scopes) > 1 {
			return nil, nil
		}
		return m.model.Recall(m, q)
	}
	m.memory.holds = func(r *remembered) bool { return r.at == m.memory.count.Load() }
	m.endpoints = func(ctx context.Context, ids []string) ([]*webhook.Endpoint, error) {
		found, err := m.model.Endpoints(ctx, ids)
		found = slices.Clone(found)
		slices.Reverse(found)
		return found, err
	}
	m.settle = func(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
		res, err := m.model.Settle(ctx, items)
		slices.Reverse(res.Stale)
		slices.Reverse(res.Failing)
		return res, err
	}
	m.delivery = func(ctx context.Context, id string) (*webhook.Delivery, *webhook.Message, error) {
		d, msg, err := m.model.Delivery(ctx, id)
		if d != nil {
			coarse(d)
		}
		return d, msg, err
	}
	// Pages may be shorter than asked for.
	m.finals = func(ctx context.Context, cursor string, limit int) ([]webhook.Delivery, string, error) {
		return m.model.Finals(ctx, cursor, min(limit, 3))
	}
	return m
}

// coarse cuts times as a database with milliseconds does.
func coarse(d *webhook.Delivery) {
	for _, at := range []*time.Time{&d.Created, &d.Due, &d.Ended} {
		if !at.IsZero() {
			*at = at.Truncate(time.Millisecond).Local()
		}
	}
}
