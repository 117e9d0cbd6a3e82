package memstore

import (
	"slices"
	"sort"
)

// book lists all deliveries in the order in which they were enqueued, at 8
// bytes each.
type book struct {
	pages []*page
	next  uint64 // the seq of the next delivery
}

// page is a run of deliveries. While it is dense, the delivery seq stands at
// seq-first, and nil where there is none any more; when three in four are
// gone it keeps the others alone, in order.
type page struct {
	first  uint64
	recs   []*record
	live   int
	sparse bool
}

const pageLen = 256

func (b *book) add(r *record) {
	r.seq = b.next
	b.next++
	n := len(b.pages)
	if n == 0 || b.pages[n-1].sparse || len(b.pages[n-1].recs) == pageLen {
		b.pages = append(b.pages, &page{first: r.seq, recs: make([]*record, 0, pageLen)})
		n++
	}
	p := b.pages[n-1]
	p.recs = append(p.recs, r)
	p.live++
}

func (b *book) remove(r *record) {
	i := b.pageOf(r.seq)
	p := b.pages[i]
	p.live--
	switch {
	case p.live == 0:
		b.pages = shrink(slices.Delete(b.pages, i, i+1))
	case p.sparse:
		at := p.find(r.seq)
		p.recs = shrink(slices.Delete(p.recs, at, at+1))
	default:
		p.recs[r.seq-p.first] = nil
		if p.live <= pageLen/4 && len(p.recs) == pageLen {
			p.thin()
		}
	}
}

// thin makes p sparse.
func (p *page) thin() {
	kept := make([]*record, 0, p.live)
	for _, r := range p.recs {
		if r != nil {
			kept = append(kept, r)
		}
	}
	p.recs, p.sparse = kept, true
}

// pageOf returns the index of the last page that begins at seq or before; -1
// when there is none.
func (b *book) pageOf(seq uint64) int {
	return sort.Search(len(b.pages), func(i int) bool { return b.pages[i].first > seq }) - 1
}

// find returns how many of p's places are for deliveries before seq.
func (p *page) find(seq uint64) int {
	if !p.sparse {
		return int(min(seq-p.first, uint64(len(p.recs)))) //nolint:gosec // at most pageLen
	}
	return sort.Search(len(p.recs), func(i int) bool { return p.recs[i].seq >= seq })
}

// before calls f for the deliveries before seq, the newest first, until f
// returns false or limit places were looked at. It returns the seq to go on
// before, which is zero when there are no more.
func (b *book) before(seq uint64, limit int, f func(*record) bool) uint64 {
	if seq == 0 {
		return 0
	}
	for i := b.pageOf(seq - 1); i >= 0; i-- {
		p := b.pages[i]
		for at := p.find(seq) - 1; at >= 0; at-- {
			r := p.recs[at]
			if r == nil {
				continue
			}
			if !f(r) {
				return r.seq
			}
			if limit--; limit <= 0 {
				return r.seq
			}
		}
		seq = p.first
	}
	return 0
}

// deque is a list that grows at its back and is emptied from its front.
type deque[T any] struct {
	items []T
	head  int
	gone  uint64 // how many were taken from the front
}

func (q *deque[T]) len() int { return len(q.items) - q.head }

// at returns the i-th from the front.
func (q *deque[T]) at(i int) T { return q.items[q.head+i] }

func (q *deque[T]) push(x T) { q.items = append(q.items, x) }

// pop takes the front.
func (q *deque[T]) pop() T {
	x := q.items[q.head]
	var none T
	q.items[q.head] = none
	q.head++
	q.gone++
	if q.head*2 >= len(q.items) {
		left := copy(q.items, q.items[q.head:])
		clear(q.items[left:])
		q.items = shrink(q.items[:left])
		q.head = 0
	}
	return x
}

// keep drops what f does not want kept.
func (q *deque[T]) keep(f func(T) bool) {
	kept := q.items[:0]
	for _, x := range q.items[q.head:] {
		if f(x) {
			kept = append(kept, x)
		}
	}
	clear(q.items[len(kept):])
	q.items, q.head = shrink(kept), 0
}
