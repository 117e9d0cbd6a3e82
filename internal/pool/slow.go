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
			p.lend(w) // the last one, which has been looked at, takes its place
		}
	}
	p.count()
	p.search()
}

// presses reports whether urgent work waits and a task on trial holds a slot.
func (p *Pool) presses() bool { return p.trials.Load() > 0 && p.urgent != nil && p.urgent() }

// makeRoom lends the slot of a task on trial where urgent work waits. It
// reports whether there is a slot now.
func (p *Pool) makeRoom() bool {
	if !p.presses() || len(p.active)+p.onLoan >= p.max {
		return false
	}
	for _, w := range p.active {
		// Read before trial, which is written before it.
		began := w.began.Load()
		if began > 0 && w.trial.Load() && w.began.CompareAndSwap(began, lent) {
			p.lend(w)
			p.count()
			return true
		}
	}
	return false
}

// lend takes the slot of w, whose task runs on.
func (p *Pool) lend(w *worker) {
	p.drop(w)
	w.loan = true
	p.onLoan++
	p.tried(w)
}

// tried notes that a task on trial is done, or holds no slot.
func (p *Pool) tried(w *worker) {
	if w.trial.Load() && w.trial.Swap(false) {
		p.trials.Add(-1)
	}
}
