package pool

import "sync/atomic"

// worker is one goroutine that runs tasks.
type worker struct {
	// began is when the running task began, by the clock of the pool; 0 between
	// tasks; lent when the task has lost its slot.
	began atomic.Int64
	trial atomic.Bool   // the running task is on trial, and holds a slot
	call  chan struct{} // ends a rest; one call fits

	searching bool // written before the worker is called, then its own
	done      bool // likewise; the worker ends because it has to

	place int  // index in Pool.active; guarded by Pool.mu, as are these:
	slot  bool // stands in Pool.active
	loan  bool // counts in Pool.onLoan
}

const lent = -1

// work runs tasks until the pool closes or there is no slot. Its goroutine is
// reused for as long as possible: the stack that an HTTP exchange needs is grown
// by copying, again in each new goroutine. Measured with BenchmarkHTTP, workers
// that end instead of resting cost 10 allocations more per post with one post in
// flight (81, not 71), and 4 more with 16 or 64.
func (p *Pool) work(w *worker) {
	defer p.leave(w)
	for {
		kicks := p.kicks.Load()
		task := p.next()
		if task == nil {
			if !p.rest(w, kicks) {
				return
			}
			continue
		}
		if t, ok := task.(Trial); ok && t.OnTrial() {
			w.trial.Store(true)
			p.trials.Add(1)
		}
		began := p.now()
		w.began.Store(began)
		if w.searching {
			// Where one task was there may be more: send the next one before
			// this one is lost in its task.
			w.searching = false
			p.searching.Store(false)
			p.wake()
		}
		task.Run()
		p.tried(w)
		if !w.began.CompareAndSwap(began, 0) && !p.regain(w) {
			return
		}
	}
}

// rest gives up the slot of a worker that found nothing and returns when there
// may be work again and the worker has a slot; false means the end. kicks is
// the count from before the worker looked.
func (p *Pool) rest(w *worker, kicks uint64) bool {
	p.mu.Lock()
	p.drop(w)
	if w.searching {
		p.searching.Store(false)
	}
	if p.kicks.Load() != kicks {
		if w.searching {
			p.searching.Store(true)
		}
		p.take(w)
		p.mu.Unlock()
		return true
	}
	w.searching = false
	if p.closing || len(p.resting) >= p.fast {
		w.done = true
		p.mu.Unlock()
		return false
	}
	p.resting = append(p.resting, w)
	p.mu.Unlock()
	<-w.call
	return !w.done
}

// regain ends the loan of a worker whose slow task is done and takes a slot;
// false when there is none, and the worker has to end.
func (p *Pool) regain(w *worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.began.Store(0)
	p.drop(w)
	if p.full.Load() {
		w.done = true
		// Fewer run than before: where Max had made loans useless, they may
		// help again.
		p.search()
		return false
	}
	p.take(w)
	return true
}

// leave is the last act of a worker. One that is not done was ended by its task
// (runtime.Goexit, or a panic that is about to end the process); it gives back
// what it holds and sends another.
func (p *Pool) leave(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !w.done {
		p.tried(w)
		p.drop(w)
		if w.searching {
			p.searching.Store(false)
		}
		p.search()
	}
	p.live--
}

// take gives w a slot. There must be one.
func (p *Pool) take(w *worker) {
	w.slot, w.place = true, len(p.active)
	p.active = append(p.active, w)
	p.count()
}

// drop takes from w its slot or its loan, if it has one.
func (p *Pool) drop(w *worker) {
	if w.slot {
		last := p.active[len(p.active)-1]
		p.active[w.place], last.place = last, w.place
		p.active[len(p.active)-1] = nil
		p.active = p.active[:len(p.active)-1]
	}
	if w.loan {
		p.onLoan--
	}
	w.slot, w.loan = false, false
	p.count()
}

func (p *Pool) count() {
	p.full.Store(len(p.active) >= p.fast || len(p.active)+p.onLoan >= p.max)
}
