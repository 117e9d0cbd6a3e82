package webhook

// claims says whether Run claims.
func (ls *lanes) claims(yes bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.claiming, ls.behind = yes, true
	ls.hurried = ls.hurried && !yes
}

// saw notes whether a claim brought all that was due.
func (ls *lanes) saw(all bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.behind = !all
}

// leave notes that Dispatch left something to be claimed. Nothing overtakes it
// until a claim has brought all that was due: the one that is under way, which may
// have missed it, or the next. To wait for the next would be to take nothing any
// more where events come faster than claims.
func (ls *lanes) leave() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.behind = true
}

// reserve appends to wanted the indices of those of ds that could be sent as
// soon as they are stored, and keeps places for them. There are none while
// something that is due waits in the store: that is first. What could not begin
// at once is for whoever has room for it.
func (ls *lanes) reserve(wanted []int, ds []Delivery, unsettled int, fits func(index int) bool) []int {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if !ls.claiming || ls.behind {
		return wanted
	}
	waiting := ls.stored + ls.coming
	room := min(ls.fast-(ls.running-ls.trials)-ls.volatile-waiting, ls.most-waiting-unsettled)
	for i := range ds[:min(len(ds), manyLooks)] {
		if room <= 0 {
			break
		}
		if l := ls.byID[ds[i].EndpointID]; l != nil && l.free() && l.skipped != ls.looks && fits(i) {
			wanted = append(wanted, i)
			room--
			ls.coming++
		}
	}
	return wanted
}

// manyLooks bounds the time for which reserve holds the lock.
const manyLooks = 1000

// free reports whether the receiver of l answers, and a request to it could begin.
func (l *lane) free() bool {
	return l.proven && !l.closed && l.running+l.waiting.n < l.window
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
	if ls.coming -= places; places > 0 && ls.coming == 0 {
		ls.tell()
	}
}
