package webhook

import "context"

// mark puts l into the list of busy lanes, or takes it out.
func (ls *lanes) mark(l *lane) {
	busy := l.stored > 0 || l.running > 0
	if busy == l.busy {
		return
	}
	l.busy = busy
	if busy {
		l.busyPrev, l.busyUp = nil, ls.active
		if ls.active != nil {
			ls.active.busyPrev = l
		}
		ls.active = l
		return
	}
	if l.busyPrev != nil {
		l.busyPrev.busyUp = l.busyUp
	} else {
		ls.active = l.busyUp
	}
	if l.busyUp != nil {
		l.busyUp.busyPrev = l.busyPrev
	}
	l.busyPrev, l.busyUp = nil, nil
}

// begin notes that j runs.
func (ls *lanes) begin(j *job) {
	ls.running++
	if j.trial {
		ls.trials++
	}
	j.round, j.cancel = ls.round, nil
	j.before, j.after = nil, ls.under
	if ls.under != nil {
		ls.under.before = j
	}
	ls.under = j
}

// end notes that j runs no more.
func (ls *lanes) end(j *job) {
	ls.running--
	if j.trial {
		ls.trials--
	}
	if j.before != nil {
		j.before.after = j.after
	} else {
		ls.under = j.after
	}
	if j.after != nil {
		j.after.before = j.before
	}
	j.before, j.after, j.cancel = nil, nil, nil
}

// arm lets interrupt end the request of a running job by cancel. A context
// that all requests have in common would do the same, at the price of a lock
// and a map that all of them share.
func (ls *lanes) arm(j *job, cancel context.CancelFunc) {
	ls.mu.Lock()
	j.cancel = cancel
	late := j.round != ls.round
	ls.mu.Unlock()
	if late {
		cancel()
	}
}

// interrupt cancels every request that is under way or about to begin.
func (ls *lanes) interrupt() {
	ls.mu.Lock()
	ls.round++
	ls.hurried = true
	ls.tell()
	var cancels []context.CancelFunc
	for j := ls.under; j != nil; j = j.after {
		if j.cancel != nil {
			cancels = append(cancels, j.cancel)
		}
	}
	ls.mu.Unlock()
	for _, cancel := range cancels {
		cancel()
	}
}
