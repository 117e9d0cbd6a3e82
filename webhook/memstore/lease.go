package memstore

// leases are the deliveries that somebody has claimed. What one call leases is
// a term, and all of it ends at once: so a lease costs next to nothing to begin
// and to settle, however many there are.
type leases struct {
	terms []*term     // by their numbers; none has the number zero
	spare []uint32    // numbers of those that hold nothing; some keep their memory
	byEnd heap[*term] // those that hold something
	size  int         // deliveries under lease
}

// term is what one call leased. It holds those of its records whose place is
// its number: the others were settled, or are in a later term.
type term struct {
	until   int64
	records []*record
	held    int
	number  uint32
	place   uint32 // in leases.byEnd; zero until the term is complete
}

const (
	keptTerms   = 16   // that keep their memory while they hold nothing
	keptRecords = 1024 // for which they have memory
	leastThin   = 4    // records from which on a term lets go of those that it does not hold
)

func (t *term) slot() *uint32       { return &t.place }
func (t *term) before(o *term) bool { return t.until < o.until }

func (t *term) holds(r *record) bool { return r.is(leased) && r.place == t.number }

// begin makes a term. It ends once it is complete.
func (ls *leases) begin(until int64) *term {
	n := ls.unused()
	if ls.terms[n] == nil {
		ls.terms[n] = &term{number: n}
	}
	ls.terms[n].until = until
	return ls.terms[n]
}

// unused returns a number that no term has which holds something.
func (ls *leases) unused() uint32 {
	if last := len(ls.spare) - 1; last >= 0 {
		n := ls.spare[last]
		ls.spare = ls.spare[:last]
		return n
	}
	n := max(len(ls.terms), 1)
	ls.terms = append(ls.terms, make([]*term, n+1-len(ls.terms))...)
	return uint32(n) //nolint:gosec // Options bound what a store holds far below 2^32
}

// add leases r, which is Running.
func (ls *leases) add(r *record, t *term) {
	r.flags |= leased
	r.due, r.place = t.until, t.number
	t.records = append(t.records, r)
	t.held++
	ls.size++
}

// complete says that nothing more is added to t.
func (ls *leases) complete(t *term) {
	switch {
	case t.held > 0:
		ls.byEnd.push(t)
	case ls.size == 0 && len(ls.terms) > keptTerms:
		*ls = leases{} // no other is being made
	default:
		ls.drop(t)
	}
}

// remove takes r out of the term that holds it.
func (ls *leases) remove(r *record) {
	t := ls.terms[r.place]
	r.flags &^= leased
	r.place, r.ahead = 0, 0
	ls.size--
	t.held--
	switch {
	case t.place == 0: // more may be added
	case t.held == 0:
		ls.byEnd.remove(t)
		ls.drop(t)
	case len(t.records) > leastThin && t.held < len(t.records)/4:
		t.thin()
	}
}

// thin lets go of the records that t does not hold: else one that is long under
// lease would keep the slabs of all that were claimed with it.
func (t *term) thin() {
	kept := make([]*record, 0, 2*t.held)
	for _, r := range t.records {
		if t.holds(r) {
			kept = append(kept, r)
		}
	}
	t.records = kept
}

// drop lets t wait for another use.
func (ls *leases) drop(t *term) {
	if len(ls.spare) >= keptTerms || cap(t.records) > keptRecords {
		ls.terms[t.number] = nil
	} else {
		clear(t.records)
		t.records = t.records[:0]
	}
	ls.spare = append(ls.spare, t.number)
}

// first returns the term that ends first; nil when nothing is under lease.
func (ls *leases) first() *term {
	if ls.byEnd.len() == 0 {
		return nil
	}
	return ls.byEnd.top()
}
