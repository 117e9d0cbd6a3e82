package memstore

// lane is a line of deliveries that are due one after the other: all of an
// endpoint, or the ordered ones of one key. What is under lease is not in it.
type lane struct {
	owner   *lanes
	key     string
	front   uint32        // the first that was never claimed, in the order of Enqueue; zero for none
	back    uint32        // the last of these
	again   heap[*record] // claimed before, so that their numbers are not at hand
	place   uint32        // among its owner's ordered lanes that are ready
	ordered bool
	busy    bool // ordered, and its first delivery is under lease
}

func (l *lane) slot() *uint32       { return &l.place }
func (l *lane) before(o *lane) bool { return l.due() < o.due() }

func (l *lane) empty() bool { return l.again.len() == 0 && l.front == 0 }

// top returns the delivery that is first, and its number where it was never
// claimed, else zero; the lane is not empty.
func (l *lane) top() (uint32, *record) {
	if l.front == 0 {
		return 0, l.again.top()
	}
	first := l.owner.records.at(l.front)
	if l.again.len() > 0 && l.again.top().before(first) {
		return 0, l.again.top()
	}
	return l.front, first
}

// due is when the first delivery is due; the lane is not empty.
func (l *lane) due() int64 {
	_, r := l.top()
	return r.due
}

// push lets r, whose number is n and which was never claimed, wait in l.
func (l *lane) push(n uint32, r *record) {
	r.flags |= fresh
	r.ahead, r.place = l.back, 0
	if l.back == 0 {
		l.front = n
	} else {
		l.owner.records.at(l.back).place = n
	}
	l.back = n
}

// take removes r, which waits in l. What was never claimed is removed from
// the front, by a claim, or from anywhere, when it is cancelled. Either way
// the lane lets go of its number, which may soon be that of another.
func (l *lane) take(r *record) {
	if !r.is(fresh) {
		l.again.remove(r)
		return
	}
	if r.ahead == 0 {
		l.front = r.place
	} else {
		l.owner.records.at(r.ahead).place = r.place
	}
	if r.place == 0 {
		l.back = r.ahead
	} else {
		l.owner.records.at(r.place).ahead = r.ahead
	}
	r.flags &^= fresh
	r.ahead, r.place = 0, 0
}

// lanes is what the queue knows of one endpoint.
type lanes struct {
	id         string
	records    *arena
	free       lane      // what is not ordered
	ordered    *ordered  // nil for most
	standing   *standing // nil while the endpoint is open and healthy
	prev, next *lanes    // in the ring that holds it
	hash       uint64    // of id
	wake       int64     // when something is due, while it is in the heap of those that wait
	refs       int32     // deliveries, final ones included
	leased     int32     // deliveries under lease
	place      uint32    // in the heap of those that wait
	taken      int32     // by the Claim, or in the Settle, that mark names
	mark       uint64
	where      where
	registered bool // it stays, whether it has deliveries or not
}

// ordered is an endpoint's ordered lanes.
type ordered struct {
	byKey map[string]*lane
	ready heap[*lane] // those whose first delivery waits
}

// where says what holds an endpoint's lanes.
type where uint8

const (
	nowhere where = iota // nothing to do
	asleep               // in the heap of those that wait for a time
	ready                // in the ring of those that have something due
	idle                 // in the ring of those without deliveries that have a standing
)

func (l *lanes) slot() *uint32        { return &l.place }
func (l *lanes) before(o *lanes) bool { return l.wake < o.wake }

// first returns the lane whose delivery is next; nil when none waits.
func (l *lanes) first() *lane {
	var first *lane
	if !l.free.empty() {
		first = &l.free
	}
	if l.ordered != nil && l.ordered.ready.len() > 0 {
		if o := l.ordered.ready.top(); first == nil || o.before(first) {
			first = o
		}
	}
	return first
}

// wakes tells when a delivery can be claimed; false when only a settlement or
// the end of a lease can bring one.
func (l *lanes) wakes() (int64, bool) {
	first := l.first()
	if first == nil {
		return 0, false
	}
	due := first.due()
	if st := l.standing; st != nil {
		if st.probe && l.leased > 0 {
			return 0, false
		}
		due = max(due, st.closedUntil)
	}
	return due, true
}

// lane returns the lane of a delivery.
func (l *lanes) lane(inOrder bool, key string) *lane {
	if !inOrder {
		return &l.free
	}
	if l.ordered == nil {
		l.ordered = &ordered{byKey: make(map[string]*lane)}
	}
	ln := l.ordered.byKey[key]
	if ln == nil {
		ln = &lane{owner: l, key: key, ordered: true}
		l.ordered.byKey[key] = ln
	}
	return ln
}

// changed brings an ordered lane to its place after its first delivery, or
// that one's time, changed.
func (l *lanes) changed(ln *lane) {
	if !ln.ordered {
		return
	}
	o := l.ordered
	switch {
	case !ln.empty() && !ln.busy && ln.place == 0:
		o.ready.push(ln)
	case !ln.empty() && !ln.busy:
		o.ready.fix(ln)
	case ln.place != 0:
		// The heap asks for times while it removes; an empty lane has none,
		// but it is never compared: it is cut off first.
		o.ready.remove(ln)
	}
	if ln.empty() && !ln.busy {
		delete(o.byKey, ln.key)
		if len(o.byKey) == 0 {
			l.ordered = nil
		}
	}
}

// ring is a list of endpoints' lanes.
type ring struct {
	front, back *lanes
	size        int
}

func (r *ring) push(l *lanes) {
	l.prev, l.next = r.back, nil
	if r.back == nil {
		r.front = l
	} else {
		r.back.next = l
	}
	r.back = l
	r.size++
}

func (r *ring) remove(l *lanes) {
	if l.prev == nil {
		r.front = l.next
	} else {
		l.prev.next = l.next
	}
	if l.next == nil {
		r.back = l.prev
	} else {
		l.next.prev = l.prev
	}
	l.prev, l.next = nil, nil
	r.size--
}

// join puts all of o behind r, and empties o.
func (r *ring) join(o *ring) {
	switch {
	case o.front == nil:
		return
	case r.front == nil:
		r.front = o.front
	default:
		r.back.next, o.front.prev = o.front, r.back
	}
	r.back = o.back
	r.size += o.size
	*o = ring{}
}

// place puts l where it belongs after something about it changed.
func (s *Store) place(l *lanes, now int64) {
	at, ok := l.wakes()
	switch {
	case !ok:
		s.unplace(l)
	case at <= now:
		if l.where != ready {
			s.unplace(l)
			s.ready.push(l)
			l.where = ready
		}
	case l.where == asleep:
		l.wake = at
		s.asleep.fix(l)
	default:
		s.unplace(l)
		l.wake = at
		s.asleep.push(l)
		l.where = asleep
	}
}

// unplace takes l out of what holds it.
func (s *Store) unplace(l *lanes) {
	switch l.where {
	case nowhere:
	case asleep:
		s.asleep.remove(l)
	case ready:
		s.ready.remove(l)
	case idle:
		s.idle.remove(l)
	}
	l.where = nowhere
}

// lanesOf returns what the queue knows of an endpoint, and makes it if it
// knows nothing.
func (s *Store) lanesOf(endpointID string) *lanes {
	l := s.known(endpointID)
	if l == nil {
		l = &lanes{id: endpointID, records: &s.records, hash: s.hash(endpointID)}
		l.free.owner = l
		s.lanes.put(l.hash, l)
	}
	return l
}

// release forgets an endpoint of which there is nothing to know. What has a
// standing and no deliveries is kept, as many as there may be endpoints.
func (s *Store) release(l *lanes, now int64) {
	if l.standing != nil && l.standing.clear(now) {
		l.standing = nil
	}
	if l.refs > 0 || l.registered {
		if l.where == idle {
			s.unplace(l)
		}
		return
	}
	if l.standing == nil {
		s.unplace(l)
		s.lanes.remove(l.hash, l)
		return
	}
	if l.where != idle {
		s.unplace(l)
		s.idle.push(l)
		l.where = idle
	}
	for s.idle.size > s.opts.MaxEndpoints {
		oldest := s.idle.front
		s.unplace(oldest)
		s.lanes.remove(oldest.hash, oldest)
	}
}
