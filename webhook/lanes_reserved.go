package webhook

import "time"

// claims says whether Run claims.
func (ls *lanes) claims(yes bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.claiming, ls.behind = yes, true
}

// saw notes whether a claim brought all that was due, but for what Dispatch left
// since it began: room said how much that was.
func (ls *lanes) saw(all bool, stays int) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.behind = !all || ls.stays != stays
}

// leave notes that Dispatch left something to be claimed: until it is, nothing
// overtakes it.
func (ls *lanes) leave() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.stays++
	ls.behind = true
}

// reserve appends to wanted the indices of those of ds that could be sent as
// soon as they are stored, and keeps places for them. There are none while
// something waits in the store, or if half of the room for claimed jobs is taken
// by them and what is unsettled: the rest is for what other claims bring.
func (ls *lanes) reserve(wanted []int, ds []Delivery, unsettled int, fits func(*Delivery) bool) []int {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if !ls.claiming || ls.behind {
		return wanted
	}
	room := ls.most - ls.stored - ls.coming - unsettled
	for i := range ds[:min(len(ds), 4*ls.most)] {
		if room <= 0 {
			break
		}
		if l := ls.byID[ds[i].EndpointID]; l != nil && ls.ready(l) && fits(&ds[i]) {
			wanted = append(wanted, i)
			room--
			ls.coming++
		}
	}
	return wanted
}

// ready reports whether a claim would not skip l, nor did the last one, and its
// receiver answers.
func (ls *lanes) ready(l *lane) bool {
	return l.proven && l.skipped != ls.looks && 2*l.stored <= l.credit &&
		(l.running < l.window || !l.stuck(time.Now(), ls.slow))
}

// welcome lets jobs wait for which places were reserved, so many in all. False
// means that Run has ended, and that they must be let go of before forgo.
func (ls *lanes) welcome(js []*job, places int) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if !ls.claiming {
		return false
	}
	ls.coming -= places
	for _, j := range js {
		ls.wait(ls.lane(j.d.EndpointID, j.target.limit), j)
	}
	ls.press()
	return true
}

// forgo gives reserved places back.
func (ls *lanes) forgo(places int) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.coming -= places; ls.coming == 0 {
		ls.tell()
	}
}
