package memstore

import (
	"context"
	"time"

	"github.com/outhook/outhook/webhook"
)

// meter counts the requests of an endpoint in the window that ends now.
type meter struct {
	grants []grant // oldest first
	used   int     // the sum of them
	until  int64   // when the last of them leaves the window
}

// grant is a number of requests that were granted from first to last.
type grant struct {
	first, last int64
	n           int
}

// grains is how many parts of a window a meter tells apart where the limit is
// higher than that: within one, it takes all requests for the latest of them,
// and so never grants too many, and needs little memory for any limit.
const grains = 128

func (m *meter) idle(now int64) bool { return m.until <= now }

// Take implements webhook.RateLimiter. No window of length rate.Per, wherever
// it begins, has more than rate.Limit granted requests in it.
func (s *Store) Take(ctx context.Context, endpointID string, n int, rate webhook.Rate) (int, time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	if n <= 0 {
		return 0, 0, nil
	}
	if rate.Limit <= 0 || rate.Per <= 0 {
		return n, 0, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	l := s.lanesOf(endpointID)
	st := l.stand()
	if st.rate == nil {
		st.rate = new(meter)
	}
	granted, wait := st.rate.take(now, n, rate)
	s.release(l, now)
	return granted, wait, nil
}

func (m *meter) take(now int64, n int, rate webhook.Rate) (int, time.Duration) {
	per := int64(rate.Per)
	m.forget(now - per)
	granted := min(n, max(rate.Limit-m.used, 0))
	if granted > 0 {
		m.count(now, granted, rate)
		m.until = later(now, rate.Per)
	}
	if granted == n {
		return granted, 0
	}
	// The next is granted when the window has let go of enough.
	over := m.used - rate.Limit
	for _, g := range m.grants {
		if over -= g.n; over < 0 {
			return granted, duration(g.last + per - now)
		}
	}
	return granted, 0
}

// forget drops what happened at until or before.
func (m *meter) forget(until int64) {
	old := 0
	for old < len(m.grants) && m.grants[old].last <= until {
		m.used -= m.grants[old].n
		old++
	}
	if old > 0 {
		m.grants = append(m.grants[:0], m.grants[old:]...)
	}
}

func (m *meter) count(now int64, n int, rate webhook.Rate) {
	m.used += n
	if last := len(m.grants) - 1; last >= 0 {
		g := &m.grants[last]
		if g.last == now || rate.Limit > grains && now-g.first < int64(rate.Per)/grains {
			g.last = now
			g.n += n
			return
		}
	}
	m.grants = append(m.grants, grant{first: now, last: now, n: n})
}
