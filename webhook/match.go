package webhook

import (
	"context"
	"hash/maphash"
	"math/bits"
	"slices"
	"time"
)

// match asks for the endpoints. It tells how long that took, of a store that
// may have made it wait.
func (d *Dispatcher) match(ctx context.Context, m Matcher, q Query) (found []*Endpoint, spent time.Duration, err error) {
	if _, ok := m.(Immediate); !ok {
		start := time.Now()
		defer func() { spent = time.Since(start) }()
		var cancel context.CancelFunc
		ctx, cancel = d.bound(ctx)
		defer cancel()
	}
	err = d.contain(ctx, "store", func() (err error) {
		found, err = m.Match(ctx, q)
		return err
	})
	return found, 0, err
}

// wanting returns those of found that want the event, each once: a store may
// return more.
func wanting(found []*Endpoint, q Query) []*Endpoint {
	seen := idSet{}
	if len(found) > 1 {
		seen = newIDSet(len(found))
	}
	wanted := func(i int) bool {
		return found[i] != nil && found[i].Matches(q) && (len(found) == 1 || seen.add(found, i))
	}
	n := 0
	for n < len(found) && wanted(n) {
		n++
	}
	if n == len(found) {
		return found // as a good store returns them
	}
	out := slices.Clone(found[:n])
	for i := n + 1; i < len(found); i++ {
		if wanted(i) {
			out = append(out, found[i])
		}
	}
	return out
}

// idSet is a set of endpoints, by their ids, in a hash table with linear
// probing: an event may match many thousands.
type idSet struct {
	seed  maphash.Seed
	slots []int32 // one more than an index; 0 is a free place
}

func newIDSet(n int) idSet {
	return idSet{seed: maphash.MakeSeed(), slots: make([]int32, 2<<bits.Len(uint(n)))}
}

// add adds all[i]. It returns false where one with its id is there already.
func (s *idSet) add(all []*Endpoint, i int) bool {
	mask := len(s.slots) - 1
	at := int(maphash.String(s.seed, all[i].ID)) & mask //nolint:gosec // any bits will do
	for ; s.slots[at] != 0; at = (at + 1) & mask {
		if all[s.slots[at]-1].ID == all[i].ID {
			return false
		}
	}
	s.slots[at] = int32(i) + 1 //nolint:gosec // bounded by memory
	return true
}
