package sqlcore

import (
	"context"
	"encoding/json"
	"time"

	"github.com/outhook/outhook/webhook"
)

// grant is a number of requests that were granted from First to Last.
type grant struct {
	First int64 `json:"f"`
	Last  int64 `json:"l"`
	N     int   `json:"n"`
}

// grains is how many parts of a window are told apart where the limit is
// higher than that: within one, all requests count as the latest of them, so
// that never too many are granted and the row stays small.
const grains = 128

// Take implements webhook.RateLimiter. No window of length rate.Per, wherever
// it begins, has more than rate.Limit granted requests in it.
func (s *Store) Take(ctx context.Context, endpointID string, n int, rate webhook.Rate) (int, time.Duration, error) {
	if n <= 0 {
		return 0, 0, ctx.Err()
	}
	if rate.Limit <= 0 || rate.Per <= 0 {
		return n, 0, ctx.Err()
	}
	granted, wait := 0, time.Duration(0)
	err := s.update(ctx, func(q Querier) error {
		if err := q.Exec(ctx, s.st.rateMake, endpointID); err != nil {
			return err
		}
		var now number
		var stored text
		if err := each(ctx, q, s.st.rateGet, []any{endpointID}, func(r Rows) error { return r.Scan(&now, &stored) }); err != nil {
			return err
		}
		var grants []grant
		if json.Unmarshal([]byte(stored), &grants) != nil {
			grants = nil // whoever damaged it gave the window back
		}
		granted, wait, grants = take(grants, now.v, n, rate)
		if granted == 0 {
			return nil
		}
		arg, err := list(grants)
		if err != nil {
			return err
		}
		return q.Exec(ctx, s.st.ratePut, arg, endpointID)
	})
	if err != nil {
		return 0, 0, s.wrap("take", err)
	}
	return granted, wait, nil
}

func take(grants []grant, now int64, n int, rate webhook.Rate) (int, time.Duration, []grant) {
	per := max(micros(rate.Per), 1)
	used := 0
	kept := grants[:0]
	for _, g := range grants {
		if g.Last > now-per {
			kept = append(kept, g)
			used += g.N
		}
	}
	granted := min(n, max(rate.Limit-used, 0))
	if granted > 0 {
		kept = count(kept, now, granted, rate.Limit, per)
		used += granted
	}
	if granted == n {
		return granted, 0, kept
	}
	over := used - rate.Limit
	for _, g := range kept {
		if over -= g.N; over < 0 {
			return granted, span(g.Last + per - now), kept
		}
	}
	return granted, 0, kept
}

func count(grants []grant, now int64, n, limit int, per int64) []grant {
	if last := len(grants) - 1; last >= 0 {
		g := &grants[last]
		if g.Last == now || limit > grains && now-g.First < per/grains {
			g.Last = now
			g.N += n
			return grants
		}
	}
	return append(grants, grant{First: now, Last: now, N: n})
}
