package memstore

import (
	"context"
	"fmt"

	"github.com/outhook/outhook/webhook"
)

// Settle implements webhook.Queue. A lease that ended is settled too, as long
// as nobody claimed its delivery since. An item whose State is neither Pending
// nor final is an error, and then no item is applied.
func (s *Store) Settle(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
	if err := ctx.Err(); err != nil {
		return webhook.Settled{}, err
	}
	for i := range items {
		if st := items[i].State; st != webhook.Pending && !st.Final() {
			return webhook.Settled{}, fmt.Errorf("memstore: the settlement of %q says %v: it must be pending or final", items[i].ID, st)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.mark++
	var res webhook.Settled
	var rows []row
	for i := range items {
		it := &items[i]
		n, r := s.claimed(it.ID, it.Token)
		if r == nil {
			res.Stale = append(res.Stale, i)
			continue
		}
		l := r.lane.owner
		rows = s.judge(rows, l, it.Health, now)
		s.settle(n, r, it, now)
		s.place(l, now)
	}
	res.Failing = failing(rows, now)
	s.trim()
	return res, nil
}

// settle applies an item that is not stale.
func (s *Store) settle(n uint32, r *record, it *webhook.Settlement, now int64) {
	s.loose(r)
	if it.Unsent {
		r.attempts--
	} else {
		// What is known of this attempt stands in for those before it. One
		// that was not made tells nothing of them.
		r.flags &^= unsure
	}
	if it.Attempt != nil {
		s.attempts.add(r, it.Attempt, s.opts.MaxAttempts)
	}
	if it.State.Final() {
		s.finish(n, r, it.State, it.Reason, now)
	} else {
		r.state, r.due = webhook.Pending, later(now, it.Delay)
		r.lane.again.push(r)
	}
	r.lane.owner.changed(r.lane)
}

// row is an endpoint's row of failures before a batch.
type row struct {
	lanes  *lanes
	was    standing
	failed bool // in this batch
}

// judge lets an item tell on its endpoint.
func (s *Store) judge(rows []row, l *lanes, h webhook.Health, now int64) []row {
	switch h {
	case webhook.Healthy:
		if l.standing == nil {
			return rows
		}
		rows, _ = s.row(rows, l)
		l.standing.heal()
		if l.standing.clear(now) {
			l.standing = nil
		}
	case webhook.Failing:
		var at int
		rows, at = s.row(rows, l)
		rows[at].failed = true
		l.stand().fail(now)
	case 0, webhook.NoSign:
	}
	return rows
}

// row finds or makes l's entry in rows; l.taken is where it is.
func (s *Store) row(rows []row, l *lanes) ([]row, int) {
	if l.mark == s.mark {
		return rows, int(l.taken)
	}
	l.mark, l.taken = s.mark, int32(len(rows)) //nolint:gosec // as many as the items of a batch
	was := row{lanes: l}
	if l.standing != nil {
		was.was = *l.standing
	}
	return append(rows, was), int(l.taken)
}

// failing lists the rows that still go on.
func failing(rows []row, now int64) []webhook.EndpointHealth {
	var list []webhook.EndpointHealth
	for _, w := range rows {
		st := w.lanes.standing
		if !w.failed || st == nil || st.failures == 0 {
			continue
		}
		list = append(list, webhook.EndpointHealth{
			EndpointID:    w.lanes.id,
			Failures:      st.failures,
			FailingFor:    duration(now - st.firstFailure),
			WasFailures:   w.was.failures,
			WasFailingFor: duration(w.was.lastFailure - w.was.firstFailure),
		})
	}
	return list
}

// Cancel implements webhook.Canceler.
func (s *Store) Cancel(ctx context.Context, id, reason string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.number(id)
	r := s.numbered(n)
	switch {
	case r == nil || r.state.Final():
		return fmt.Errorf("memstore: no open delivery %q: %w", id, webhook.ErrNotFound)
	case r.state == webhook.Running:
		return fmt.Errorf("memstore: delivery %q: %w", id, webhook.ErrRunning)
	}
	now := s.now()
	r.lane.take(r)
	s.finish(n, r, webhook.Cancelled, reason, now)
	r.lane.owner.changed(r.lane)
	s.place(r.lane.owner, now)
	s.trim()
	return nil
}
