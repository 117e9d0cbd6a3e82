package webhook

// ring is a queue of open lanes.
type ring struct{ head, tail *lane }

func (r *ring) push(l *lane) {
	l.ready, l.next = true, nil
	if r.tail == nil {
		r.head = l
	} else {
		r.tail.next = l
	}
	r.tail = l
}

func (r *ring) pop() *lane {
	l := r.head
	if l == nil {
		return nil
	}
	r.head = l.next
	if r.head == nil {
		r.tail = nil
	}
	l.ready, l.next = false, nil
	return l
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
	l := first.pop()
	if l == nil {
		l = second.pop()
	}
	ls.press()
	return l
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
