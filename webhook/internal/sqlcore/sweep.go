package sqlcore

import (
	"context"
	"time"

	"github.com/outhook/outhook/webhook"
)

const (
	sweepEvery = time.Second
	// sweepAge is how long something must have been due before the sweep
	// takes it for forgotten.
	sweepAge = time.Second
)

// sweepNow looks at a part of the queue, at most once a second, for deliveries
// that no turn and no mark leads to, and leaves marks for them. There are none
// but after a transaction that stayed open for minutes on MySQL, or a change by
// a hand that is not ours. On PostgreSQL it looks as well whether a table has grown.
func (s *Store) sweepNow(ctx context.Context) error {
	s.mu.Lock()
	due, from := time.Since(s.swept) >= sweepEvery, s.sweepSeq
	if due {
		s.swept = time.Now()
	}
	s.mu.Unlock()
	if !due {
		return nil
	}
	var forgotten []markRow
	var last int64
	look := func(q Querier) (err error) {
		forgotten, last, err = s.sweep(ctx, q, from)
		return err
	}
	var err error
	if s.d == PostgreSQL { // for the plan
		err = s.update(ctx, look)
	} else {
		err = look(s.db)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.sweepSeq = last
	s.mu.Unlock()
	if len(forgotten) == 0 {
		return nil
	}
	return s.update(ctx, func(q Querier) error { return s.insertMarks(ctx, q, forgotten) })
}

func (s *Store) sweep(ctx context.Context, q Querier, from int64) ([]markRow, int64, error) {
	if err := s.lookForGrowth(ctx, q, 0); err != nil {
		return nil, from, err
	}
	now, err := s.clock(ctx, q)
	if err != nil {
		return nil, from, err
	}
	last := int64(0) // from the beginning, after the end
	var forgotten []markRow
	seen := map[string]bool{}
	err = each(ctx, q, s.st.sweep, []any{from}, func(r Rows) error {
		var seq, ready, due, until, probe, orphan number
		var e text
		var name optional
		if err := r.Scan(&seq, &e, &name, &ready, &due, &until, &probe, &orphan); err != nil {
			return err
		}
		last = seq.v
		if orphan.v != 0 {
			forgotten = append(forgotten, markRow{E: string(e), Lane: name.v, Due: now, Level: 1})
		}
		overdue := !ready.null && ready.v <= now-micros(sweepAge)
		open := until.v <= now && probe.v == 0
		if overdue && open && (due.null || due.v > now) && !seen[string(e)] {
			seen[string(e)] = true
			forgotten = append(forgotten, markRow{E: string(e), Due: now})
		}
		return nil
	})
	return forgotten, last, err
}

// lookForGrowth asks PostgreSQL whether a table has outgrown its statistics, unless
// somebody did so less than after ago.
func (s *Store) lookForGrowth(ctx context.Context, q Querier, after time.Duration) error {
	s.mu.Lock()
	due := s.d == PostgreSQL && time.Since(s.looked) >= after
	if due {
		s.looked = time.Now()
	}
	s.mu.Unlock()
	if !due {
		return nil
	}
	return eachLater(ctx, q, s.st.outgrown, nil, func(r Rows) error {
		var n number
		err := r.Scan(&n)
		s.grown.Store(n.v > 0)
		return err
	})
}

// Interfaces that the store implements.
var (
	_ webhook.Queue         = (*Store)(nil)
	_ webhook.EndpointAdmin = (*Store)(nil)
	_ webhook.EndpointStore = (*Store)(nil)
	_ webhook.BatchOutbox   = (*Store)(nil)
	_ webhook.Extender      = (*Store)(nil)
	_ webhook.RateLimiter   = (*Store)(nil)
	_ webhook.History       = (*Store)(nil)
	_ webhook.Canceler      = (*Store)(nil)
	_ webhook.Counter       = (*Store)(nil)
	_ webhook.Purger        = (*Store)(nil)
	_ webhook.Matcher       = (*Outbox)(nil)
	_ webhook.Outbox        = (*Outbox)(nil)
)
