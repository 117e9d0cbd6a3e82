package webhook

import "time"

// room is how many claimed jobs may still be taken in, and which endpoints
// must not be claimed for now, in skip's memory.
func (ls *lanes) room(capacity int, skip []string) (int, []string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	now := time.Now()
	skip = skip[:0]
	ls.looks++
	for l := ls.active; l != nil; l = l.busyUp {
		if l.stored*2 > l.credit || l.running > 0 && l.stuck(now, ls.slow) || ls.waits(l) {
			skip = append(skip, l.id)
			l.skipped = ls.looks
		}
	}
	ls.skips = len(skip) > 0
	return capacity - ls.stored - ls.coming, skip
}

// mostCredit returns that of the lanes of jobs that were let in. Where all of
// them went elsewhere, and none for want of credit, nothing is known of it.
func mostCredit(jobs []*job, refused bool) int {
	credit := 0
	for _, j := range jobs {
		if j.lane != nil {
			credit = max(credit, j.lane.credit)
		}
	}
	if credit == 0 && !refused {
		return maxCredit
	}
	return credit
}

// shed takes claimed jobs out of the lanes that pick chooses.
func (ls *lanes) shed(pick func(*lane) bool) (out []*job) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for l := ls.active; l != nil; {
		next := l.busyUp
		if l.stored > 0 && pick(l) {
			out = ls.shedLane(l, out)
		}
		l = next
	}
	return out
}

// shedLaneOf takes the claimed jobs of one endpoint.
func (ls *lanes) shedLaneOf(id string) (out []*job) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l := ls.byID[id]; l != nil && l.stored > 0 {
		out = ls.shedLane(l, nil)
	}
	return out
}

func (ls *lanes) shedLane(l *lane, out []*job) []*job {
	out = ls.shedQueue(&l.waiting, out)
	for _, q := range l.behind {
		out = ls.shedQueue(q, out)
	}
	ls.mark(l)
	return out
}

func (ls *lanes) shedQueue(q *jobs, out []*job) []*job {
	var keep jobs
	for j := q.pop(); j != nil; j = q.pop() {
		if j.stored {
			ls.stored--
			j.lane.stored--
			out = append(out, j)
		} else {
			keep.push(j)
		}
	}
	*q = keep
	return out
}

// shedStuck takes the claimed jobs of lanes whose receivers hang.
func (ls *lanes) shedStuck() []*job {
	now := time.Now()
	return ls.shed(func(l *lane) bool {
		if l.running > 0 && l.stuck(now, ls.slow) {
			l.credit = 1
			return true
		}
		return false
	})
}

// shedAll takes all claimed jobs.
func (ls *lanes) shedAll() []*job { return ls.shed(func(*lane) bool { return true }) }

// dropVolatile takes all volatile jobs that wait.
func (ls *lanes) dropVolatile() (out []*job) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, l := range ls.byID {
		for _, q := range append([]*jobs{&l.waiting}, queues(l.behind)...) {
			var keep jobs
			for j := q.pop(); j != nil; j = q.pop() {
				if j.stored {
					keep.push(j)
				} else {
					l.volatile--
					ls.volatile--
					out = append(out, j)
				}
			}
			*q = keep
		}
	}
	return out
}

func queues(m map[string]*jobs) []*jobs {
	var out []*jobs
	for _, q := range m {
		out = append(out, q)
	}
	return out
}

// postpone puts a volatile job back to the front of its lane and closes the
// lane until reopen is called.
func (ls *lanes) postpone(j *job) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := j.lane
	l.running--
	ls.end(j)
	ls.mark(l)
	if j.d.Ordered {
		ls.release(l, j.d.Key)
	}
	l.waiting.pushFront(j)
	l.volatile++
	ls.volatile++
	l.closed = true
}

func (ls *lanes) reopen(l *lane) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.closed = false
	ls.makeReady(l)
}

// busy reports how much waits, or is about to, and runs. What is about to is given
// back unsent: nobody waits for it who has no time.
func (ls *lanes) busy() (waiting, running int) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	waiting = ls.stored + ls.volatile
	if !ls.hurried {
		waiting += ls.coming
	}
	return waiting, ls.running
}
