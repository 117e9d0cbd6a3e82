package memstore

import (
	"unique"

	"github.com/outhook/outhook/webhook"
)

// record is a delivery as the store keeps it, in 96 bytes: what deliveries
// share is shared, what few have is in extra. All times are in nanoseconds
// since the store was made.
type record struct {
	id       string
	msg      *message
	lane     *lane
	extra    *extra // nil for most
	policy   unique.Handle[string]
	created  int64
	due      int64  // when it is due; when the lease ends; when it ended
	seq      uint64 // in the order of Enqueue
	claims   uint32 // in its token
	attempts int32
	body     int32
	place    uint32 // in the heap that holds it; while it is fresh, who is behind it in its lane; while it is leased, its term
	ahead    uint32 // while it is fresh, who is before it in its lane; while it is leased, its own number if that was known
	state    webhook.State
	flags    flags
}

// extra is what few records have.
type extra struct {
	key, dedup, of, reason string
	inline                 *webhook.Endpoint
	oldest, latest         *attempt
}

type flags uint8

const (
	leased     flags = 1 << iota // in a term
	fresh                        // in its lane, and never claimed
	unsure                       // an attempt before this one ended with its lease
	eventDedup                   // its Dedup is the message's EventID
	messageKey                   // its Key is the message's
)

// message is a webhook.Message with the number of deliveries that name it.
type message struct {
	m           *webhook.Message
	key         string // of its first delivery, and mostly of all
	size        int
	refs, open  int32
	first, last uint64 // the deliveries that name it are in this range of seq
}

func (r *record) is(f flags) bool { return r.flags&f != 0 }

func (r *record) slot() *uint32 { return &r.place }

// before orders ordered lanes in the order of Enqueue, and all others by the
// time at which they are due.
func (r *record) before(o *record) bool {
	if r.lane.ordered {
		return r.seq < o.seq
	}
	return r.due < o.due || r.due == o.due && r.seq < o.seq
}

// more returns r's extra, to write to it.
func (r *record) more() *extra {
	if r.extra == nil {
		r.extra = new(extra)
	}
	return r.extra
}

// size is the number of bytes that this delivery sends.
func (r *record) size() int {
	if i := int(r.body); i >= 0 && i < len(r.msg.m.Bodies) {
		return len(r.msg.m.Bodies[i].Data)
	}
	return 0
}

func (r *record) dedup() string {
	switch {
	case r.is(eventDedup):
		return r.msg.m.EventID
	case r.extra != nil:
		return r.extra.dedup
	}
	return ""
}

func (r *record) key() string {
	switch {
	case r.lane.ordered:
		return r.lane.key
	case r.is(messageKey):
		return r.msg.key
	case r.extra != nil:
		return r.extra.key
	}
	return ""
}

// fill takes over what d says, apart from its state.
func (r *record) fill(d *webhook.Delivery) {
	r.id = d.ID
	r.body = int32(d.Body) //nolint:gosec // an index of the message's bodies, which are few
	switch d.Dedup {
	case "":
	case r.msg.m.EventID:
		r.flags |= eventDedup
	default:
		r.more().dedup = d.Dedup
	}
	switch {
	case d.Ordered || d.Key == "":
	case d.Key == r.msg.key:
		r.flags |= messageKey
	default:
		r.more().key = d.Key
	}
	if d.Of != "" {
		r.more().of = d.Of
	}
	if d.Reason != "" {
		r.more().reason = d.Reason
	}
	if d.Inline != nil {
		r.more().inline = d.Inline
	}
}

// delivery is r as the contract shows it.
func (s *Store) delivery(r *record, now int64) webhook.Delivery {
	d := webhook.Delivery{
		ID:         r.id,
		MessageID:  r.msg.m.ID,
		EndpointID: r.lane.owner.id,
		Body:       int(r.body),
		Policy:     r.policy.Value(),
		Ordered:    r.lane.ordered,
		Key:        r.key(),
		State:      r.shown(now),
		Dedup:      r.dedup(),
		Attempts:   int(r.attempts),
		Created:    s.epoch.Add(duration(r.created)),
	}
	if r.state.Final() {
		d.Ended = s.epoch.Add(duration(r.due))
	} else {
		d.Due = s.epoch.Add(duration(r.due))
	}
	if x := r.extra; x != nil {
		d.Of, d.Reason, d.Inline = x.of, x.reason, x.inline
	}
	return d
}

// shown is r's state: what waits for a paused endpoint is Held.
func (r *record) shown(now int64) webhook.State {
	if st := r.lane.owner.standing; r.state == webhook.Pending && st != nil && st.hold && st.closedUntil > now {
		return webhook.Held
	}
	return r.state
}
