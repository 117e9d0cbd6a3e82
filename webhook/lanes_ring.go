package webhook

// ring is a queue of open lanes.
type ring struct{ head, tail *lane }

func (r *ring) push(l *lane) {
	l.in, l.prev, l.next = r, r.tail, nil
	if r.tail == nil {
		r.head = l
	} else {
		r.tail.next = l
	}
	r.tail = l
}

func (r *ring) pop() *lane {
	l := r.head
	if l != nil {
		r.remove(l)
	}
	return l
}

func (r *ring) remove(l *lane) {
	if l.prev == nil {
		r.head = l.next
	} else {
		l.prev.next = l.next
	}
	if l.next == nil {
		r.tail = l.prev
	} else {
		l.next.prev = l.prev
	}
	l.in, l.prev, l.next = nil, nil, nil
}

// untriedTurn: of so many turns one goes to the lanes that are not proven,
// also while others wait.
const untriedTurn = 4

// nextLane returns the lane whose turn it is.
func (ls *lanes) nextLane() *lane {
	ls.turns++
	first, second := &ls.proven, &ls.untried
	if ls.turns%untriedTurn == 0 {
		first, second = second, first
	}
	l := ls.nextOf(first)
	if l == nil {
		l = ls.nextOf(second)
	}
	ls.press()
	return l
}

func (ls *lanes) nextOf(r *ring) *lane {
	if r == &ls.untried && ls.trials >= ls.maxTrials {
		return nil
	}
	return r.pop()
}

// more reports whether there is a lane whose turn it could be.
func (ls *lanes) more() bool {
	return ls.proven.head != nil || ls.untried.head != nil && ls.trials < ls.maxTrials
}

// prove notes whether the receiver of l answered the last time.
func (ls *lanes) prove(l *lane, answered bool) {
	if l.proven == answered {
		return
	}
	l.proven = answered
	if l.in != nil {
		l.in.remove(l) // into the other one, by makeReady
	}
}

// press notes whether work must not wait for requests on trial: that of proven
// lanes, and so much that nothing else is claimed.
func (ls *lanes) press() {
	if urgent := ls.proven.head != nil || ls.stored > ls.most; ls.urgent.Load() != urgent {
		ls.urgent.Store(urgent)
	}
}

// waits reports whether further claimed jobs of l are to wait in the store:
// when half of the room is taken, nothing waits behind a request on trial.
func (ls *lanes) waits(l *lane) bool {
	return !l.proven && l.running+l.stored >= l.window && ls.stored > ls.most
}
