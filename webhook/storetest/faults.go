package storetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/outhook/outhook/webhook"
)

func faultCases() []testCase {
	return []testCase{
		{
			name: "faults/before-and-after",
			explanation: "when calls fail before or after the write and are retried, every delivery is handed out and settled, " +
				"and none is lost because the write succeeded but the answer was an error",
			run: faultsBeforeAndAfter,
		},
		{
			name:        "faults/claim-after",
			explanation: "a Claim whose answer was lost counts as an attempt that may have been sent, and its deliveries come back",
			run:         faultsClaimAfter,
		},
	}
}

func faultsBeforeAndAfter(ctx context.Context, e *env) {
	const events = 60
	endpoints := names("faulty", 3)
	q := Faulty(e.Queue, Faults{Seed: 7, Before: 0.2, After: 0.2})
	open := map[string]bool{}
	for n := range events {
		b := e.event(fmt.Sprintf("event-%d", n), endpoints...)
		e.retry(ctx, "Enqueue", func() error {
			_, err := q.Enqueue(ctx, b)
			return err
		})
		for _, id := range deliveryIDs(b) {
			open[id] = true
		}
	}
	received := map[string]int{}
	e.eventually(ctx, "every delivery, though calls fail", func() bool {
		for _, c := range e.faultyRound(ctx, q) {
			received[c.Delivery.ID]++
			if c.Delivery.Attempts > 1 {
				delete(open, c.Delivery.ID)
			}
		}
		return len(open) == 0
	})
	for id := range open {
		e.fatalf("of %d deliveries %d were lost, among them %s, which was handed out %d times", 3*events, len(open), id, received[id])
	}
	e.sleep(ctx, 6)
	e.none(ctx, e.Queue, "all are delivered")
	if h, ok := e.Queue.(webhook.History); ok {
		for id := range received {
			d, _, err := h.Delivery(ctx, id)
			e.ok(err, "Delivery")
			if d.State != webhook.Delivered {
				e.errorf("delivery %s is %v, want delivered", id, d.State)
			}
		}
	}
}

// faultyRound claims and settles once: the first attempt of each delivery
// fails, every later one succeeds. Nobody else claims, so that all of what it
// returns is settled.
func (e *env) faultyRound(ctx context.Context, q webhook.Queue) []webhook.Claimed {
	got, err := q.Claim(ctx, wide(webhook.Claim{Limit: 20, Lease: 2 * e.tick}))
	if err != nil {
		return nil
	}
	items := make([]webhook.Settlement, len(got))
	for i := range got {
		items[i] = item(got[i], webhook.Delivered)
		if got[i].Delivery.Attempts == 1 {
			items[i].State, items[i].Health = webhook.Pending, webhook.Failing
		}
	}
	e.retry(ctx, "Settle", func() error {
		_, err := q.Settle(ctx, items) // stale items were settled by a call whose answer was lost
		return err
	})
	return got
}

// retry repeats a call until no planted fault hits it.
func (e *env) retry(ctx context.Context, what string, do func() error) {
	for range 100 {
		err := do()
		if err == nil {
			return
		}
		if !errors.Is(err, ErrFault) {
			e.fatalf("the retry of %s after a planted fault: %v", what, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	e.fatalf("%s failed 100 times", what)
}

func faultsClaimAfter(ctx context.Context, e *env) {
	b := e.batch("a", "b", "c")
	e.enqueue(ctx, e.Queue, b)
	q := Faulty(e.Queue, Faults{Decide: func(method string, n int) Fault {
		if method == "Claim" && n == 1 {
			return After
		}
		return NoFault
	}})
	if _, err := q.Claim(ctx, wide(webhook.Claim{Lease: 2 * e.tick})); !errors.Is(err, ErrFault) {
		e.fatalf("Claim, with a planted fault: error %v, want ErrFault", err)
	}
	seen := map[string]bool{}
	e.eventually(ctx, "what the lost answer named", func() bool {
		for _, c := range e.claim(ctx, e.Queue, webhook.Claim{}) {
			// One Claim may have left some behind: for those this is the first.
			if c.Expired != (c.Delivery.Attempts == 2) || c.Delivery.Attempts > 2 {
				e.errorf("after a lost answer: Expired %v, Attempts %d; want true, 2", c.Expired, c.Delivery.Attempts)
			}
			seen[c.Delivery.ID] = true
		}
		return len(seen) == 3
	})
}
