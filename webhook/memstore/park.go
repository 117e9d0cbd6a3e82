package memstore

import (
	"context"

	"github.com/outhook/outhook/webhook"
)

// standing is what keeps an endpoint from being open and healthy.
type standing struct {
	closedUntil  int64
	hold, probe  bool
	failures     int // in a row
	firstFailure int64
	lastFailure  int64
	rate         *meter // nil while no request counts against a rate
}

// stand returns l's standing, to write to it.
func (l *lanes) stand() *standing {
	if l.standing == nil {
		l.standing = new(standing)
	}
	return l.standing
}

func (st *standing) fail(now int64) {
	if st.failures == 0 {
		st.firstFailure = now
	}
	st.failures++
	st.lastFailure = now
}

// heal ends a row of failures and a probe. A time for which the endpoint is
// closed goes on: it has other reasons.
func (st *standing) heal() {
	st.failures, st.firstFailure, st.lastFailure = 0, 0, 0
	st.probe = false
}

// clear reports whether there is nothing to remember.
func (st *standing) clear(now int64) bool {
	return st.closedUntil <= now && !st.probe && st.failures == 0 && (st.rate == nil || st.rate.idle(now))
}

// Park implements webhook.Queue. With For zero or less and Probe the endpoint
// is open, for one delivery at a time.
func (s *Store) Park(ctx context.Context, parks []webhook.Park) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for _, p := range parks {
		l := s.lanesOf(p.EndpointID)
		st := l.stand()
		st.closedUntil, st.hold, st.probe = later(now, p.For), p.Hold, p.Probe
		if l.refs > 0 {
			s.place(l, now)
		}
		s.release(l, now)
	}
	return nil
}
