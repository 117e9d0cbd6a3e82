package simtest_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/outhook/outhook/webhook"
)

func tokenless(w *world) {
	latest := map[string]int64{}
	w.base.changeClaimed(func(c *webhook.Claimed) { latest[c.Delivery.ID] = c.Token })
	w.base.changeTake(nil, func(b *webhook.Batch) {
		for _, i := range b.Take.Taken {
			latest[b.Deliveries[i].ID] = b.Take.Token
		}
	})
	w.base.changeItems(func(it *webhook.Settlement) { it.Token = latest[it.ID] })
}

func leaseless(w *world) {
	inner := w.base.claim
	w.base.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
		c.Lease = 0
		return inner(ctx, c)
	}
}

// unhidden hands out once more what it handed out last.
func unhidden(w *world) {
	var last []webhook.Claimed
	inner := w.base.claim
	w.base.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
		got, err := inner(ctx, c)
		if err != nil || len(got) > 0 {
			last = slices.Clone(got)
			return got, err
		}
		again := slices.DeleteFunc(last, func(x webhook.Claimed) bool { return slices.Contains(c.Skip, x.Delivery.EndpointID) })
		last = nil
		return again, nil
	}
}

func reversed(w *world) {
	inner := w.base.claim
	w.base.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
		got, err := inner(ctx, c)
		slices.Reverse(got)
		return got, err
	}
}

func unparked(w *world) {
	w.base.park = func(context.Context, []webhook.Park) error { return nil }
}

// starving serves one endpoint before all others.
func starving(w *world) {
	inner := w.base.claim
	w.base.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
		for i := range w.plan {
			one := c
			one.Skip = slices.Clone(c.Skip)
			for k := range w.plan {
				if k != i && !slices.Contains(one.Skip, w.plan[k].ID) {
					one.Skip = append(one.Skip, w.plan[k].ID)
				}
			}
			if got, err := inner(ctx, one); err != nil || len(got) > 0 {
				return got, err
			}
		}
		return nil, nil
	}
}

func undeduped(w *world) {
	w.shared = false
	w.base.changeBatch(func(b *webhook.Batch) {
		for i := range b.Deliveries {
			b.Deliveries[i].Dedup = ""
		}
	})
}

var errPlanted = errors.New("simtest: planted")

func partial(w *world) {
	w.shared = false
	inner, calls := w.base.enqueue, 0
	w.base.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
		n := len(b.Deliveries)
		calls++
		if n < 2 || w.seed.share("partial", calls) > 0.1 {
			return inner(ctx, b)
		}
		_, err := inner(ctx, &webhook.Batch{Message: b.Message, Deliveries: b.Deliveries[:n/2]})
		return nil, errors.Join(errPlanted, err)
	}
}

// reopened answers that a delivery was settled as failed, and lets it go on.
func reopened(w *world) {
	w.base.changeItems(func(it *webhook.Settlement) {
		if it.State == webhook.Failed {
			it.State, it.Delay = webhook.Pending, time.Minute
		}
	})
}
