package memstore

import (
	"hash/maphash"

	"github.com/outhook/outhook/webhook"
)

// index finds what a Store holds by a hash of its name. For a number it takes
// 8 bytes a place where a Go map with a string for its key takes 25, and gives
// memory back as its entries leave, which a Go map does not. It is made of
// parts, so that growing and shrinking are short steps however much there is.
type index[T comparable] struct {
	parts [indexParts]indexPart[T]
	size  int
}

// indexPart is a hash table with linear probing.
type indexPart[T comparable] struct {
	places []indexPlace[T]
	n      int
}

// indexPlace is empty while its item is zero.
type indexPlace[T comparable] struct {
	tag  uint32 // the hash's upper half, whose low bits say where it belongs
	item T
}

func (p *indexPlace[T]) empty() bool {
	var none T
	return p.item == none
}

const (
	indexParts = 128
	leastIndex = 8 // places; a power of two
)

func (x *index[T]) part(hash uint64) (p *indexPart[T], tag uint32) {
	return &x.parts[hash%indexParts], uint32(hash >> 32)
}

// find returns the entry under this hash that is the one; zero when there is
// none.
func (x *index[T]) find(hash uint64, isIt func(T) bool) T {
	p, tag := x.part(hash)
	var none T
	if p.n == 0 {
		return none
	}
	for i := p.home(tag); !p.places[i].empty(); i = p.after(i) {
		if at := &p.places[i]; at.tag == tag && isIt(at.item) {
			return at.item
		}
	}
	return none
}

// put adds an entry that is not in the index.
func (x *index[T]) put(hash uint64, item T) {
	p, tag := x.part(hash)
	if p.n >= len(p.places)/4*3 {
		p.resize(max(2*len(p.places), leastIndex))
	}
	p.put(indexPlace[T]{tag: tag, item: item})
	p.n++
	x.size++
}

// remove removes an entry that is in the index.
func (x *index[T]) remove(hash uint64, item T) {
	p, tag := x.part(hash)
	i := p.home(tag)
	for p.places[i].item != item {
		i = p.after(i)
	}
	// What was pushed past this place moves up, so that no search ends early.
	for j := p.after(i); !p.places[j].empty(); j = p.after(j) {
		if p.distance(p.home(p.places[j].tag), j) >= p.distance(i, j) {
			p.places[i] = p.places[j]
			i = j
		}
	}
	p.places[i] = indexPlace[T]{}
	p.n--
	x.size--
	if size := len(p.places); size > leastIndex && p.n < size/8 {
		p.resize(size / 2)
	}
}

func (p *indexPart[T]) home(tag uint32) int       { return int(tag) & (len(p.places) - 1) }
func (p *indexPart[T]) after(i int) int           { return (i + 1) & (len(p.places) - 1) }
func (p *indexPart[T]) distance(from, to int) int { return (to - from) & (len(p.places) - 1) }

func (p *indexPart[T]) put(entry indexPlace[T]) {
	i := p.home(entry.tag)
	for !p.places[i].empty() {
		i = p.after(i)
	}
	p.places[i] = entry
}

func (p *indexPart[T]) resize(size int) {
	old := p.places
	p.places = make([]indexPlace[T], size)
	for i := range old {
		if !old[i].empty() {
			p.put(old[i])
		}
	}
}

// hash is what the indexes of a Store file under.
func (s *Store) hash(text string) uint64 { return maphash.String(s.seed, text) }

// number returns that of the delivery with this id; zero when there is none.
func (s *Store) number(id string) uint32 {
	return s.byID.find(s.hash(id), func(n uint32) bool { return s.records.at(n).id == id })
}

// record returns the delivery with this id; nil when there is none.
func (s *Store) record(id string) *record { return s.numbered(s.number(id)) }

// numbered returns the delivery with this number; nil for zero.
func (s *Store) numbered(n uint32) *record {
	if n == 0 {
		return nil
	}
	return s.records.at(n)
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
		n := s.byDedup.find(at.dedup^at.lanes.hash, func(n uint32) bool {
			r := s.records.at(n)
			return r.lane.owner == at.lanes && r.dedup() == d.Dedup
		})
		if n != 0 {
			return s.records.at(n)
		}
	}
	return s.numbered(s.byID.find(at.id, func(n uint32) bool { return s.records.at(n).id == d.ID }))
}

// existing is at for those who do not add d.
func (s *Store) existing(d *webhook.Delivery) *record { return s.at(s.spot(d), d) }
