package memstore

import (
	"hash/maphash"

	"github.com/outhook/outhook/webhook"
)

// index finds what a Store holds by a hash of its name. It takes 12 bytes a
// place where a Go map with a string for its key takes 25, and gives memory
// back as its entries leave, which a Go map does not. It is made of parts, so
// that growing and shrinking are short steps however much there is.
type index[T any] struct {
	parts [indexParts]indexPart[T]
	size  int
}

// indexPart is a hash table with linear probing.
type indexPart[T any] struct {
	tags  []uint32 // the hash's upper half, whose low bits say where it belongs
	items []*T
	n     int
}

const (
	indexParts = 128
	leastIndex = 8 // places; a power of two
)

func (x *index[T]) part(hash uint64) (p *indexPart[T], tag uint32) {
	return &x.parts[hash%indexParts], uint32(hash >> 32)
}

// find returns the entry under this hash that is the one; nil when there is
// none.
func (x *index[T]) find(hash uint64, isIt func(*T) bool) *T {
	p, tag := x.part(hash)
	if p.n == 0 {
		return nil
	}
	for i := p.home(tag); p.items[i] != nil; i = p.after(i) {
		if p.tags[i] == tag && isIt(p.items[i]) {
			return p.items[i]
		}
	}
	return nil
}

// put adds an entry that is not in the index.
func (x *index[T]) put(hash uint64, item *T) {
	p, tag := x.part(hash)
	if p.n >= len(p.items)/4*3 {
		p.resize(max(2*len(p.items), leastIndex))
	}
	p.put(tag, item)
	p.n++
	x.size++
}

// remove removes an entry that is in the index.
func (x *index[T]) remove(hash uint64, item *T) {
	p, tag := x.part(hash)
	i := p.home(tag)
	for p.items[i] != item {
		i = p.after(i)
	}
	// What was pushed past this place moves up, so that no search ends early.
	for j := p.after(i); p.items[j] != nil; j = p.after(j) {
		if p.distance(p.home(p.tags[j]), j) >= p.distance(i, j) {
			p.tags[i], p.items[i] = p.tags[j], p.items[j]
			i = j
		}
	}
	p.items[i] = nil
	p.n--
	x.size--
	if size := len(p.items); size > leastIndex && p.n < size/8 {
		p.resize(size / 2)
	}
}

func (p *indexPart[T]) home(tag uint32) int       { return int(tag) & (len(p.items) - 1) }
func (p *indexPart[T]) after(i int) int           { return (i + 1) & (len(p.items) - 1) }
func (p *indexPart[T]) distance(from, to int) int { return (to - from) & (len(p.items) - 1) }

func (p *indexPart[T]) put(tag uint32, item *T) {
	i := p.home(tag)
	for p.items[i] != nil {
		i = p.after(i)
	}
	p.tags[i], p.items[i] = tag, item
}

func (p *indexPart[T]) resize(size int) {
	tags, items := p.tags, p.items
	p.tags, p.items = make([]uint32, size), make([]*T, size)
	for i, item := range items {
		if item != nil {
			p.put(tags[i], item)
		}
	}
}

// hash is what the indexes of a Store file under.
func (s *Store) hash(text string) uint64 { return maphash.String(s.seed, text) }

// record returns the delivery with this id; nil when there is none.
func (s *Store) record(id string) *record {
	return s.records.find(s.hash(id), func(r *record) bool { return r.id == id })
}

// message returns the message with this id; nil when there is none.
func (s *Store) message(id string) *message {
	return s.messages.find(s.hash(id), func(m *message) bool { return m.m.ID == id })
}

// known returns what the queue knows of an endpoint; nil for nothing.
func (s *Store) known(endpointID string) *lanes {
	return s.lanes.find(s.hash(endpointID), func(l *lanes) bool { return l.id == endpointID })
}

// spot is where a delivery belongs.
type spot struct {
	lanes     *lanes // nil when nothing is known of its endpoint
	id, dedup uint64 // hashes; a Dedup is filed under its own and its endpoint's
}

func (s *Store) spot(d *webhook.Delivery) spot {
	at := spot{lanes: s.known(d.EndpointID), id: s.hash(d.ID)}
	if d.Dedup != "" {
		at.dedup = s.hash(d.Dedup)
	}
	return at
}

// at returns the delivery that is there in d's place; nil for none.
func (s *Store) at(at spot, d *webhook.Delivery) *record {
	if d.Dedup != "" && at.lanes != nil {
		r := s.dedups.find(at.dedup^at.lanes.hash, func(r *record) bool { return r.lane.owner == at.lanes && r.dedup() == d.Dedup })
		if r != nil {
			return r
		}
	}
	return s.records.find(at.id, func(r *record) bool { return r.id == d.ID })
}

// existing is at for those who do not add d.
func (s *Store) existing(d *webhook.Delivery) *record { return s.at(s.spot(d), d) }
