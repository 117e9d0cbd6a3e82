package sqlcore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/outhook/outhook/webhook"
)

// Park implements webhook.Queue.
func (s *Store) Park(ctx context.Context, parks []webhook.Park) error {
	if len(parks) == 0 {
		return ctx.Err()
	}
	return s.wrap("park", s.update(ctx, func(q Querier) error { return s.park(ctx, q, parks) }))
}

func (s *Store) park(ctx context.Context, q Querier, parks []webhook.Park) error {
	type row struct {
		E     string `json:"e"`
		Due   int64  `json:"c"`
		Until int64  `json:"u"`
		Hold  int    `json:"h"`
		Probe int    `json:"p"`
	}
	now, err := s.clock(ctx, q)
	if err != nil {
		return err
	}
	last := make(map[string]row, len(parks))
	for _, p := range parks {
		r := row{E: p.EndpointID, Due: now}
		if p.For > 0 {
			r.Due = later(now, p.For)
			r.Until = r.Due
		}
		if p.Hold {
			r.Hold = 1
		}
		if p.Probe {
			r.Probe = 1
		}
		last[r.E] = r
	}
	rows := make([]row, 0, len(last))
	var closed []string
	for _, r := range last {
		rows = append(rows, r)
		if r.Until > 0 {
			closed = append(closed, r.E)
		}
	}
	arg, err := list(rows)
	if err != nil {
		return err
	}
	if err := q.Exec(ctx, s.st.park, arg); err != nil {
		return err
	}
	return s.unmark(ctx, q, closed)
}

// unmark removes the marks of endpoints that are closed: what came for them is
// found when they open.
func (s *Store) unmark(ctx context.Context, q Querier, endpoints []string) error {
	if len(endpoints) == 0 {
		return nil
	}
	var marks []int64
	err := each(ctx, q, s.st.parkMarks, []any{names(endpoints)}, func(r Rows) error {
		var seq number
		err := r.Scan(&seq)
		marks = append(marks, seq.v)
		return err
	})
	if err != nil {
		return err
	}
	return write(ctx, s, q, s.st.marksGone, marks)
}

// Extend implements webhook.Extender.
func (s *Store) Extend(ctx context.Context, leases []webhook.Lease, lease time.Duration) ([]int, error) {
	if len(leases) == 0 {
		return nil, ctx.Err()
	}
	var stale []int
	err := s.update(ctx, func(q Querier) error {
		err := s.planAnew(ctx, q, len(leases))
		if err == nil {
			stale, err = s.extend(ctx, q, leases, lease)
		}
		return err
	})
	return stale, s.wrap("extend", err)
}

func (s *Store) extend(ctx context.Context, q Querier, leases []webhook.Lease, lease time.Duration) ([]int, error) {
	type row struct {
		Seq   int64 `json:"s"`
		Ready int64 `json:"r"`
	}
	tokens := make([]tokenRow, len(leases))
	for i, l := range leases {
		tokens[i] = tokenRow{N: i, ID: l.ID, Token: l.Token}
	}
	arg, err := list(tokens)
	if err != nil {
		return nil, err
	}
	var rows []row
	var now int64
	valid := make([]bool, len(leases))
	turns := map[string]int64{}
	err = each(ctx, q, s.st.extendLock, []any{arg}, func(r Rows) error {
		var clock, n, seq, ready number
		var endpoint text
		if err := r.Scan(&clock, &n, &seq, &endpoint, &ready); err != nil {
			return err
		}
		now, valid[n.v] = clock.v, true
		end := later(now, max(lease, time.Microsecond))
		rows = append(rows, row{Seq: seq.v, Ready: end})
		if end < ready.v {
			turns[string(endpoint)] = max(end, turns[string(endpoint)])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var stale []int
	for i, ok := range valid {
		if !ok {
			stale = append(stale, i)
		}
	}
	if err := write(ctx, s, q, s.st.extend, rows); err != nil {
		return nil, err
	}
	return stale, s.forward(ctx, q, turns, now)
}

// forward brings the next turns of lanes forward, to the end of a lease that
// is shorter now.
func (s *Store) forward(ctx context.Context, q Querier, turns map[string]int64, now int64) error {
	if len(turns) == 0 {
		return nil
	}
	lanes, err := s.lockLanes(ctx, q, slices.Sorted(maps.Keys(turns)))
	if err != nil {
		return err
	}
	for _, l := range lanes {
		if due := turns[l.id]; l.parkUntil <= now && (l.due.null || l.due.v > due) {
			l.due = number{v: due}
		}
	}
	return s.setLanes(ctx, q, lanes)
}

// Cancel implements webhook.Canceler.
func (s *Store) Cancel(ctx context.Context, id, reason string) error {
	err := s.update(ctx, func(q Querier) error { return s.cancel(ctx, q, id, reason) })
	switch {
	case errors.Is(err, webhook.ErrNotFound), errors.Is(err, webhook.ErrRunning):
		return fmt.Errorf("%s: cancel %q: %w", s.name, id, err)
	}
	return s.wrap("cancel", err)
}

func (s *Store) cancel(ctx context.Context, q Querier, id, reason string) error {
	var now, seq, state, attempts number
	var endpoint text
	var name optional
	found := false
	err := each(ctx, q, s.st.cancel, []any{id}, func(r Rows) error {
		found = true
		return r.Scan(&now, &seq, &endpoint, &name, &state, &attempts)
	})
	switch {
	case err != nil:
		return err
	case !found:
		return webhook.ErrNotFound
	case state.v == int64(webhook.Running):
		return webhook.ErrRunning
	}
	end := endRow{Seq: seq.v, State: int(webhook.Cancelled), Reason: plain(reason), Attempts: attempts.v, Ended: now.v}
	if err := s.finish(ctx, q, []endRow{end}); err != nil || name.v == nil {
		return err
	}
	return s.release(ctx, q, laneKey{E: string(endpoint), Key: *name.v}, now.v)
}

// release lets the next delivery of an ordered lane be the head.
func (s *Store) release(ctx context.Context, q Querier, l laneKey, now int64) error {
	lanes, err := s.lockLanes(ctx, q, []string{l.E})
	if err != nil {
		return err
	}
	for _, l := range lanes {
		if l.parkUntil <= now && (l.due.null || l.due.v > now) {
			l.due = number{v: now}
		}
	}
	empty, err := s.promoteLanes(ctx, q, []laneKey{l}, now)
	if err != nil {
		return err
	}
	if err := s.watchLanes(ctx, q, empty, now); err != nil {
		return err
	}
	return s.setLanes(ctx, q, lanes)
}
