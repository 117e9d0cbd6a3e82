package storetest_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/outhook/outhook/payload"
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

// inlines remembers the inline endpoint of each delivery.
func (m *mutant) inlines() func(id string) *webhook.Endpoint {
	var mu sync.Mutex
	known := map[string]*webhook.Endpoint{}
	m.eachBatch(func(b *webhook.Batch) {
		mu.Lock()
		defer mu.Unlock()
		for i := range b.Deliveries {
			known[b.Deliveries[i].ID] = b.Deliveries[i].Inline
		}
	})
	return func(id string) *webhook.Endpoint {
		mu.Lock()
		defer mu.Unlock()
		return known[id]
	}
}

func historyFaults() []planted {
	return []planted{
		{
			name: "history that shows a secret: a header of an attempt",
			plant: func(m *mutant) {
				inline := m.inlines()
				m.eachItem(func(s *webhook.Settlement) {
					if ep := inline(s.ID); ep != nil && s.Attempt != nil {
						a := *s.Attempt
						a.Header = append(slices.Clone(a.Header), payload.Header(ep.Headers[0]))
						s.Attempt = &a
					}
				})
			},
			sees: []string{"history/secrets"},
		},
		{
			name: "history that shows a secret: the reason of a delivery",
			plant: func(m *mutant) {
				inline := m.inlines()
				m.eachItem(func(s *webhook.Settlement) {
					if ep := inline(s.ID); ep != nil && s.State == webhook.Failed {
						s.Reason = "signed with " + ep.Secrets[0].Reveal()
					}
				})
			},
			sees: []string{"history/secrets"},
		},
		{
			name: "history that shows a secret: a listing",
			plant: func(m *mutant) {
				m.deliveries = func(ctx context.Context, q webhook.HistoryQuery) ([]webhook.Delivery, string, error) {
					page, next, err := m.model.Deliveries(ctx, q)
					for i := range page {
						if page[i].Inline != nil {
							page[i].Policy = page[i].Inline.Params[0].Value
						}
					}
					return page, next, err
				}
			},
			sees: []string{"history/secrets"},
		},
		{
			name: "attempts are cut",
			plant: func(m *mutant) {
				m.eachItem(func(s *webhook.Settlement) {
					if s.Attempt != nil {
						a := *s.Attempt
						a.Answer = a.Answer[:len(a.Answer)/2]
						s.Attempt = &a
					}
				})
			},
			sees: []string{"history/attempts"},
		},
		{
			name: "attempts are newest first",
			plant: func(m *mutant) {
				m.attempts = func(ctx context.Context, id string) ([]webhook.Attempt, error) {
					got, err := m.model.Attempts(ctx, id)
					got = slices.Clone(got)
					slices.Reverse(got)
					return got, err
				}
			},
			sees: []string{"history/attempts"},
		},
		{
			name: "an unknown delivery is an empty one",
			plant: func(m *mutant) {
				m.delivery = func(ctx context.Context, id string) (*webhook.Delivery, *webhook.Message, error) {
					d, msg, err := m.model.Delivery(ctx, id)
					if errors.Is(err, webhook.ErrNotFound) {
						d, msg, err = &webhook.Delivery{ID: id}, &webhook.Message{}, nil
					}
					return d, msg, err
				}
			},
			sees: []string{"history/unknown", "tx/rollback", "purge/age"},
		},
		{
			name: "a final delivery shows when it was due",
			plant: func(m *mutant) {
				m.delivery = func(ctx context.Context, id string) (*webhook.Delivery, *webhook.Message, error) {
					d, msg, err := m.model.Delivery(ctx, id)
					if d != nil {
						d.Due = d.Created
					}
					return d, msg, err
				}
			},
			sees: []string{"history/life", "enqueue/final"},
		},
	}
}

func listingFaults() []planted {
	return []planted{
		{
			name: "pages overlap",
			plant: func(m *mutant) {
				m.deliveries = func(ctx context.Context, q webhook.HistoryQuery) ([]webhook.Delivery, string, error) {
					page, next, err := m.model.Deliveries(ctx, q)
					if q.Cursor == "" || len(page) == 0 {
						return page, next, err
					}
					return append(page[:len(page)-1:len(page)-1], page[0]), next, err
				}
			},
			sees: []string{"pages/complete", "pages/filters"},
		},
		{
			name: "filters are forgotten after the first page",
			plant: func(m *mutant) {
				m.deliveries = func(ctx context.Context, q webhook.HistoryQuery) ([]webhook.Delivery, string, error) {
					if q.Cursor != "" {
						q = webhook.HistoryQuery{Cursor: q.Cursor, Limit: q.Limit}
					}
					return m.model.Deliveries(ctx, q)
				}
			},
			sees: []string{"pages/filters"},
		},
		{
			name: "a page without a limit holds all",
			plant: func(m *mutant) {
				m.deliveries = func(ctx context.Context, q webhook.HistoryQuery) ([]webhook.Delivery, string, error) {
					if q.Limit == 0 {
						q.Limit = 1000
					}
					return m.model.Deliveries(ctx, q)
				}
			},
			sees: []string{"pages/limit"},
		},
		{
			name: "the feed skips one in a hundred",
			plant: func(m *mutant) {
				m.finals = func(ctx context.Context, cursor string, limit int) ([]webhook.Delivery, string, error) {
					page, next, err := m.model.Finals(ctx, cursor, limit)
					if len(page) > 1 {
						page = page[:len(page)-1]
					}
					return page, next, err
				}
			},
			sees: []string{"finals/order", "finals/all-ends", "finals/follow"},
		},
		{
			name:  "the feed goes by the time of writing, not of the commit",
			plant: overtaken,
			sees:  []string{"finals/late-commit"},
		},
	}
}

// overtaken hides what a transaction ended from readers that read before its
// commit: their cursor is past it.
func overtaken(m *mutant) {
	var mu sync.Mutex
	open := false
	passed := false
	hidden := map[string]bool{}
	m.begin = func(ctx context.Context) (storetest.Tx, error) {
		tx, err := m.model.begin(ctx)
		commit, outbox := tx.Commit, tx.Outbox
		mu.Lock()
		open = true
		mu.Unlock()
		tx.Outbox = changingOutbox{Outbox: outbox, changed: func(b *webhook.Batch) *webhook.Batch {
			for i := range b.Deliveries {
				hidden[b.Deliveries[i].ID] = true
			}
			return b
		}}
		tx.Commit = func() error {
			mu.Lock()
			open = false
			mu.Unlock()
			return commit()
		}
		return tx, err
	}
	m.finals = func(ctx context.Context, cursor string, limit int) ([]webhook.Delivery, string, error) {
		page, next, err := m.model.Finals(ctx, cursor, limit)
		mu.Lock()
		defer mu.Unlock()
		passed = passed || open
		if passed {
			page = slices.DeleteFunc(page, func(d webhook.Delivery) bool { return hidden[d.ID] })
		}
		return page, next, err
	}
}

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
