package storetest_test

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/storetest"
)

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
