package simtest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/outhook/outhook/webhook"
)

// unchecked takes for true what was recalled.
func unchecked(w *world) { w.base.holds = func(*recalled) bool { return true } }

// checkedLate takes for true what was so five seconds ago.
func checkedLate(w *world) {
	held := map[*recalled]time.Time{}
	w.base.holds = func(r *recalled) bool {
		if w.base.stillSo(r) {
			held[r] = time.Now()
		}
		at, ok := held[r]
		return ok && time.Since(at) < 5*time.Second
	}
}

// uncheckedAll checks a commit of one batch alone.
func uncheckedAll(w *world) {
	w.shared = true
	w.base.check = func(batches ...*webhook.Batch) error {
		if len(batches) > 1 {
			return nil
		}
		return w.base.checkAll(batches...)
	}
}

// refusedStored says of some of what it has stored that it is out of date.
func refusedStored(w *world) {
	w.shared = false
	inner := w.base.enqueue
	w.base.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
		existing, err := inner(ctx, b)
		if b.Recalled != nil && err == nil && w.seed.share("refused", eventOf(b.Message.Bodies[0].Data)) < 0.1 {
			err = fmt.Errorf("simtest: %w", webhook.ErrOutdated)
		}
		return existing, err
	}
}

// moody refuses what it was not asked to check.
func moody(w *world) {
	w.shared = false
	inner := w.base.enqueue
	w.base.enqueue = func(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
		if b.Recalled == nil && w.seed.share("moody", eventOf(b.Message.Bodies[0].Data)) < 0.1 {
			return nil, fmt.Errorf("simtest: %w", webhook.ErrOutdated)
		}
		return inner(ctx, b)
	}
}
