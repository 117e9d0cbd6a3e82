package memstore

import "github.com/outhook/outhook/webhook"

// firstToken is that of a delivery that is claimed as it is enqueued: its number
// is not in it, since all that one Enqueue takes has the same token.
const firstToken = 1

// taking is the claim that comes with an Enqueue.
type taking struct {
	take   *webhook.Take // nil for none
	wanted []int         // what is left of its Wanted
	term   *term
}

func (s *Store) taking(t *webhook.Take, now int64) taking {
	if t == nil {
		return taking{}
	}
	t.Taken, t.Token = t.Taken[:0], firstToken
	return taking{take: t, wanted: t.Wanted, term: s.leases.begin(later(now, t.Lease))}
}

// end is called when all that is wanted was asked for.
func (t *taking) end(s *Store) {
	if t.take != nil {
		s.leases.complete(t.term)
	}
}

// wants reports whether the delivery with this index is wanted. It is asked in
// ascending order.
func (t *taking) wants(index int) bool {
	if len(t.wanted) == 0 || t.wanted[0] != index {
		return false
	}
	t.wanted = t.wanted[1:]
	return true
}

// hand leases r, which is new, if a Claim would hand it out.
func (t *taking) hand(s *Store, r *record, index int) bool {
	l := r.lane.owner
	if r.lane.ordered || l.standing != nil && (l.standing.probe || l.standing.closedUntil > r.created) {
		return false
	}
	r.state, r.claims, r.attempts = webhook.Running, firstToken, 1
	s.hold(r, t.term)
	s.place(l, r.created) // it may have been idle
	t.take.Taken = append(t.take.Taken, index)
	return true
}
