package webhook

import (
	"context"
	"runtime"
	"time"

	"github.com/outhook/outhook/retry"
)

// Reasons for which a delivery fails.
const (
	reasonInterrupted = "interrupted: nobody knows whether it arrived"
	reasonExhausted   = "no attempts left"
	reasonTooOld      = "too old"
)

// settle hands settlements over to be written.
func (d *Dispatcher) settle(out ...outcome) {
	if len(out) == 0 || !d.settles.add(out...) {
		return
	}
	if !d.pool.Go(d.flush) {
		d.flush() // the pool has ended: this is the last of it
	}
}

// flush writes until nothing is left.
func (d *Dispatcher) flush() {
	ctx := d.giveUp.context()
	if d.over.Load() { // a request outlived the patience of Shutdown, which waits for this
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, drainGrace)
		defer cancel()
	}
	// What others are about to add goes along: where all processors are busy, a
	// batch is half as large again; where they are not, this costs nothing.
	runtime.Gosched()
	for batch := d.settles.take(); len(batch) > 0; batch = d.settles.take() {
		d.writeBatch(ctx, batch)
	}
	if d.settles.starved() {
		d.Wake()
	}
}

// writeBatch writes one batch. While the store is away it tries again: what was
// sent must not be sent twice for want of patience. Each try is harmless,
// since the first that arrives makes the others stale. Where the store takes
// one part and refuses another, the part is halved until the item that it
// does not take stands alone; see settleAlone.
func (d *Dispatcher) writeBatch(ctx context.Context, batch []outcome) {
	var away outage
	for parts := [][]outcome{batch}; len(parts) > 0; {
		refused, took := d.tryParts(ctx, parts, away > 0)
		if len(refused) == 0 {
			return
		}
		d.settles.refused()
		parts = parts[:0]
		for _, p := range refused {
			switch half := len(p) / 2; {
			case half > 0 && (took || len(refused) == 1):
				parts = append(parts, p[:half], p[half:])
			case half == 0 && (took || away > aloneAfter):
				d.settleAlone(ctx, p)
			default:
				parts = append(parts, p)
			}
		}
		if len(parts) > 0 && !sleep(ctx, away.next()) {
			return // shut down: the leases end, and somebody sends again
		}
	}
}

// tryParts tries each part once, and returns what the store refused, and what
// was claimed anew while it was being written.
func (d *Dispatcher) tryParts(ctx context.Context, parts [][]outcome, again bool) (left [][]outcome, took bool) {
	for _, part := range parts {
		items := d.settles.current(part)
		done, err := d.trySettle(ctx, items)
		if err != nil {
			d.storeFailed(ctx, "settle", err)
			left = append(left, part)
			continue
		}
		took = true
		for _, i := range d.settles.wrote(part, items, done.Stale) {
			left = append(left, part[i:i+1])
		}
		d.wakeNext(part)
		d.report(ctx, part, done, again)
	}
	return left, took
}

// wakeNext has the claimer look at once for what waited behind an ordered delivery
// that has ended. Nothing else tells it, where all that Dispatch stores is taken.
func (d *Dispatcher) wakeNext(part []outcome) {
	for i := range part {
		if o := &part[i]; o.over && o.delivery.Ordered && o.item.State.Final() {
			d.Wake()
			return
		}
	}
}

// aloneAfter is how often an item is refused before it no longer holds up the
// others, and then before it is tried without the attempt's record as well; and
// how often the store takes others in that time before it counts as the item's
// own fault.
const aloneAfter = 5

// settleAlone goes on trying out, which is one item, beside the others. It gives
// up after two leases, when somebody else has the delivery, or sends it again;
// but only where the store took others between its tries, and more than once:
// else it is the store that is away, and what was sent is not forgotten.
func (d *Dispatcher) settleAlone(ctx context.Context, out []outcome) {
	out = d.settles.alone(out)
	ran := d.pool.Go(func() {
		defer d.settles.gaveUp(out)
		var away outage
		taken, passed := d.settles.writes(), 0
		for start := time.Now(); !d.tryAlone(ctx, out, away > aloneAfter); {
			if n := d.settles.writes(); n > taken {
				taken = n
				passed++
			}
			hopeless := passed >= aloneAfter && time.Since(start) >= 2*d.cfg.Lease
			if hopeless {
				return
			}
			d.keep(ctx, &out[0])
			if !sleep(ctx, away.next()) {
				return
			}
		}
	})
	if !ran {
		d.settles.gaveUp(out)
	}
}

// keep extends the lease of a delivery that was claimed anew before its outcome
// was stored: a settlement gives back one attempt, and each further claim would
// use up one more.
func (d *Dispatcher) keep(ctx context.Context, o *outcome) {
	lease, ending := d.settles.ending(o, d.cfg.Lease/2)
	ext, ok := d.cfg.Queue.(Extender)
	if !ok || !ending {
		return
	}
	ctx, cancel := d.bound(ctx)
	defer cancel()
	end := time.Now().Add(d.cfg.Lease)
	err := d.contain(ctx, "store", func() error {
		_, err := ext.Extend(ctx, []Lease{lease}, d.cfg.Lease)
		return err
	})
	if err != nil {
		d.storeFailed(ctx, "extend", err)
		return
	}
	d.settles.extended(o, lease, end)
}

// tryAlone tries one item, and where that does not help, without the attempt's
// record.
func (d *Dispatcher) tryAlone(ctx context.Context, out []outcome, bare bool) (took bool) {
	left, _ := d.tryParts(ctx, [][]outcome{out}, true)
	record := out[0].item.Attempt
	if len(left) == 0 || !bare || record == nil {
		return len(left) == 0
	}
	out[0].item.Attempt = nil
	if left, _ = d.tryParts(ctx, [][]outcome{out}, true); len(left) == 0 {
		return true
	}
	out[0].item.Attempt = record
	return false
}

func (d *Dispatcher) trySettle(ctx context.Context, items []Settlement) (done Settled, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, d.cfg.StoreTimeout, d.tooLong)
	defer cancel()
	err = d.contain(ctx, "store", func() (err error) {
		done, err = d.cfg.Queue.Settle(ctx, items)
		return err
	})
	return done, err
}

// report tells the hooks what is now stored. After a failed try, an item that
// is stale may be one that the failed try wrote: a history knows.
func (d *Dispatcher) report(ctx context.Context, batch []outcome, done Settled, again bool) {
	stale := make(map[int]bool, len(done.Stale))
	for _, i := range done.Stale {
		stale[i] = true
	}
	for i := range batch {
		b := &batch[i]
		if !b.over {
			continue // it is tried again
		}
		if stale[i] && (!again || !d.wrote(ctx, &b.item)) {
			if hook := d.cfg.Hooks.Stale; hook != nil {
				d.hook(ctx, func() { hook(ctx, b.item.ID) })
			}
			continue
		}
		switch {
		case b.item.State.Final():
			d.ended(ctx, b.delivery)
		case !b.item.Unsent:
			if hook := d.cfg.Hooks.Retrying; hook != nil {
				d.hook(ctx, func() { hook(ctx, *b.delivery, b.item.Delay) })
			}
		}
	}
	var parks []Park
	for _, h := range done.Failing {
		parks = append(parks, d.failing(ctx, h)...)
	}
	d.park(parks)
}

// wrote reports whether a settlement is in the store, as far as can be told.
func (d *Dispatcher) wrote(ctx context.Context, s *Settlement) bool {
	h, ok := d.cfg.Queue.(History)
	if !ok {
		return true
	}
	ctx, cancel := d.bound(ctx)
	defer cancel()
	var dl *Delivery
	err := d.contain(ctx, "store", func() (err error) {
		dl, _, err = h.Delivery(ctx, s.ID)
		return err
	})
	return err == nil && dl.State == s.State
}

// letGo gives claimed deliveries back unsent.
func (d *Dispatcher) letGo(js []*job, delay time.Duration) {
	out := make([]outcome, len(js))
	for i, j := range js {
		out[i] = outcome{delivery: j.d, item: Settlement{
			ID: j.d.ID, EndpointID: j.d.EndpointID, Token: j.token,
			State: Pending, Delay: delay, Unsent: true, Health: NoSign,
		}}
	}
	d.settle(out...)
}

// settleFinal ends a delivery without an attempt.
func (d *Dispatcher) settleFinal(j *job, s State, reason string) {
	j.d.State, j.d.Reason = s, reason
	j.d.Due, j.d.Ended = time.Time{}, time.Now()
	if !j.stored {
		d.ended(context.Background(), j.d)
		return
	}
	d.settle(outcome{delivery: j.d, item: Settlement{
		ID: j.d.ID, EndpointID: j.d.EndpointID, Token: j.token,
		State: s, Reason: reason, Unsent: true, Health: NoSign,
	}})
}

// conclude turns the outcome of an attempt into the delivery's next state.
func (d *Dispatcher) conclude(j *job, a *Attempt, r retry.Response) {
	s := Settlement{ID: j.d.ID, EndpointID: j.d.EndpointID, Token: j.token, Health: healthOf(a.Outcome)}
	now := time.Now()
	s.State, s.Delay, s.Reason = j.follow(a, r, now)
	if a.Class == Internal {
		s.Health = NoSign // the fault is ours
	}
	if j.stored && j.unsent && a.Class == Internal {
		s.State, s.Delay, s.Reason = j.later(a, now)
		s.Unsent = true
	}
	j.d.State, j.d.Reason, j.d.Due = s.State, s.Reason, now.Add(s.Delay)
	if s.State.Final() {
		j.d.Due, j.d.Ended = time.Time{}, now
	}
	if !j.stored {
		d.ended(context.Background(), j.d)
		return
	}
	if !s.Unsent {
		made := *a // a itself need not outlive the attempt
		s.Attempt = &made
	}
	d.settle(outcome{item: s, delivery: j.d})
}

// follow is the state machine of a delivery: what follows an outcome.
func (j *job) follow(a *Attempt, r retry.Response, now time.Time) (State, time.Duration, string) {
	switch a.Outcome {
	case retry.Accepted:
		return Delivered, 0, ""
	case retry.Known:
		return Duplicate, 0, ""
	case retry.Rejected:
		return Failed, 0, "rejected: " + a.Error
	case retry.Gone:
		return Failed, 0, "gone: " + a.Error
	case retry.Interrupted:
		if j.policy.Mode != retry.Stored {
			return Failed, 0, reasonInterrupted
		}
		return Pending, 0, ""
	case retry.Retryable, retry.Refused:
	}
	return j.again(a, r, now)
}

// again is what follows a failure that may be tried again.
func (j *job) again(a *Attempt, r retry.Response, now time.Time) (State, time.Duration, string) {
	delay, more := j.policy.Delay(j.d.ID, j.d.Attempts)
	if !more {
		return Failed, 0, reasonExhausted + ": " + a.Error
	}
	if j.renewed {
		delay = 0
	}
	delay = max(delay, j.policy.After(r, now))
	if age := now.Add(delay).Sub(j.born); j.policy.MaxAge > 0 && age > j.policy.MaxAge {
		return Failed, 0, reasonTooOld + ": " + a.Error
	}
	return Pending, delay, ""
}

// ownFault is how long a delivery waits after a fault on our side.
const ownFault = time.Minute

// later is what follows where no request could be made, by a fault on our
// side: no attempt is used up.
func (j *job) later(a *Attempt, now time.Time) (State, time.Duration, string) {
	limit := j.policy.MaxAge
	if limit <= 0 {
		limit = 168 * time.Hour
	}
	if now.Sub(j.born) > limit {
		return Failed, 0, reasonTooOld + ": " + a.Error
	}
	return Pending, ownFault, ""
}

// healthOf says what an outcome tells of the endpoint.
func healthOf(o retry.Outcome) Health {
	switch o {
	case retry.Accepted, retry.Known:
		return Healthy
	case retry.Retryable, retry.Gone, retry.Refused:
		return Failing
	case retry.Rejected, retry.Interrupted:
		return NoSign
	}
	return NoSign
}
