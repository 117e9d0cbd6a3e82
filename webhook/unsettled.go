package webhook

import (
	"slices"
	"sync"
	"time"
)

// outcome is a settlement on its way into the queue, with what the hooks are
// told once it is there.
type outcome struct {
	item     Settlement
	delivery *Delivery
	renewed  int       // how often the delivery was claimed anew meanwhile
	leaseEnd time.Time // of the latest of these claims
	over     bool      // it is in the store, or stale
}

// settles collects settlements: while one batch is being written, the next one
// gathers.
type settles struct {
	mu       sync.Mutex
	items    []outcome
	writing  []outcome
	lone     [][]outcome // items that are tried by themselves
	taken    int         // counts those that the store took
	waiting  bool        // for the store to come back
	starving bool        // the claimer waits for what is unsettled
	flushing bool
	flushed  chan struct{} // told when all is written; capacity 1
}

func newSettles() settles { return settles{flushed: make(chan struct{}, 1)} }

// maxSettle bounds one batch.
const maxSettle = 1000

// add collects out; true means that the caller has to see to the writing.
func (s *settles) add(out ...outcome) (begin bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.items = append(s.items, out...)
	begin = !s.flushing
	s.flushing = true
	return begin
}

func (s *settles) take() []outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, written := min(len(s.items), maxSettle), s.writing
	if n < len(s.items) {
		s.writing, s.items = s.items[:n:n], s.items[n:]
	} else {
		s.writing, s.items = s.items, reuse(written)
	}
	s.flushing = n > 0
	if n == 0 {
		s.waiting = false // what gathered meanwhile is written as well
		s.tell()
	}
	return s.writing
}

// reuse returns the memory of a batch that is written, for the next one to
// gather in. Nobody else holds it: see alone.
func reuse(written []outcome) []outcome {
	if cap(written) > 2*maxSettle {
		return nil
	}
	clear(written)
	return written[:0]
}

func (s *settles) tell() {
	select {
	case s.flushed <- struct{}{}:
	default:
	}
}

// leaves returns how much of the room for claimed deliveries is left by those
// that are unsettled. Where that is less than least, the claimer is told when
// they are written.
func (s *settles) leaves(room, least int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	room -= len(s.items) + len(s.writing) + len(s.lone)
	s.starving = room < least
	return room
}

// unsettled is how many claimed deliveries are done with, and not settled; stuck
// is what stuck reports.
func (s *settles) unsettled() (n int, stuck bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.items) + len(s.writing) + len(s.lone), s.waiting
}

// starved reports, once, whether the claimer waited for what is written now.
func (s *settles) starved() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.starving
	s.starving = false
	return was
}

// stuck reports whether the store refuses settlements. Nothing is claimed
// then: what is known of deliveries whose leases end must be stored first.
func (s *settles) stuck() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

func (s *settles) refused() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = true
}

// current returns the items of part as they are to be written now.
func (s *settles) current(part []outcome) []Settlement {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := make([]Settlement, len(part))
	for i := range part {
		items[i] = part[i].item
		// The attempt is of an earlier claim; that of the latest was not made.
		items[i].Unsent = items[i].Unsent || part[i].renewed > 0
	}
	return items
}

// wrote notes that the store took part, as items. It returns the indices of
// those that were stale because the delivery was claimed anew meanwhile: they
// are to be written again.
func (s *settles) wrote(part []outcome, items []Settlement, stale []int) (again []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken++
	for i := range part {
		part[i].over = true
	}
	for _, i := range stale {
		if i >= 0 && i < len(part) && part[i].item.Token != items[i].Token {
			part[i].over = false
			again = append(again, i)
		}
	}
	return again
}

// writes counts the writes that the store took.
func (s *settles) writes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

// renew reports whether it is known what became of a delivery whose lease
// ended and that was claimed anew: its outcome could not be stored in time.
// The knowledge is still true, and goes into the store under the new token.
func (s *settles) renew(dl *Delivery, token int64, leaseEnd time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, list := range slices.Concat([][]outcome{s.items, s.writing}, s.lone) {
		for i := range list {
			// Nobody else has claimed it in between: it has one attempt more.
			o := &list[i]
			if !o.over && o.item.ID == dl.ID && o.delivery.Attempts+o.renewed+1 == dl.Attempts {
				o.item.Token, o.leaseEnd = token, leaseEnd
				o.renewed++
				return true
			}
		}
	}
	return false
}

// ending returns the lease of a delivery that was claimed anew, if it ends
// within margin.
func (s *settles) ending(o *outcome, margin time.Duration) (l Lease, ending bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Lease{ID: o.item.ID, Token: o.item.Token}, o.renewed > 0 && time.Until(o.leaseEnd) < margin
}

// extended notes that the lease l of o lasts longer.
func (s *settles) extended(o *outcome, l Lease, leaseEnd time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.item.Token == l.Token {
		o.leaseEnd = leaseEnd
	}
}

// alone notes that out, of the batch that is being written, is tried by itself.
// It returns what to try: a copy, since the batch's memory is used again.
func (s *settles) alone(out []outcome) []outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := slices.Clone(out)
	for i := range out {
		out[i].over = true // for renew: it is not in the batch any more
	}
	s.lone = append(s.lone, own)
	return own
}

// gaveUp notes that out is tried no longer.
func (s *settles) gaveUp(out []outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lone = slices.DeleteFunc(s.lone, func(l []outcome) bool { return &l[0] == &out[0] })
	s.tell()
}

func (s *settles) empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.flushing && len(s.lone) == 0
}
