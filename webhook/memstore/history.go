package memstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/outhook/outhook/webhook"
)

// attempt is a record of the history, in the list of all of them and in that of
// its delivery.
type attempt struct {
	made       *webhook.Attempt
	of         *record
	prev, next *attempt
	later      *attempt // of the same delivery
}

// attemptList lists attempts in the order in which they were recorded.
type attemptList struct {
	front, back *attempt
	size        int
}

// noted is the first attempt of a delivery of which nothing else is to be
// noted, as of most: one allocation for both.
type noted struct {
	extra extra
	first attempt
}

// add records an attempt of r, and forgets the oldest beyond limit.
func (a *attemptList) add(r *record, made *webhook.Attempt, limit int) {
	if limit <= 0 {
		return
	}
	var e *attempt
	if r.extra == nil {
		n := new(noted)
		r.extra, e = &n.extra, &n.first
	} else {
		e = new(attempt)
	}
	e.made, e.of, e.prev = made, r, a.back
	if a.back == nil {
		a.front = e
	} else {
		a.back.next = e
	}
	a.back = e
	a.size++
	r.extra.note(e)
	for a.size > limit {
		oldest := a.front
		a.unlink(oldest)
		// The oldest of all is also the oldest of its delivery.
		oldest.of.extra.forget()
	}
}

// note adds the latest attempt.
func (x *extra) note(e *attempt) {
	if x.latest == nil {
		x.oldest = e
	} else {
		x.latest.later = e
	}
	x.latest = e
}

// forget drops the oldest attempt, and what it holds: its memory may be the
// extra's own.
func (x *extra) forget() {
	e := x.oldest
	if x.oldest = e.later; x.oldest == nil {
		x.latest = nil
	}
	*e = attempt{}
}

// forget drops all attempts of r.
func (a *attemptList) forget(r *record) {
	for r.extra != nil && r.extra.oldest != nil {
		a.unlink(r.extra.oldest)
		r.extra.forget()
	}
}

func (a *attemptList) unlink(e *attempt) {
	if e.prev == nil {
		a.front = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		a.back = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
	a.size--
}

// Delivery implements webhook.History.
func (s *Store) Delivery(ctx context.Context, id string) (*webhook.Delivery, *webhook.Message, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.record(id)
	if r == nil {
		return nil, nil, fmt.Errorf("memstore: delivery %q: %w", id, webhook.ErrNotFound)
	}
	d := s.delivery(r, s.now())
	return &d, r.msg.m, nil
}

// Attempts implements webhook.History. Those of a delivery that is unknown are
// none.
func (s *Store) Attempts(ctx context.Context, deliveryID string) ([]webhook.Attempt, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.record(deliveryID)
	if r == nil || r.extra == nil {
		return nil, nil
	}
	var list []webhook.Attempt
	for e := r.extra.oldest; e != nil; e = e.later {
		list = append(list, *e.made)
	}
	return list, nil
}

const (
	defaultPage = 50
	maxPage     = 1000
	scanStep    = 1024 // deliveries that are looked at under one lock
)

func pageLimit(limit int) int {
	if limit <= 0 {
		return defaultPage
	}
	return min(limit, maxPage)
}

// Deliveries implements webhook.History. A page costs what lies between its
// first and its last delivery, those that q does not select included; the
// store is locked for short parts of that.
func (s *Store) Deliveries(ctx context.Context, q webhook.HistoryQuery) ([]webhook.Delivery, string, error) {
	p := &reader{s: s, q: q, limit: pageLimit(q.Limit)}
	seq, err := s.startOf(&q, p)
	if err != nil {
		return nil, "", err
	}
	for seq > 0 && !p.done {
		if err := ctx.Err(); err != nil {
			return nil, "", err
		}
		seq = p.step(seq)
	}
	return p.list, p.cursor, ctx.Err()
}

// startOf tells where the page of q begins, and lets p know where a message's
// deliveries end.
func (s *Store) startOf(q *webhook.HistoryQuery, p *reader) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seq := s.book.next
	if q.Cursor != "" {
		at, err := strconv.ParseUint(q.Cursor, 10, 64)
		if err != nil || at > seq {
			return 0, ErrCursor
		}
		seq = at
	}
	if q.EndpointID != "" {
		if l := s.known(q.EndpointID); l == nil || l.refs == 0 {
			return 0, nil
		}
	}
	if q.MessageID != "" {
		m := s.message(q.MessageID)
		if m == nil {
			return 0, nil
		}
		p.least = m.first
		seq = min(seq, m.last+1)
	}
	return seq, nil
}

// reader reads a page.
type reader struct {
	s      *Store
	q      webhook.HistoryQuery
	limit  int
	least  uint64 // nothing before this one is selected
	list   []webhook.Delivery
	last   uint64 // the last one in list
	cursor string
	done   bool
}

// step looks at some deliveries before seq, and returns where to go on.
func (p *reader) step(seq uint64) uint64 {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	now := p.s.now()
	return p.s.book.before(seq, scanStep, func(r *record) bool {
		created := p.s.epoch.Add(duration(r.created))
		if r.seq < p.least || !p.q.Since.IsZero() && created.Before(p.q.Since) {
			p.done = true // all others are older
			return false
		}
		if !p.q.Until.IsZero() && !created.Before(p.q.Until) || !p.selects(r, now) {
			return true
		}
		if len(p.list) == p.limit {
			p.cursor = strconv.FormatUint(p.last, 10)
			p.done = true
			return false
		}
		p.list = append(p.list, p.s.delivery(r, now))
		p.last = r.seq
		return true
	})
}

func (p *reader) selects(r *record, now int64) bool {
	return (p.q.EndpointID == "" || p.q.EndpointID == r.lane.owner.id) &&
		(p.q.MessageID == "" || p.q.MessageID == r.msg.m.ID) &&
		(len(p.q.States) == 0 || slices.Contains(p.q.States, r.shown(now)))
}

// Finals implements webhook.History. What the history forgot before the feed
// came to it is left out: let Options.MaxHistory be large enough for the
// slowest of those that follow. A limit of zero or less is 50, the most is
// 1000.
func (s *Store) Finals(ctx context.Context, cursor string, limit int) ([]webhook.Delivery, string, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := s.ended.gone
	end := oldest + uint64(s.ended.len()) //nolint:gosec // a length
	at := oldest
	if cursor != "" {
		seen, err := strconv.ParseUint(cursor, 10, 64)
		if err != nil || seen > end {
			return nil, "", ErrCursor
		}
		at = max(seen, oldest)
	}
	n := min(uint64(pageLimit(limit)), end-at) //nolint:gosec // at most maxPage
	list := make([]webhook.Delivery, 0, n)
	now := s.now()
	for i := range n {
		list = append(list, s.delivery(s.records.at(s.ended.at(int(at-oldest+i))), now)) //nolint:gosec // an index of the list
	}
	return list, strconv.FormatUint(at+n, 10), nil
}

// Counts implements webhook.Counter. A delivery whose lease has ended counts
// as pending. Oldest is about what Claim could hand out: of what waits for a
// parked endpoint, for its turn in an ordered lane or for a probe, nothing is
// due.
func (s *Store) Counts(ctx context.Context) (webhook.Counts, error) {
	if err := ctx.Err(); err != nil {
		return webhook.Counts{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.expire(now)
	oldest := now
	for l := s.ready.front; l != nil; l = l.next {
		oldest = min(oldest, l.first().due())
	}
	for _, l := range s.asleep.items {
		if l.wake <= now {
			oldest = min(oldest, l.first().due())
		}
	}
	running := s.leases.size
	return webhook.Counts{Pending: s.open - running, Running: running, Oldest: duration(now - oldest)}, nil
}

// Purge implements webhook.Purger. By Keep it keeps those that ended last.
func (s *Store) Purge(ctx context.Context, p webhook.Purge) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	limit := p.Limit
	if limit <= 0 {
		limit = maxPage
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	n := 0
	for n < limit && s.ended.len() > 0 {
		age := duration(now - s.records.at(s.ended.at(0)).due)
		if (p.Age <= 0 || age <= p.Age) && (p.Keep <= 0 || s.ended.len() <= p.Keep) {
			break
		}
		s.forgetOldest()
		n++
	}
	return n, nil
}
