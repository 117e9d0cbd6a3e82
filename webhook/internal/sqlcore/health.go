package sqlcore

import (
	"context"
	"maps"
	"slices"

	"github.com/outhook/outhook/webhook"
)

// lanes writes what the items mean for their endpoints: health, probes, the
// next turn, and the next head of an ordered lane. Most batches mean nothing
// and write nothing.
func (w *settler) lanes(ctx context.Context) error {
	concerned, err := w.concerned(ctx)
	if err != nil || len(concerned) == 0 {
		return err
	}
	lanes, err := w.s.lockLanes(ctx, w.q, concerned)
	if err != nil {
		return err
	}
	for _, l := range lanes {
		w.judge(l)
		w.turn(l)
	}
	empty, err := w.s.promoteLanes(ctx, w.q, w.ordered, w.now)
	if err != nil {
		return err
	}
	if err := w.s.watchLanes(ctx, w.q, empty, w.now); err != nil {
		return err
	}
	return w.s.setLanes(ctx, w.q, lanes)
}

// concerned lists the endpoints whose lanes change.
func (w *settler) concerned(ctx context.Context) ([]string, error) {
	set := map[string]bool{}
	for e := range w.sooner {
		set[e] = true
	}
	for e, signs := range w.signs {
		if slices.Contains(signs, true) {
			set[e] = true
		}
	}
	others := map[string]bool{}
	for _, e := range w.probes {
		if !set[e] {
			others[e] = true
		}
	}
	if err := w.ailing(ctx, slices.Collect(maps.Keys(others)), set); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(set)), nil
}

// ailing adds those endpoints to set that have a probe, or failures that a
// success ends.
func (w *settler) ailing(ctx context.Context, endpoints []string, set map[string]bool) error {
	if len(endpoints) == 0 {
		return nil
	}
	return each(ctx, w.q, w.s.st.laneState, []any{names(endpoints)}, func(r Rows) error {
		l, err := scanLane(r)
		if err == nil && (l.probe || l.failures > 0 && len(w.signs[l.id]) > 0) {
			set[l.id] = true
		}
		return err
	})
}

// lockLanes locks the lanes of endpoints, and makes those that are not there.
func (s *Store) lockLanes(ctx context.Context, q Querier, endpoints []string) ([]*lane, error) {
	arg := names(endpoints)
	if err := q.Exec(ctx, s.st.laneMake, arg); err != nil {
		return nil, err
	}
	var lanes []*lane
	err := each(ctx, q, s.st.laneLock, []any{arg}, func(r Rows) error {
		l, err := scanLane(r)
		lanes = append(lanes, l)
		return err
	})
	return lanes, err
}

// judge counts failures in a row.
func (w *settler) judge(l *lane) {
	was, failed := *l, false
	now := max(w.now, l.failedAt) // MySQL's clock is from before the wait for locks
	for _, failing := range w.signs[l.id] {
		if !failing {
			if l.probe {
				w.soon(l.id, w.now) // all that waited for the probe
			}
			l.failures, l.failingSince, l.failedAt, l.probe, l.probeSeq = 0, 0, 0, false, number{null: true}
			w.soon(l.id, w.now) // so that a lane without anything goes
			continue
		}
		failed = true
		if l.failures == 0 {
			l.failingSince = now
		}
		l.failures++
		l.failedAt = now
	}
	if failed && l.failures > 0 {
		w.failing = append(w.failing, webhook.EndpointHealth{
			EndpointID: l.id, Failures: int(l.failures), FailingFor: span(now - l.failingSince),
			WasFailures: int(was.failures), WasFailingFor: span(was.failedAt - was.failingSince),
		})
	}
}

// turn brings the lane's next turn forward where it must come earlier.
func (w *settler) turn(l *lane) {
	if e, ok := w.probes[l.probeSeq.v]; ok && !l.probeSeq.null && e == l.id {
		l.probeSeq = number{null: true}
		w.soon(l.id, w.now)
	}
	due, ok := w.sooner[l.id]
	if !ok || l.parkUntil > w.now {
		return
	}
	if l.due.null || due < l.due.v {
		l.due = number{v: due}
	}
}

func (s *Store) setLanes(ctx context.Context, q Querier, lanes []*lane) error {
	type row struct {
		E        string `json:"e"`
		Due      *int64 `json:"c"`
		Probe    int    `json:"p"`
		ProbeSeq *int64 `json:"s"`
		Failures int64  `json:"f"`
		Since    int64  `json:"fs"`
		At       int64  `json:"fa"`
	}
	rows := make([]row, len(lanes))
	for i, l := range lanes {
		rows[i] = row{E: l.id, Failures: l.failures, Since: l.failingSince, At: l.failedAt}
		if !l.due.null {
			rows[i].Due = &l.due.v
		}
		if !l.probeSeq.null {
			rows[i].ProbeSeq = &l.probeSeq.v
		}
		if l.probe {
			rows[i].Probe = 1
		}
	}
	return write(ctx, s, q, s.st.laneSet, rows)
}
