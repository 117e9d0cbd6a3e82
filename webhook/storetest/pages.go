package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/outhook/outhook/webhook"
)

func pageCases() []testCase {
	return []testCase{
		{
			name:        "pages/complete",
			explanation: "the pages hold every delivery once, newest first, also those created at the same instant, while new ones arrive",
			needs:       History,
			run:         pagesComplete,
		},
		{
			name:        "pages/filters",
			explanation: "a query selects by endpoint, message, state and time, and by all of them at once",
			needs:       History,
			run:         pagesFilters,
		},
		{
			name:        "pages/limit",
			explanation: "a page without a limit has 50 deliveries, and none has more than 1000",
			needs:       History,
			run:         pagesLimit,
		},
	}
}

// pages follows the cursor to the end.
func (e *env) pages(ctx context.Context, q webhook.HistoryQuery, between func()) []webhook.Delivery {
	var all []webhook.Delivery
	for range 1000 {
		page, next, err := e.history().Deliveries(ctx, q)
		e.ok(err, "Deliveries")
		if q.Limit > 0 && len(page) > q.Limit {
			e.errorf("Deliveries(Limit %d) returned %d", q.Limit, len(page))
		}
		all = append(all, page...)
		if next == "" {
			return all
		}
		q.Cursor = next
		between()
	}
	e.fatalf("the pages of Deliveries do not end")
	return nil
}

// listed reports a selection that is not these deliveries.
func (e *env) listed(ctx context.Context, q webhook.HistoryQuery, want ...string) {
	if q.Limit == 0 {
		q.Limit = 2
	}
	var got []string
	for _, d := range e.pages(ctx, q, func() {}) {
		got = append(got, d.ID)
	}
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		e.errorf("Deliveries(%+v) = %v, want %v", q, got, want)
	}
}

func pagesComplete(ctx context.Context, e *env) {
	var want []string
	for range 4 {
		b := e.batch(names("a", 9)...)
		e.enqueue(ctx, e.Queue, b)
		want = append(want, deliveryIDs(b)...)
		e.pause(ctx, 2*grain)
	}
	all := e.pages(ctx, webhook.HistoryQuery{Limit: 7}, func() { e.enqueue(ctx, e.Queue, e.batch("late")) })
	seen := map[string]bool{}
	for i, d := range all {
		if seen[d.ID] {
			e.errorf("delivery %s is on two pages", d.ID)
		}
		seen[d.ID] = true
		if i > 0 && d.Created.After(all[i-1].Created) {
			e.errorf("Deliveries returned one created at %v after one created at %v", d.Created, all[i-1].Created)
		}
	}
	for _, id := range want {
		if !seen[id] {
			e.errorf("delivery %s is on no page", id)
		}
	}
}

func pagesFilters(ctx context.Context, e *env) {
	var all []*webhook.Batch
	for range 3 {
		b := e.batch("a", "b")
		e.enqueue(ctx, e.Queue, b)
		all = append(all, b)
		e.pause(ctx, 2*grain)
	}
	// a: delivered, failed, pending; b: all pending.
	for i, state := range []webhook.State{webhook.Delivered, webhook.Failed} {
		got := e.one(ctx, e.Queue, webhook.Claim{Skip: []string{"b"}})
		if got.Delivery.ID != all[i].Deliveries[0].ID {
			e.fatalf("Claim handed out %s, want %s, which was due earlier", got.Delivery.ID, all[i].Deliveries[0].ID)
		}
		e.settle(ctx, e.Queue, item(got, state))
	}
	of := func(endpoint int, messages ...int) []string {
		var out []string
		for _, m := range messages {
			out = append(out, all[m].Deliveries[endpoint].ID)
		}
		return out
	}
	created := func(i int) time.Time {
		d, _ := e.recorded(ctx, all[i].Deliveries[0].ID)
		return d.Created
	}
	e.listed(ctx, webhook.HistoryQuery{EndpointID: "a"}, of(0, 0, 1, 2)...)
	e.listed(ctx, webhook.HistoryQuery{EndpointID: "A"})
	e.listed(ctx, webhook.HistoryQuery{MessageID: all[1].Message.ID}, deliveryIDs(all[1])...)
	e.listed(ctx, webhook.HistoryQuery{States: []webhook.State{webhook.Failed}}, of(0, 1)...)
	e.listed(ctx, webhook.HistoryQuery{States: []webhook.State{webhook.Failed, webhook.Delivered}}, of(0, 0, 1)...)
	e.listed(ctx, webhook.HistoryQuery{States: []webhook.State{webhook.Pending}}, append(of(1, 0, 1, 2), of(0, 2)...)...)
	e.listed(ctx, webhook.HistoryQuery{Since: created(1)}, deliveryIDs(all[1], all[2])...)
	e.listed(ctx, webhook.HistoryQuery{Until: created(1)}, deliveryIDs(all[0])...)
	e.listed(ctx, webhook.HistoryQuery{Since: created(1), Until: created(2)}, deliveryIDs(all[1])...)
	e.listed(ctx, webhook.HistoryQuery{
		EndpointID: "a", States: []webhook.State{webhook.Pending, webhook.Failed}, Since: created(0), Until: created(2), Limit: 1,
	}, of(0, 1)...)
	running := e.one(ctx, e.Queue, webhook.Claim{Skip: []string{"a"}})
	e.listed(ctx, webhook.HistoryQuery{States: []webhook.State{webhook.Running}}, running.Delivery.ID)
}

func pagesLimit(ctx context.Context, e *env) {
	e.enqueue(ctx, e.Queue, e.batch(names("a", 1100)...))
	page, next, err := e.history().Deliveries(ctx, webhook.HistoryQuery{})
	e.ok(err, "Deliveries")
	if len(page) != 50 || next == "" {
		e.errorf("Deliveries without Limit returned %d and cursor %q; want 50, and one", len(page), next)
	}
	page, _, err = e.history().Deliveries(ctx, webhook.HistoryQuery{Limit: 5000})
	if err == nil && len(page) > 1000 {
		e.errorf("Deliveries(Limit 5000) returned %d, want 1000 at most", len(page))
	}
	if all := e.pages(ctx, webhook.HistoryQuery{Limit: 1000}, func() {}); len(all) != 1100 {
		e.errorf("the pages of 1000 hold %d deliveries, want 1100", len(all))
	}
}
