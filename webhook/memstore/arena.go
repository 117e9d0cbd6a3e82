package memstore

import "math/bits"

// arena is where the records are, in slabs, each record with a number. What
// holds them by their numbers is nothing that the garbage collector looks into,
// and it meets one object where each record of its own would be slabLen.
//
// A new record goes where there is room before another slab is made, and a
// slab is given back when all of it is free. So one that stays on alone keeps
// a slab, which is 3 KiB; and 24 bytes remain of a slab that was given back,
// until all that were made after it are given back too. Numbers are used
// again: a record is removed when nothing holds its number any more, and no
// pointer to it is kept but for a time, by a term.
type arena struct {
	slabs []slab // the first is the head of the list of those with room
	spare *[slabLen]record
}

// slab is a run of an arena's numbers.
type slab struct {
	items      *[slabLen]record // nil when it was given back
	free       uint32           // a bit for each that is not in use
	prev, next uint32           // among those with room; those given back come last
}

const (
	slabLen = 32
	allFree = 1<<slabLen - 1
)

// at returns what has the number n.
func (a *arena) at(n uint32) *record { return &a.slabs[n/slabLen].items[n%slabLen] }

// find returns what has the number n, or had it last; nil when that is nowhere.
func (a *arena) find(n uint32) *record {
	if i := int(n / slabLen); i == 0 || i >= len(a.slabs) || a.slabs[i].items == nil {
		return nil
	}
	return a.at(n)
}

// add makes one that is all zero. Its number is not zero.
func (a *arena) add() (uint32, *record) {
	i := a.room()
	s := &a.slabs[i]
	at := uint32(bits.TrailingZeros32(s.free)) //nolint:gosec // less than slabLen
	s.free &^= 1 << at
	if s.free == 0 {
		a.unlink(i)
	}
	return i*slabLen + at, &s.items[at]
}

// room returns a slab with room.
func (a *arena) room() uint32 {
	if a.slabs == nil {
		a.slabs = make([]slab, 1)
	}
	i := a.slabs[0].next
	if i == 0 {
		i = uint32(len(a.slabs)) //nolint:gosec // Options bound what a store holds far below 2^32
		a.slabs = append(a.slabs, slab{})
		a.link(i, 0)
	}
	if s := &a.slabs[i]; s.items == nil {
		if a.spare == nil {
			a.spare = new([slabLen]record)
		}
		s.items, s.free, a.spare = a.spare, allFree, nil
	}
	return i
}

// remove drops the one with this number.
func (a *arena) remove(n uint32) {
	i := n / slabLen
	s := &a.slabs[i]
	s.items[n%slabLen] = record{}
	if s.free == 0 {
		a.link(i, a.slabs[0].next)
	}
	if s.free |= 1 << (n % slabLen); s.free == allFree {
		a.giveBack(i)
	}
}

// giveBack drops the memory of a slab. One is kept, for those who add and
// remove by turns.
func (a *arena) giveBack(i uint32) {
	a.spare, a.slabs[i].items = a.slabs[i].items, nil
	a.unlink(i)
	a.link(i, 0)
	n := len(a.slabs)
	for n > 1 && a.slabs[n-1].items == nil {
		n--
		a.unlink(uint32(n)) //nolint:gosec // an index of the slice
	}
	a.slabs = shrink(a.slabs[:n])
}

// link puts slab i before the slab next in the list of those with room; at its
// end when that is its head.
func (a *arena) link(i, next uint32) {
	prev := a.slabs[next].prev
	a.slabs[i].prev, a.slabs[i].next = prev, next
	a.slabs[prev].next, a.slabs[next].prev = i, i
}

func (a *arena) unlink(i uint32) {
	prev, next := a.slabs[i].prev, a.slabs[i].next
	a.slabs[prev].next, a.slabs[next].prev = next, prev
}
