package memstore

import "github.com/outhook/outhook/webhook"

// firstToken is that of the first claim of a delivery: each claim counts one up.
const firstToken = 1

// taking is the claim that comes with an Enqueue.
type taking struct {
	take   *webhook.Take // nil for none
	wanted []int         // what is left of its Wanted
	until  int64
}

func (s *Store) taking(t *webhook.Take, now int64) taking {
	if t == nil {
		return taking{}
	}
	t.Taken, t.Token = t.Taken[:0], firstToken
	return taking{take: t, wanted: t.Wanted, until: later(now, t.Lease)}
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
	r.state, r.due = webhook.Running, t.until
	r.claims, r.attempts = firstToken, 1
	s.hold(r)
	s.place(l, r.created) // it may have been idle
	t.take.Taken = append(t.take.Taken, index)
	return true
}
