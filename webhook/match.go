package webhook

import (
	"context"
	"errors"
	"hash/maphash"
	"math/bits"
	"reflect"
	"slices"
	"time"
)

// match asks for the endpoints. It adds to w how long that took, of a store that
// may have made it wait.
func (d *Dispatcher) match(ctx context.Context, w *work, m Matcher, q Query) (found []*Endpoint, err error) {
	if _, ok := m.(Immediate); !ok {
		start := time.Now()
		defer func() { w.spent += time.Since(start) }()
		var cancel context.CancelFunc
		ctx, cancel = d.boundRest(ctx, w.spent)
		defer cancel()
	}
	err = d.contain(ctx, "store", func() (err error) {
		found, err = m.Match(ctx, q)
		return err
	})
	return found, err
}

// recaller returns the store that holds both the endpoints and the deliveries and
// remembers what it matched; nil for others.
func recaller(cfg *Config) Recaller { //nolint:ireturn // a store of whatever kind
	r, ok := cfg.Queue.(Recaller)
	if !ok || !reflect.ValueOf(cfg.Queue).Comparable() || any(cfg.Queue) != any(cfg.Endpoints) {
		return nil
	}
	return r
}

// recall sets w's endpoints to what the store remembers for q, if all that it
// leads to is stored: then the store checks it in the same step.
func (d *Dispatcher) recall(ctx context.Context, w *work, q Query) bool {
	var found []*Endpoint
	var check any
	err := d.contain(ctx, "store", func() error {
		found, check = d.recaller.Recall(d.cfg.Queue, q)
		return nil
	})
	if err != nil || check == nil {
		return false
	}
	w.endpoints = wanting(found, q)
	if n := len(w.endpoints); n == 0 || n > d.cfg.MaxFanOut || !d.allStored(w.endpoints) {
		return false
	}
	w.recalled = check
	return true
}

// writeRecalled is dispatch by what the store remembers. done is false where that
// came to nothing, and it must be asked.
func (d *Dispatcher) writeRecalled(ctx context.Context, w *work, q Query) (r Receipt, done bool, err error) {
	if d.recaller == nil || !d.recall(ctx, w, q) {
		return Receipt{}, false, nil
	}
	d.targets.note(w.endpoints) // forgets at most; what is stored may be sent at once
	r, err = d.write(ctx, w, nil)
	if w.stored && !errors.Is(err, ErrOutdated) {
		return r, true, err
	}
	w.recalled, w.addressed = nil, addressed{}
	return Receipt{}, false, nil
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
