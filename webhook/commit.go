package webhook

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// commits lets concurrent calls of Dispatch share commits: while some commits
// are under way, what arrives waits together for the next one.
type commits struct {
	mu      sync.Mutex
	pending []*commit
	leaders int
}

// commit is one call's batch on its way into the store.
type commit struct {
	batch    *Batch
	taking   *taking // what batch.Take is part of
	existing []Existing
	err      error
	done     chan struct{} // told when the result is there; capacity 1

	// Guarded by the lock of commits: which came first, and what the leader has to
	// give back.
	finished, abandoned bool
	places              int
}

const (
	maxLeaders = 4   // commits under way at a time
	maxShared  = 256 // batches of one commit
)

// enqueue stores b: in the host's transaction, or in the Queue, where
// concurrent calls share a commit if that is cheaper. A call of the store before
// it has spent some of its time.
func (d *Dispatcher) enqueue(ctx context.Context, spent time.Duration, b *Batch, t *taking, outbox Outbox) ([]Existing, error) {
	own := outbox == nil
	if own {
		outbox = d.cfg.Queue
	}
	if _, ok := outbox.(Immediate); ok {
		return d.enqueueIn(ctx, outbox, b)
	}
	ctx, cancel := d.boundRest(ctx, spent)
	defer cancel()
	all, ok := outbox.(BatchOutbox)
	if !ok || !own {
		return d.enqueueIn(ctx, outbox, b)
	}
	return d.share(ctx, all, &commit{batch: b, taking: t, done: make(chan struct{}, 1)})
}

// share lets c be committed with others, and waits for that, but not past ctx.
func (d *Dispatcher) share(ctx context.Context, all BatchOutbox, c *commit) ([]Existing, error) {
	if d.commits.join(c) && !d.pool.Go(func() { d.lead(all) }) {
		d.lead(all) // the pool has ended
	}
	select {
	case <-c.done:
		return c.existing, c.err
	case <-ctx.Done():
	}
	err := d.blame(ctx, ctx.Err())
	switch left, finished := d.commits.leave(c); {
	case finished:
		return c.existing, c.err
	case left:
		return nil, err
	}
	return nil, unknown(err)
}

func (d *Dispatcher) enqueueIn(ctx context.Context, o Outbox, b *Batch) (existing []Existing, err error) {
	if b.Take != nil {
		b.Take.Taken = b.Take.Taken[:0] // of a shared commit that failed
	}
	err = d.contain(ctx, "store", func() (err error) {
		existing, err = o.Enqueue(ctx, b)
		return err
	})
	return existing, err
}

// join lets c wait; true means that somebody has to lead.
func (cs *commits) join(c *commit) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.pending = append(cs.pending, c)
	if cs.leaders >= maxLeaders {
		return false
	}
	cs.leaders++
	return true
}

// leave takes c back, or abandons it where its commit is under way and has no
// result yet.
func (cs *commits) leave(c *commit) (left, finished bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if i := slices.Index(cs.pending, c); i >= 0 {
		cs.pending = slices.Delete(cs.pending, i, i+1)
		return true, false
	}
	if !c.finished {
		c.abandoned, c.places = true, c.taking.pass()
	}
	return false, c.finished
}

// finish notes that c has its result, and reports whether nobody waits for it.
func (cs *commits) finish(c *commit) (abandoned bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c.finished = true
	return c.abandoned
}

// take returns what waits, at most maxShared; with nothing, the leader ends.
func (cs *commits) take() []*commit {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	n := min(len(cs.pending), maxShared)
	if n == 0 {
		cs.leaders--
		return nil
	}
	group := slices.Clone(cs.pending[:n])
	cs.pending = slices.Delete(cs.pending, 0, n)
	return group
}

// lead commits what waits, in one go, and each batch by itself where that
// fails, until nothing waits.
func (d *Dispatcher) lead(all BatchOutbox) {
	for group := d.commits.take(); group != nil; group = d.commits.take() {
		for len(group) > 0 {
			group = d.commit(all, group)
		}
	}
}

// commit commits group. It returns those that are to be committed by another call,
// since others among them were out of date.
func (d *Dispatcher) commit(all BatchOutbox, group []*commit) (rest []*commit) {
	ctx, cancel := d.bound(context.Background())
	defer cancel()
	batches := make([]*Batch, len(group))
	for i, c := range group {
		batches[i] = c.batch
	}
	var existing [][]Existing
	err := d.contain(ctx, "store", func() (err error) {
		existing, err = all.EnqueueAll(ctx, batches)
		if err == nil && len(existing) != len(batches) {
			err = fmt.Errorf("EnqueueAll returned %d results for %d batches", len(existing), len(batches))
		}
		return err
	})
	told := outdated(err, len(group))
	for i, c := range group {
		switch {
		case err == nil:
			c.existing = existing[i]
		case len(group) == 1 || told[i]:
			c.err = err
		case len(told) > 0:
			rest = append(rest, c)
			continue
		default:
			c.existing, c.err = d.again(ctx, c.batch, err)
		}
		if d.commits.finish(c) {
			d.giveBack(c)
		}
		c.done <- struct{}{}
	}
	return rest
}

// outdated returns which of n batches err says are out of date; none where it does
// not tell.
func outdated(err error, n int) map[int]bool {
	var o *OutdatedError
	if !errors.As(err, &o) {
		return nil
	}
	told := make(map[int]bool)
	for _, i := range o.Batches {
		if i >= 0 && i < n {
			told[i] = true
		}
	}
	return told
}

// again stores a batch alone, after it failed with others. That batches are out of
// date says nothing of this one, and that this one is out of date nothing of the
// call before, which may have stored it.
func (d *Dispatcher) again(ctx context.Context, b *Batch, failed error) ([]Existing, error) {
	outdated := errors.Is(failed, ErrOutdated)
	if ctx.Err() != nil {
		if outdated {
			failed = d.blame(ctx, ctx.Err())
		}
		return nil, failed
	}
	existing, err := d.enqueueIn(ctx, d.cfg.Queue, b)
	if errors.Is(err, ErrOutdated) && !outdated {
		return nil, unknown(failed)
	}
	return existing, err
}

func unknown(err error) error {
	return fmt.Errorf("%w: it is not known whether the event was stored", err)
}

// bound gives a store's call a deadline where ctx has none.
func (d *Dispatcher) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return d.boundRest(ctx, 0)
}

// boundRest is bound where a call before has spent some of the time.
func (d *Dispatcher) boundRest(ctx context.Context, spent time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, d.cfg.StoreTimeout-spent, d.tooLong)
}

// blame adds to the error of a store's call that it was Config.StoreTimeout
// that ended it, if it was.
func (d *Dispatcher) blame(ctx context.Context, err error) error {
	if err == nil || !errors.Is(context.Cause(ctx), d.tooLong) {
		return err
	}
	return fmt.Errorf("%w: %w", d.tooLong, err)
}

// contain runs the host's code and turns a panic in it into an error.
func (d *Dispatcher) contain(ctx context.Context, where string, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = d.panicked(ctx, where, v)
		}
	}()
	return d.blame(ctx, f())
}

// panicked reports a panic of the host's code. Its value may hold anything,
// so the error and the log name only its type.
func (d *Dispatcher) panicked(ctx context.Context, where string, v any) error {
	d.cfg.Logger.ErrorContext(ctx, "webhook: panic", "where", where, "type", fmt.Sprintf("%T", v))
	if hook := d.cfg.Hooks.Panicked; hook != nil {
		func() {
			defer func() { _ = recover() }() // a panic about a panic ends here
			hook(ctx, where, v, debug.Stack())
		}()
	}
	return fmt.Errorf("%w in the %s (%T)", ErrPanic, where, v)
}

// hook calls one of the Hooks and contains its panics.
func (d *Dispatcher) hook(ctx context.Context, f func()) {
	defer func() {
		if v := recover(); v != nil {
			_ = d.panicked(ctx, "hook", v)
		}
	}()
	f()
}

func (d *Dispatcher) dispatchedHook(ctx context.Context, m *Message, r Receipt) {
	if hook := d.cfg.Hooks.Dispatched; hook != nil {
		d.hook(ctx, func() { hook(ctx, m, r) })
	}
}

// ended reports a final state.
func (d *Dispatcher) ended(ctx context.Context, dl *Delivery) {
	if dl.State == Failed || dl.State == Dropped {
		d.cfg.Logger.WarnContext(ctx, "webhook: delivery "+dl.State.String(), "delivery", dl.ID,
			"message", dl.MessageID, "endpoint", dl.EndpointID, "attempts", dl.Attempts, "reason", dl.Reason)
	}
	if hook := d.cfg.Hooks.Ended; hook != nil {
		d.hook(ctx, func() { hook(ctx, *dl) })
	}
}

// storeFailed reports that a store returned an error to a worker.
func (d *Dispatcher) storeFailed(ctx context.Context, op string, err error) {
	d.cfg.Logger.ErrorContext(ctx, "webhook: store failed", "op", op, "error", err)
	if hook := d.cfg.Hooks.StoreFailed; hook != nil {
		d.hook(ctx, func() { hook(ctx, op, err) })
	}
}

// sleep waits, or returns false when ctx ends first.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
