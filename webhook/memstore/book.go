package memstore

import (
	"slices"
	"sort"
)

// book lists all deliveries in the order in which they were enqueued, at 4
// bytes each.
type book struct {
	records *arena
	pages   []*page
	next    uint64 // the seq of the next delivery
}

// page is a run of deliveries, by their numbers. While it is dense, the
// delivery seq stands at seq-first, and zero where there is none any more; when
// three in four are gone it keeps the others alone, in order.
type page struct {
	first  uint64
	recs   []uint32
	live   int
	sparse bool
}

const pageLen = 256

// add lists r, whose number is n.
func (b *book) add(n uint32, r *record) {
	r.seq = b.next
	b.next++
	last := len(b.pages) - 1
	if last < 0 || b.pages[last].sparse || len(b.pages[last].recs) == pageLen {
		b.pages = append(b.pages, &page{first: r.seq, recs: make([]uint32, 0, pageLen)})
		last++
	}
	p := b.pages[last]
	p.recs = append(p.recs, n)
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
		at := b.find(p, r.seq)
		p.recs = shrink(slices.Delete(p.recs, at, at+1))
	default:
		p.recs[r.seq-p.first] = 0
		if p.live <= pageLen/4 && len(p.recs) == pageLen {
			p.thin()
		}
	}
}

// thin makes p sparse.
func (p *page) thin() {
	kept := make([]uint32, 0, p.live)
	for _, n := range p.recs {
		if n != 0 {
			kept = append(kept, n)
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
func (b *book) find(p *page, seq uint64) int {
	if !p.sparse {
		return int(min(seq-p.first, uint64(len(p.recs)))) //nolint:gosec // at most pageLen
	}
	return sort.Search(len(p.recs), func(i int) bool { return b.records.at(p.recs[i]).seq >= seq })
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
		for at := b.find(p, seq) - 1; at >= 0; at-- {
			if p.recs[at] == 0 {
				continue
			}
			r := b.records.at(p.recs[at])
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

// deque is a list of numbers that grows at its back and is emptied from its
// front.
type deque struct {
	items []uint32
	head  int
	gone  uint64 // how many were taken from the front
}

func (q *deque) len() int { return len(q.items) - q.head }

// at returns the i-th from the front.
func (q *deque) at(i int) uint32 { return q.items[q.head+i] }

func (q *deque) push(n uint32) { q.items = append(q.items, n) }

// pop takes the front.
func (q *deque) pop() uint32 {
	n := q.items[q.head]
	q.head++
	q.gone++
	if q.head*2 >= len(q.items) {
		left := copy(q.items, q.items[q.head:])
		q.items = shrink(q.items[:left])
		q.head = 0
	}
	return n
}
