package memstore

import (
	"errors"
	"fmt"
	"slices"

	"github.com/outhook/outhook/webhook"
)

// Check reports what in the store contradicts itself.
func (s *Store) Check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &checker{s: s, now: s.now(), refs: make(map[*lanes]int32), leased: make(map[*lanes]int32), held: make(map[uint32]int), msgs: make(map[*message][2]int32)}
	s.book.before(s.book.next, 1<<30, func(r *record) bool {
		c.record(r)
		return true
	})
	c.totals()
	c.endpoints()
	inUse := c.slabs(&s.records)
	c.want("records in use", inUse, c.all)
	return errors.Join(c.errs...)
}

type checker struct {
	s             *Store
	now           int64
	all, final    int
	deduped       int
	attempts      int
	refs, leased  map[*lanes]int32
	held          map[uint32]int
	msgs          map[*message][2]int32
	bytes, opened int
	errs          []error
}

func (c *checker) want(what string, got, want any) {
	if got != want {
		c.errs = append(c.errs, fmt.Errorf("%s is %v, want %v", what, got, want))
	}
}

func (c *checker) record(r *record) {
	c.all++
	l := r.lane.owner
	c.refs[l]++
	n := c.msgs[r.msg]
	n[0]++
	c.want("record("+r.id+")", c.s.record(r.id), r)
	c.want("lanes of "+r.id, c.s.known(l.id), l)
	if dedup := r.dedup(); dedup != "" {
		c.deduped++
		c.want("existing of "+r.id, c.s.existing(&webhook.Delivery{ID: "?", EndpointID: l.id, Dedup: dedup}), r)
	}
	if r.extra != nil {
		for e := r.extra.oldest; e != nil; e = e.later {
			c.attempts++
		}
	}
	switch {
	case r.state.Final():
		c.final++
		c.want("place of "+r.id, r.place, uint32(0))
		c.want("ahead of "+r.id, r.ahead, uint32(0))
		c.want("flags of "+r.id, r.flags&(leased|fresh|unsure), flags(0))
	case r.is(leased):
		n[1]++
		c.leased[l]++
		c.held[r.place]++
		t := c.s.leases.terms[r.place]
		c.want("the term of "+r.id, slices.Contains(t.records, r) && t.place > 0 && t.until == r.due, true)
	case !r.is(fresh):
		n[1]++
		c.want("the place of "+r.id, r.lane.again.items[r.place-1], r)
	default:
		n[1]++
	}
	c.msgs[r.msg] = n
}

func (c *checker) totals() {
	s := c.s
	for m, n := range c.msgs {
		c.want("refs of "+m.m.ID, m.refs, n[0])
		c.want("open of "+m.m.ID, m.open, n[1])
		c.want("message("+m.m.ID+")", s.message(m.m.ID), m)
		c.bytes += m.size
		if n[1] > 0 {
			c.opened += m.size
		}
	}
	c.want("ids", s.byID.size, c.all)
	c.want("dedups", s.byDedup.size, c.deduped)
	c.want("messages", s.messages.size, len(c.msgs))
	c.want("bytes", s.bytes, c.bytes)
	c.want("bytes of open messages", s.openSize, c.opened)
	c.want("open", s.open, c.all-c.final)
	c.want("ended", s.ended.len(), c.final)
	c.want("attempts", s.attempts.size, c.attempts)
	c.leases(&s.leases)
	inOrder(c, "asleep", &s.asleep)
}

func inOrder[T member[T]](c *checker, what string, h *heap[T]) {
	for i, x := range h.items {
		c.want(what+" out of order", x.before(h.items[max(i-1, 0)/2]) && i > 0, false)
		c.want("a place in "+what, int(*x.slot()), i+1)
	}
}

// leases checks that each term knows what it holds, and is where it belongs.
func (c *checker) leases(ls *leases) {
	inOrder(c, "terms", &ls.byEnd)
	total := 0
	for i, t := range ls.terms {
		if t == nil {
			c.want(fmt.Sprintf("term %d is there", i), i == 0 || slices.Contains(ls.spare, uint32(i)), true)
			continue
		}
		n := c.held[t.number]
		total += n
		name := fmt.Sprintf("term %d ", i)
		c.want(name+"is called", t.number, uint32(i))
		c.want(name+"holds", t.held, n)
		c.want(name+"waits for its end", t.place > 0, n > 0)
		c.want(name+"is spare", slices.Contains(ls.spare, t.number), n == 0)
		c.want(name+"has records", len(t.records) > 0, n > 0)
	}
	c.want("leases", ls.size, total)
	c.want("terms with and without leases", 1+ls.byEnd.len()+len(ls.spare), max(len(ls.terms), 1))
}

// endpoints checks that all lanes are where they belong.
func (c *checker) endpoints() {
	waiting := 0
	for _, part := range c.s.lanes.parts {
		for _, at := range part.places {
			l := at.item
			if l == nil {
				continue
			}
			c.want("refs of "+l.id, l.refs, c.refs[l])
			c.want("leased of "+l.id, l.leased, c.leased[l])
			waiting += c.lane(&l.free)
			if l.ordered != nil {
				for _, ln := range l.ordered.byKey {
					waiting += c.lane(ln)
					c.want("ready of "+l.id+" "+ln.key, ln.place != 0, !ln.busy)
				}
			}
			at, ok := l.wakes()
			switch {
			case !ok:
				c.want("idle of "+l.id, l.where == idle, l.refs == 0 && !l.registered)
				c.want("where of "+l.id, l.where == nowhere || l.where == idle, true)
			case l.where == asleep:
				// A parking that is over may be forgotten before the endpoint
				// wakes: then it is due since it wakes, or for longer.
				c.want("wake of "+l.id, l.wake, max(at, min(l.wake, c.now)))
			default:
				c.want("where of "+l.id, l.where, ready)
				c.want("due of "+l.id, at <= c.now, true)
			}
		}
	}
	c.want("open", c.s.open, waiting+c.s.leases.size)
}

func (c *checker) lane(ln *lane) int {
	inOrder(c, ln.owner.id, &ln.again)
	n, last := 0, uint32(0)
	for at := ln.front; at != 0; n++ {
		r := c.s.records.at(at)
		c.want(r.id+" is fresh", r.is(fresh) && r.lane == ln, true)
		c.want("ahead of "+r.id, r.ahead, last)
		last, at = at, r.place
	}
	c.want("back of "+ln.owner.id, ln.back, last)
	return n + ln.again.len()
}

// slabs checks an arena, and returns how many it holds.
func (c *checker) slabs(a *arena) int {
	if a.slabs == nil {
		return 0
	}
	inUse, roomy, listed := 0, 0, 0
	for i, s := range a.slabs[1:] {
		if s.items == nil || s.free != 0 {
			roomy++
		}
		if s.items == nil {
			continue
		}
		c.want(fmt.Sprintf("slab %d is empty", i+1), s.free == allFree, false)
		for j := range s.items {
			if s.free>>j&1 == 0 {
				inUse++
			} else {
				c.want(fmt.Sprintf("the free place %d of slab %d", j, i+1), s.items[j], record{})
			}
		}
	}
	last, dropped := uint32(0), false
	for i := a.slabs[0].next; i != 0; i = a.slabs[i].next {
		s := &a.slabs[i]
		c.want(fmt.Sprintf("slab %d is after one that was given back", i), dropped && s.items != nil, false)
		c.want(fmt.Sprintf("prev of slab %d", i), s.prev, last)
		listed++
		last, dropped = i, s.items == nil
	}
	c.want("last slab", a.slabs[0].prev, last)
	c.want("slabs with room", listed, roomy)
	c.want("the table ends with a slab", len(a.slabs) == 1 || a.slabs[len(a.slabs)-1].items != nil, true)
	return inUse
}
