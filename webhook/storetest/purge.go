package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/outhook/outhook/webhook"
)

func purgeCases() []testCase {
	return []testCase{
		{
			name:        "purge/age",
			explanation: "what ended longer ago than Age goes, with its attempts and its message; what is younger or open stays",
			needs:       Purger,
			run:         purgeAge,
		},
		{
			name:        "purge/keep",
			explanation: "Keep bounds the history by count: the newest stay",
			needs:       Purger | History,
			run:         purgeKeep,
		},
		{
			name:        "purge/steps",
			explanation: "one step removes Limit at most, and less than Limit says that it is done",
			needs:       Purger,
			run:         purgeSteps,
		},
		{
			name:        "purge/open",
			explanation: "a message stays while any delivery of it is there: pruning one delivery must not take the other's body",
			needs:       Purger,
			run:         purgeOpen,
		},
		{
			name:        "purge/nothing",
			explanation: "the zero Purge selects nothing",
			needs:       Purger,
			run:         purgeNothing,
		},
	}
}

func (e *env) purge(ctx context.Context, p webhook.Purge) int {
	n, err := e.Queue.(webhook.Purger).Purge(ctx, p) //nolint:forcetypeassert // the cases need it
	e.ok(err, "Purge")
	return n
}

// purges reports a step that did not remove want deliveries.
func (e *env) purges(ctx context.Context, p webhook.Purge, want int) {
	if n := e.purge(ctx, p); n != want {
		e.errorf("Purge(%+v) removed %d deliveries, want %d", p, n, want)
	}
}

// ended enqueues n deliveries of a new message and settles them one by one.
func (e *env) ended(ctx context.Context, n int) []string {
	e.enqueue(ctx, e.Queue, e.batch(names("ended", n)...))
	var out []string
	for _, c := range e.drain(ctx, e.Queue, webhook.Claim{Skip: []string{"open"}}, n) {
		it := item(c, webhook.Delivered)
		it.Attempt = attemptOf(c)
		e.settle(ctx, e.Queue, it)
		out = append(out, it.ID)
		e.pause(ctx, 2*grain)
	}
	return out
}

// remembers reports deliveries that are in the history or not, against want.
func (e *env) remembers(ctx context.Context, want bool, ids ...string) {
	h, ok := e.Queue.(webhook.History)
	if !ok {
		return
	}
	for _, id := range ids {
		_, _, err := h.Delivery(ctx, id)
		switch {
		case want:
			e.ok(err, "Delivery of one that was not to be pruned")
		default:
			e.is(err, webhook.ErrNotFound, "Delivery of one that was pruned")
			if got, _ := h.Attempts(ctx, id); len(got) != 0 {
				e.errorf("a pruned delivery left %d attempts", len(got))
			}
		}
	}
}

func purgeAge(ctx context.Context, e *env) {
	old := e.ended(ctx, 3)
	open := e.batch("open", "running", "waiting")
	e.enqueue(ctx, e.Queue, open)
	e.one(ctx, e.Queue, webhook.Claim{Skip: []string{"open", "waiting"}})
	it := item(e.one(ctx, e.Queue, webhook.Claim{Skip: []string{"open"}}), webhook.Pending)
	it.Delay = never
	e.settle(ctx, e.Queue, it)
	e.purges(ctx, webhook.Purge{Age: never}, 0)
	e.remembers(ctx, true, old...)
	e.sleep(ctx, 8)
	start := time.Now()
	young := e.ended(ctx, 2)
	n := e.purge(ctx, webhook.Purge{Age: 8 * e.tick})
	if slow := time.Since(start) >= 8*e.tick; n != 3 && !slow {
		e.errorf("Purge removed %d deliveries, want the 3 that ended longer ago than %v", n, 8*e.tick)
	} else if !slow {
		e.remembers(ctx, false, old...)
		e.remembers(ctx, true, young...)
	}
	e.remembers(ctx, true, deliveryIDs(open)...)
	e.sleep(ctx, 2)
	e.purges(ctx, webhook.Purge{Age: e.tick}, 5-n)
	e.remembers(ctx, false, young...)
	got := e.want(ctx, e.Queue, webhook.Claim{}, open.Deliveries[0].ID)
	e.sameMessage(open.Message, got[open.Deliveries[0].ID].Message)
}

func purgeKeep(ctx context.Context, e *env) {
	var all []string
	for range 8 {
		all = append(all, e.ended(ctx, 1)...)
	}
	open := e.batch("open")
	e.enqueue(ctx, e.Queue, open)
	e.purges(ctx, webhook.Purge{Keep: 20}, 0)
	e.purges(ctx, webhook.Purge{Keep: 3}, 5)
	e.remembers(ctx, false, all[:5]...)
	e.remembers(ctx, true, all[5:]...)
	e.purges(ctx, webhook.Purge{Keep: 3}, 0)
	e.purges(ctx, webhook.Purge{Keep: 2, Age: never}, 1)
	e.sleep(ctx, 2)
	e.purges(ctx, webhook.Purge{Keep: 100, Age: e.tick}, 2)
	e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(open)...)
	if seen := slices.Collect(func(yield func(string) bool) {
		for _, d := range e.pages(ctx, webhook.HistoryQuery{}, func() {}) {
			if !yield(d.ID) {
				return
			}
		}
	}); !slices.Equal(seen, deliveryIDs(open)) {
		e.errorf("after the purges the history has %v, want the open delivery alone", seen)
	}
}

func purgeSteps(ctx context.Context, e *env) {
	e.ended(ctx, 10)
	e.sleep(ctx, 2)
	p := webhook.Purge{Age: e.tick, Limit: 4}
	e.purges(ctx, p, 4)
	e.purges(ctx, p, 4)
	e.purges(ctx, p, 2)
	e.purges(ctx, p, 0)
}

func purgeOpen(ctx context.Context, e *env) {
	b := e.batch("done", "open")
	e.enqueue(ctx, e.Queue, b)
	e.finish(ctx, e.Queue, e.one(ctx, e.Queue, webhook.Claim{Skip: []string{"open"}}))
	e.sleep(ctx, 2)
	e.purges(ctx, webhook.Purge{Age: e.tick}, 1)
	e.remembers(ctx, false, b.Deliveries[0].ID)
	got := e.want(ctx, e.Queue, webhook.Claim{}, b.Deliveries[1].ID)[b.Deliveries[1].ID]
	e.sameMessage(b.Message, got.Message)
	e.finish(ctx, e.Queue, got)
	e.sleep(ctx, 2)
	e.purges(ctx, webhook.Purge{Age: e.tick}, 1)
	e.enqueue(ctx, e.Queue, b) // as new: nothing of it is left
	e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(b)...)
}

func purgeNothing(ctx context.Context, e *env) {
	all := e.ended(ctx, 3)
	e.sleep(ctx, 1)
	e.purges(ctx, webhook.Purge{}, 0)
	e.purges(ctx, webhook.Purge{Limit: 10}, 0)
	e.remembers(ctx, true, all...)
}
