package memstore

import (
	"context"
	"errors"
	"fmt"
	"unique"

	"github.com/outhook/outhook/webhook"
)

// Enqueue implements webhook.Outbox. A delivery whose ID is there already is
// the caller's retry: it is left as it is, and not reported unless its Dedup
// is there too.
func (s *Store) Enqueue(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := check(b); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	batches := []*webhook.Batch{b}
	if err := s.room(batches); err != nil {
		return nil, err
	}
	s.giveWay(batches)
	return s.insert(b, s.now()), nil
}

// check reports what no Enqueue takes.
func check(b *webhook.Batch) error {
	if b == nil || b.Message == nil {
		return errors.New("memstore: the batch has no message")
	}
	for i := range b.Deliveries {
		d := &b.Deliveries[i]
		if d.ID == "" {
			return fmt.Errorf("memstore: delivery %d of the batch has no ID", i)
		}
		if d.State != webhook.Pending && !d.State.Final() {
			return fmt.Errorf("memstore: delivery %q arrives %v: it must be pending or final", d.ID, d.State)
		}
	}
	return nil
}

// sum is how many deliveries and bytes there are in batches at most.
func sum(batches ...*webhook.Batch) (deliveries, size int) {
	for _, b := range batches {
		deliveries += len(b.Deliveries)
		size += b.Message.Size()
	}
	return deliveries, size
}

// fits reports whether there is room for so many new deliveries and bytes. The
// history counts for nothing: it gives way.
func (s *Store) fits(deliveries, size int) bool {
	return s.open+deliveries <= s.opts.MaxPending && s.openSize+size <= s.opts.MaxBytes
}

// room reports that there is no room for batches.
func (s *Store) room(batches []*webhook.Batch) error {
	if s.fits(sum(batches...)) {
		return nil
	}
	// Exactly: only what is not there yet takes room.
	open, size := s.news(batches)
	if s.open+open > s.opts.MaxPending {
		return fmt.Errorf("%w: it has %d pending deliveries, see Options.MaxPending", webhook.ErrFull, s.open)
	}
	if s.openSize+size > s.opts.MaxBytes {
		return fmt.Errorf("%w: it has %d bytes of pending bodies, see Options.MaxBytes", webhook.ErrFull, s.openSize)
	}
	return nil
}

// giveWay forgets as much of the history as batches need, for which there is
// room.
func (s *Store) giveWay(batches []*webhook.Batch) {
	if _, size := sum(batches...); s.bytes+size <= s.opts.MaxBytes {
		return
	}
	for _, size := s.news(batches); s.bytes+size > s.opts.MaxBytes && s.ended.len() > 0; {
		s.forgetOldest()
	}
}

// news counts what batches would add: the deliveries that are open, and the
// bytes of the messages that no open delivery names yet.
func (s *Store) news(batches []*webhook.Batch) (open, size int) {
	for _, b := range batches {
		added := false
		for i := range b.Deliveries {
			d := &b.Deliveries[i]
			if s.existing(d) != nil {
				continue
			}
			added = true
			if !d.State.Final() {
				open++
			}
		}
		if m := s.message(b.Message.ID); added && (m == nil || m.open == 0) {
			size += b.Message.Size()
		}
	}
	return open, size
}

// insert stores what of b is not there yet.
func (s *Store) insert(b *webhook.Batch, now int64) []webhook.Existing {
	var existing []webhook.Existing
	m := s.message(b.Message.ID)
	if m == nil {
		m = &message{m: b.Message, size: b.Message.Size()}
	}
	taking := s.taking(b.Take, now)
	for i := range b.Deliveries {
		d := &b.Deliveries[i]
		if s.policy == (unique.Handle[string]{}) || d.Policy != s.policy.Value() {
			s.policy = unique.Make(d.Policy)
		}
		at, wanted := s.spot(d), taking.wants(i)
		if r := s.at(at, d); r == nil {
			n, added := s.add(m, d, at, now)
			switch {
			case added.state.Final():
			case wanted && taking.hand(s, added, i):
			default:
				s.wait(n, added)
			}
		} else if d.Dedup != "" && d.Dedup == r.dedup() {
			existing = append(existing, webhook.Existing{Index: i, ID: r.id})
		}
	}
	taking.end(s)
	s.trim()
	return existing
}

// adopt stores a message for its first delivery.
func (s *Store) adopt(m *message, d *webhook.Delivery) {
	m.key = d.Key
	m.first = s.book.next
	s.messages.put(s.hash(m.m.ID), m)
	s.bytes += m.size
}

// add stores a new delivery, and returns its number too; nothing holds it yet
// if it is open.
func (s *Store) add(m *message, d *webhook.Delivery, at spot, now int64) (uint32, *record) {
	if m.refs == 0 {
		s.adopt(m, d)
	}
	l := at.lanes
	if l == nil {
		l = s.lanesOf(d.EndpointID)
	}
	n, r := s.records.add()
	r.msg, r.policy, r.created, r.due, r.state = m, s.policy, now, now, d.State
	r.lane = l.lane(d.Ordered, d.Key)
	r.fill(d)
	l.refs++
	m.refs++
	s.book.add(n, r)
	m.last = r.seq
	s.byID.put(at.id, n)
	if d.Dedup != "" {
		s.byDedup.put(at.dedup^l.hash, n)
	}
	if d.State.Final() {
		s.ended.push(n)
		l.changed(r.lane) // which may have been made for nothing but its name
		if l.where == idle {
			s.unplace(l)
		}
		return n, r
	}
	s.open++
	if m.open++; m.open == 1 {
		s.openSize += m.size
	}
	return n, r
}

// wait lets r, which is new, wait for a Claim.
func (s *Store) wait(n uint32, r *record) {
	r.lane.push(n, r)
	r.lane.owner.changed(r.lane)
	s.place(r.lane.owner, r.created)
}

// finish makes an open delivery, which no heap holds any more, final.
func (s *Store) finish(n uint32, r *record, state webhook.State, reason string, now int64) {
	r.state, r.due = state, now
	r.flags &^= unsure
	if reason != "" {
		r.more().reason = reason
	}
	s.open--
	if r.msg.open--; r.msg.open == 0 {
		s.openSize -= r.msg.size
	}
	s.ended.push(n)
}

// trim forgets what is beyond the bound of the history. It comes last in what
// changes the queue, since it may also forget endpoints.
func (s *Store) trim() {
	for s.ended.len() > max(s.opts.MaxHistory, 0) {
		s.forgetOldest()
	}
}

// forgetOldest forgets the delivery that ended first.
func (s *Store) forgetOldest() {
	n := s.ended.pop()
	r := s.records.at(n)
	l := r.lane.owner
	s.byID.remove(s.hash(r.id), n)
	if dedup := r.dedup(); dedup != "" {
		s.byDedup.remove(s.hash(dedup)^l.hash, n)
	}
	s.book.remove(r)
	s.attempts.forget(r)
	if r.msg.refs--; r.msg.refs == 0 {
		s.messages.remove(s.hash(r.msg.m.ID), r.msg)
		s.bytes -= r.msg.size
	}
	s.records.remove(n) // nothing holds its number any more
	if l.refs--; l.refs == 0 {
		s.release(l, s.now())
	}
}
