package storetest_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/storetest"
)

// caching answers Endpoints and Match with what it read first.
func caching(m *mutant) {
	var mu sync.Mutex
	byID := map[string]*webhook.Endpoint{}
	first := func(found []*webhook.Endpoint) []*webhook.Endpoint {
		mu.Lock()
		defer mu.Unlock()
		out := slices.Clone(found)
		for i, ep := range out {
			if byID[ep.ID] == nil {
				byID[ep.ID] = ep
			}
			out[i] = byID[ep.ID]
		}
		return out
	}
	m.match = func(ctx context.Context, q webhook.Query) ([]*webhook.Endpoint, error) {
		found, err := m.model.Match(ctx, q)
		return first(found), err
	}
	m.endpoints = func(ctx context.Context, ids []string) ([]*webhook.Endpoint, error) {
		found, err := m.model.Endpoints(ctx, ids)
		return first(found), err
	}
}

func endpointFaults() []planted {
	return []planted{
		{
			name:  "stale endpoint",
			plant: caching,
			sees:  []string{"admin/fresh", "endpoints/disable", "endpoints/peers", "admin/status", "admin/replace"},
		},
		{
			name: "processes share nothing",
			plant: func(m *mutant) {
				m.peer = func(*testing.T) storetest.Store { return newMutant().handle() }
			},
			sees: []string{
				"enqueue/peer", "endpoints/peers", "admin/fresh", "rate/peers", "probe/peers", "park/peers", "health/peers",
				"fence/peers", "dedup/peers",
			},
		},
		{
			name: "an unknown endpoint is an error",
			plant: func(m *mutant) {
				m.endpoints = func(ctx context.Context, ids []string) ([]*webhook.Endpoint, error) {
					found, err := m.model.Endpoints(ctx, ids)
					if err == nil && len(found) < len(ids) {
						err = webhook.ErrNotFound
					}
					return found, err
				}
			},
			sees: []string{"endpoints/by-id"},
		},
		{
			name: "match leaves out what is paused",
			plant: func(m *mutant) {
				m.match = func(ctx context.Context, q webhook.Query) ([]*webhook.Endpoint, error) {
					found, err := m.model.Match(ctx, q)
					return slices.DeleteFunc(slices.Clone(found), func(e *webhook.Endpoint) bool { return e.Status > webhook.Active }), err
				}
			},
			sees: []string{"match/never-fewer", "endpoints/disable"},
		},
		{
			name: "match asks for the first scope alone",
			plant: func(m *mutant) {
				m.match = func(ctx context.Context, q webhook.Query) ([]*webhook.Endpoint, error) {
					q.Scopes = q.Scopes[:min(1, len(q.Scopes))]
					return m.model.Match(ctx, q)
				}
			},
			sees: []string{"match/never-fewer", "match/many"},
		},
		{
			name: "no match is an error",
			plant: func(m *mutant) {
				m.match = func(ctx context.Context, q webhook.Query) ([]*webhook.Endpoint, error) {
					found, err := m.model.Match(ctx, q)
					if err == nil && len(found) == 0 {
						err = webhook.ErrNotFound
					}
					return found, err
				}
			},
			sees: []string{"match/none"},
		},
		{
			name: "an endpoint is stored redacted",
			plant: func(m *mutant) {
				m.set = func(ctx context.Context, e *webhook.Endpoint) (*webhook.Endpoint, error) {
					masked := *e
					masked.Params = slices.Clone(e.Params)
					for i := range masked.Params {
						if masked.Params[i].Secret {
							masked.Params[i].Value = "***"
						}
					}
					return m.model.Set(ctx, &masked)
				}
			},
			sees: []string{"admin/round-trip", "admin/replace"},
		},
		{
			name: "set adds",
			plant: func(m *mutant) {
				m.set = func(ctx context.Context, e *webhook.Endpoint) (*webhook.Endpoint, error) {
					added := *e
					added.Name += e.ID
					got, err := m.model.Set(ctx, &added)
					if got != nil {
						back := *got
						back.Name = e.Name
						got = &back
					}
					return got, err
				}
			},
			sees: []string{"admin/replace", "admin/concurrent"},
		},
		{
			name: "set takes a stranger's id",
			plant: func(m *mutant) {
				m.set = func(ctx context.Context, e *webhook.Endpoint) (*webhook.Endpoint, error) {
					got, err := m.model.Set(ctx, e)
					if err == nil {
						return got, nil
					}
					_ = m.model.Remove(ctx, e.ID)
					return m.model.Set(ctx, e)
				}
			},
			sees: []string{"admin/conflict"},
		},
		{
			name: "the list is sorted by id",
			plant: func(m *mutant) {
				m.list = func(ctx context.Context, scope webhook.Scope) ([]*webhook.Endpoint, error) {
					found, err := m.model.List(ctx, scope)
					found = slices.Clone(found)
					slices.SortFunc(found, func(a, b *webhook.Endpoint) int {
						if a.ID < b.ID {
							return -1
						}
						return 1
					})
					return found, err
				}
			},
			sees: []string{"admin/list"},
		},
		{
			name: "remove disables",
			plant: func(m *mutant) {
				m.remove = func(ctx context.Context, id string) error {
					return m.model.SetStatus(ctx, id, webhook.Disabled, "removed")
				}
			},
			sees: []string{"admin/remove", "admin/list"},
		},
		{
			name: "an unknown status is nobody's",
			plant: func(m *mutant) {
				m.setStatus = func(ctx context.Context, id string, s webhook.Status, reason string) error {
					_ = m.model.SetStatus(ctx, id, s, reason)
					return nil
				}
			},
			sees: []string{"admin/status", "admin/remove"},
		},
		{
			name: "disable forgets why",
			plant: func(m *mutant) {
				m.disable = func(ctx context.Context, id, _ string) error { return m.model.Disable(ctx, id, "") }
			},
			sees: []string{"endpoints/disable"},
		},
	}
}
