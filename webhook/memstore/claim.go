package memstore

import (
	"context"
	"math"
	"time"

	"github.com/outhook/outhook/webhook"
)

// Claim implements webhook.Queue. Endpoints with something due take turns, a
// delivery a turn, over all calls of Claim. Where the next delivery would
// exceed MaxBytes, the result ends; its endpoint is the first of the next
// Claim. A MaxBytes or PerEndpoint of zero or less is no bound, a Limit of
// zero or less claims nothing.
func (s *Store) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if c.Limit <= 0 {
		return nil, nil
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = math.MaxInt
	}
	if c.PerEndpoint <= 0 {
		c.PerEndpoint = math.MaxInt32
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.expire(now)
	s.wake(now, c.Limit)
	s.skip(c.Skip)
	return s.choose(&c, now), nil
}

// skipped is what lanes.taken says of an endpoint that a claim skips.
const skipped = -1

func (s *Store) skip(ids []string) {
	s.mark++
	for _, id := range ids {
		if l := s.known(id); l != nil {
			l.mark, l.taken = s.mark, skipped
		}
	}
}

// choose claims from the ring of endpoints that have something due.
func (s *Store) choose(c *webhook.Claim, now int64) []webhook.Claimed {
	var aside, served ring
	room, chosen := c.MaxBytes, s.leases.begin(later(now, c.Lease))
	for len(chosen.records) < c.Limit {
		l := s.front(now)
		if l == nil {
			break
		}
		if l.taken == skipped {
			s.ready.remove(l)
			aside.push(l)
			continue
		}
		n, r := l.first().top()
		size := r.size()
		if len(chosen.records) > 0 && size > room {
			break
		}
		room -= size
		s.lease(n, r, chosen)
		l.taken++
		s.ready.remove(l)
		switch at, ok := l.wakes(); {
		case !ok || at > now:
			l.where = nowhere
			s.place(l, now)
		case int(l.taken) >= c.PerEndpoint:
			served.push(l)
		default:
			s.ready.push(l)
		}
	}
	// Who was skipped keeps the turn, who had its share waits for another.
	aside.join(&s.ready)
	aside.join(&served)
	s.ready = aside
	s.leases.complete(chosen)
	claimed := make([]webhook.Claimed, len(chosen.records))
	for i, r := range chosen.records {
		claimed[i] = webhook.Claimed{
			Delivery: s.delivery(r, now),
			Message:  r.msg.m,
			Token:    r.token(),
			Age:      duration(now - r.created),
			Expired:  r.is(unsure),
		}
	}
	return claimed
}

// front returns the endpoint whose turn it is; nil when nothing is due.
func (s *Store) front(now int64) *lanes {
	if s.ready.size == 0 && !s.wake(now, 1) {
		return nil
	}
	l := s.ready.front
	if l.mark != s.mark {
		l.mark, l.taken = s.mark, 0
	}
	return l
}

// lease makes r Running, whose number is n, or zero where nobody knows.
func (s *Store) lease(n uint32, r *record, t *term) {
	r.lane.take(r)
	if r.state == webhook.Running {
		r.flags |= unsure
	}
	r.state, r.ahead = webhook.Running, n
	r.claims++
	r.attempts++
	s.hold(r, t)
}

// hold puts r, which is Running, among the leases.
func (s *Store) hold(r *record, t *term) {
	s.leases.add(r, t)
	r.lane.owner.leased++
	r.lane.busy = r.lane.ordered
	r.lane.owner.changed(r.lane)
}

// loose takes r, which is Running, out of what holds it.
func (s *Store) loose(r *record) {
	if !r.is(leased) {
		r.lane.take(r)
		return
	}
	s.leases.remove(r)
	r.lane.owner.leased--
	r.lane.busy = false
}

// expire makes deliveries due again whose leases have ended.
func (s *Store) expire(now int64) {
	for t := s.leases.first(); t != nil && t.until <= now; t = s.leases.first() {
		for _, r := range t.records { // as they are now: they get fewer
			if t.held == 0 {
				break
			}
			if !t.holds(r) {
				continue
			}
			s.loose(r)
			r.lane.again.push(r)
			r.lane.owner.changed(r.lane)
			s.place(r.lane.owner, now)
		}
	}
}

// wake lets at most limit endpoints, for whom the time has come, wait for
// their turn. Having a bound, no Claim pays for all that wake together. It
// reports whether there was any.
func (s *Store) wake(now int64, limit int) bool {
	woken := 0
	for woken < limit && s.asleep.len() > 0 && s.asleep.top().wake <= now {
		s.place(s.asleep.top(), now)
		woken++
	}
	return woken > 0
}

// Extend implements webhook.Extender. A lease that ended is extended too, as
// long as nobody claimed its delivery since.
func (s *Store) Extend(ctx context.Context, leases []webhook.Lease, lease time.Duration) ([]int, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	t := s.leases.begin(later(now, lease))
	var stale []int
	for i, of := range leases {
		_, r := s.claimed(of.ID, of.Token)
		if r == nil {
			stale = append(stale, i)
			continue
		}
		s.loose(r)
		s.hold(r, t)
		s.place(r.lane.owner, now)
	}
	s.leases.complete(t)
	return stale, nil
}

// token names the latest claim of r. Its upper half is the number of r where the
// claim knew it: who settles is spared the search.
func (r *record) token() int64 { return int64(r.ahead)<<32 | int64(r.claims) }

// claimed returns the Running delivery whose latest claim has this token, and
// its number; nil when there is none.
func (s *Store) claimed(id string, token int64) (uint32, *record) {
	n := uint32(token >> 32) //nolint:gosec // both halves are of 32 bits
	if n == 0 {
		n = s.number(id)
	}
	r := s.records.find(n)
	if r == nil || r.id != id || r.state != webhook.Running || r.claims != uint32(token) { //nolint:gosec // see above
		return 0, nil
	}
	return n, r
}
