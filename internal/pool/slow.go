package pool

import (
	"slices"
	"time"
)

// arm sets the timer for the moment when the oldest task becomes slow, unless
// it is set or no task holds a slot. The caller holds the lock and found the
// pool full.
func (p *Pool) arm() {
	if p.armed.Load() || len(p.active) == 0 {
		return
	}
	now := p.now()
	oldest := now
	for _, w := range p.active {
		if began := w.began.Load(); began > 0 {
			oldest = min(oldest, began)
		}
	}
	wait := max(p.slow-time.Duration(now-oldest), 0)
	p.armed.Store(true)
	if p.timer == nil {
		p.timer = time.AfterFunc(wait, p.scan)
		return
	}
	p.timer.Reset(wait)
}

// scan lends the slots of slow tasks to other workers.
func (p *Pool) scan() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed.Store(false)
	defer p.scanned.Broadcast()
	if !p.full.Load() {
		return // a worker found nothing and rests: no work waits
	}
	// The clock is read before began: a task that began after a look at the
	// worker began later than now, and cannot be taken for the one before.
	now := p.now()
	for _, w := range slices.Backward(p.active) {
		began := w.began.Load()
		if began > 0 && now-began >= int64(p.slow) && w.began.CompareAndSwap(began, lent) {
			p.drop(w) // the last one, which has been looked at, takes its place
			w.loan = true
			p.onLoan++
		}
	}
	p.count()
	p.search()
}
