package webhook

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outhook/outhook/retry"
)

// job is one delivery inside this process: waiting in a lane, or under way.
type job struct {
	owner  *Dispatcher
	d      *Delivery
	msg    *Message
	policy *retry.Policy
	target *target
	// For stored deliveries: the claim, and until when it is ours, by our own
	// clock and counted from before the claim was made.
	stored   bool
	unsent   bool // the last attempt broke off on our side, before a request
	trial    bool // its endpoint has not answered yet, or not the last time
	renewed  bool // a credential was refused, and dropped: try at once, this once
	token    int64
	leaseEnd time.Time
	born     time.Time // when the delivery was dispatched, by our clock
	lane     *lane
	next     *job

	// While it runs, guarded by the lanes' lock.
	before, after *job // in lanes.under
	cancel        context.CancelFunc
	round         int // of lanes.round, when it began
}

// jobs is a queue of jobs, linked through them.
type jobs struct {
	head, tail *job
	n          int
}

func (q *jobs) push(j *job) {
	j.next = nil
	if q.tail == nil {
		q.head = j
	} else {
		q.tail.next = j
	}
	q.tail = j
	q.n++
}

func (q *jobs) pushFront(j *job) {
	j.next = q.head
	q.head = j
	if q.tail == nil {
		q.tail = j
	}
	q.n++
}

func (q *jobs) pop() *job {
	j := q.head
	if j == nil {
		return nil
	}
	q.head = j.next
	if q.head == nil {
		q.tail = nil
	}
	j.next = nil
	q.n--
	return j
}

// lane is the line of one endpoint in this process. Its deliveries run side by
// side up to its window; those of one ordered key run one after another.
type lane struct {
	id       string
	waiting  jobs
	stored   int              // of waiting and behind
	volatile int              // of waiting and behind
	behind   map[string]*jobs // ordered deliveries behind one that runs, by key
	running  int
	// window is how many may run: one at first, more with each answer, fewer
	// with each timeout, at most limit.
	window, limit int
	// credit is how many claimed deliveries the lane may hold: more each time
	// it drained, none while it is stuck.
	credit   int
	progress time.Time // when a request last began or ended
	closed   bool      // the rate limit holds volatile deliveries back
	skipped  int       // lanes.looks of the last claim that skipped it
	proven   bool      // the receiver answered the last time
	// An open lane is in one of the rings.
	in         *ring
	prev, next *lane
	// A lane with claimed or running work is in the list of busy lanes.
	busy             bool
	busyPrev, busyUp *lane
}

func (l *lane) open() bool { return !l.closed && l.waiting.n > 0 && l.running < l.window }

// idle reports whether nothing is left to remember but what it has earned.
func (l *lane) idle() bool {
	return l.running == 0 && l.waiting.n == 0 && len(l.behind) == 0 && !l.closed && !l.busy
}

// stuck reports whether the lane has made no progress for a while although it
// has work: its receiver hangs.
func (l *lane) stuck(now time.Time, slow time.Duration) bool {
	return l.running >= l.window && now.Sub(l.progress) >= slow
}

const (
	firstCredit = 8
	maxCredit   = 1 << 14
	minLanes    = 4096 // before idle lanes are forgotten
)

// lanes holds the lanes of all endpoints that have work here, and turns them
// in a ring, so that no endpoint waits for another's backlog. Those whose
// receiver may hang have a ring of their own. One short lock guards them;
// nothing is done under it but moving pointers.
type lanes struct {
	mu       sync.Mutex
	byID     map[string]*lane
	proven   ring
	untried  ring
	turns    int         // counts what was taken
	urgent   atomic.Bool // see press
	stored   int         // claimed jobs that wait
	volatile int         // volatile jobs that wait
	running  int
	trials   int   // of running: those to endpoints that are not proven
	active   *lane // the first of the busy lanes
	under    *job  // the first of those that run
	round    int   // counts the interruptions
	closed   bool

	claiming bool // Run claims
	behind   bool // something that is due may wait in the store
	coming   int  // places of claimed jobs that are reserved
	hurried  bool // the end of Run waits no longer for these
	looks    int  // counts the claims
	skips    bool // the last claim skipped some lanes

	sweepAt int // the number of lanes at which idle ones are forgotten
	slow    time.Duration
	most    int           // claimed jobs that may wait without pressing
	fast    int           // jobs that run side by side where none hangs
	drained chan struct{} // told when running or stored fell; capacity 1
	// maxTrials bounds trials: however many receivers hang, proven lanes have
	// room to run.
	maxTrials int
}

func newLanes(c *Config) *lanes {
	return &lanes{
		byID: make(map[string]*lane), sweepAt: minLanes, slow: c.SlowAfter, most: c.ClaimBatch, fast: c.Concurrency, drained: make(chan struct{}, 1),
		maxTrials: c.MaxInFlight - min(c.Concurrency, c.MaxInFlight/2),
	}
}

func (ls *lanes) lane(id string, limit int) *lane {
	l := ls.byID[id]
	if l == nil {
		ls.sweep()
		l = &lane{id: id, window: 1, credit: firstCredit}
		ls.byID[id] = l
	}
	l.limit = limit
	l.window = min(l.window, limit)
	return l
}

// sweep forgets idle lanes once there are many. The cost is spread over the
// lanes that came since the last time.
func (ls *lanes) sweep() {
	if len(ls.byID) < ls.sweepAt {
		return
	}
	for id, l := range ls.byID {
		if l.idle() {
			delete(ls.byID, id)
		}
	}
	ls.sweepAt = max(minLanes, 2*len(ls.byID))
}

// makeReady puts l at the end of the ring if it may run something.
func (ls *lanes) makeReady(l *lane) {
	if l.in != nil || !l.open() {
		return
	}
	if l.proven {
		ls.proven.push(l)
	} else {
		ls.untried.push(l)
	}
	ls.press()
}

// close refuses further volatile jobs.
func (ls *lanes) close() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.closed = true
}

// add lets a volatile job wait; refused says why not. Its lane may be ready to run
// something: else its turn comes when what runs in it has ended.
func (ls *lanes) add(j *job, limit, perLane, total int) (ready bool, refused string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.closed {
		return false, reasonShutdown
	}
	l := ls.byID[j.d.EndpointID]
	if ls.volatile >= total || l != nil && l.volatile >= perLane {
		return false, reasonFull
	}
	l = ls.lane(j.d.EndpointID, limit)
	j.lane = l
	l.waiting.push(j)
	l.volatile++
	ls.volatile++
	ls.makeReady(l)
	return l.in != nil, ""
}

// accept lets claimed jobs wait, and returns those for which their lanes have
// no credit, those that are one too many of those that wait for a trial, and the
// most credit that one of their lanes has.
func (ls *lanes) accept(claimed []*job) (refused, crowded []*job, credit int) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	now := time.Now()
	for _, j := range claimed {
		l := ls.lane(j.d.EndpointID, j.target.limit)
		if !l.proven && ls.stored > ls.most && ls.trials+ls.stored >= ls.maxTrials {
			crowded = append(crowded, j)
			continue
		}
		if l.stored >= l.credit || l.stored > 0 && l.stuck(now, ls.slow) || ls.waits(l) {
			refused = append(refused, j)
			continue
		}
		ls.wait(l, j)
	}
	ls.press()
	return refused, crowded, mostCredit(claimed, len(refused) > 0)
}

// wait puts a claimed job into l.
func (ls *lanes) wait(l *lane, j *job) {
	j.lane = l
	l.waiting.push(j)
	l.stored++
	ls.stored++
	ls.mark(l)
	ls.makeReady(l)
}

// take returns the next job to run, or nil.
func (ls *lanes) take() *job {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for l := ls.nextLane(); l != nil; l = ls.nextLane() {
		if !l.open() {
			continue
		}
		j := ls.takeFrom(l)
		ls.makeReady(l)
		if j != nil {
			return j
		}
	}
	return nil
}

// takeFrom returns the first job of l whose order lets it run.
func (ls *lanes) takeFrom(l *lane) *job {
	for l.waiting.n > 0 {
		j := l.waiting.pop()
		if j.d.Ordered {
			if q, busy := l.behind[j.d.Key]; busy {
				q.push(j)
				continue
			}
			if l.behind == nil {
				l.behind = make(map[string]*jobs)
			}
			l.behind[j.d.Key] = &jobs{}
		}
		ls.left(j)
		j.trial = !l.proven
		l.running++
		l.progress = time.Now()
		ls.begin(j)
		ls.mark(l)
		return j
	}
	return nil
}

// left counts a job that waits no longer.
func (ls *lanes) left(j *job) {
	if !j.stored {
		j.lane.volatile--
		ls.volatile--
		return
	}
	ls.stored--
	j.lane.stored--
	if j.lane.stored == 0 || ls.stored%64 == 0 {
		ls.tell()
	}
}

// tell tells the claimer, if it left something in the store, or the end of Run,
// that the lanes drain.
func (ls *lanes) tell() {
	if ls.claiming && !ls.behind && !ls.skips {
		return
	}
	select {
	case ls.drained <- struct{}{}:
	default:
	}
}

// pace says what a request tells of its receiver's pace.
type pace uint8

const (
	unknownPace pace = iota + 1
	answered
	hung
)

// done counts a job that ran. It reports whether other work could begin now.
func (ls *lanes) done(j *job, p pace) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := j.lane
	l.running--
	l.progress = time.Now()
	ls.end(j)
	switch p {
	case answered:
		ls.prove(l, true)
		l.window = min(l.window*2, l.limit)
		if l.stored == 0 && j.stored {
			l.credit = min(l.credit*2, maxCredit)
		}
	case hung:
		ls.prove(l, false)
		l.window = max(l.window/2, 1)
		l.credit = 1
	case unknownPace:
	}
	if j.d.Ordered {
		ls.release(l, j.d.Key)
	}
	ls.mark(l)
	ls.makeReady(l)
	if ls.running == 0 {
		ls.tell()
	}
	return ls.more()
}

// release lets the next delivery of an ordered key wait at the front again.
func (ls *lanes) release(l *lane, key string) {
	q := l.behind[key]
	delete(l.behind, key)
	if q == nil {
		return
	}
	next := q.pop()
	if next == nil {
		return
	}
	rest := *q
	l.waiting.pushFront(next)
	// What is behind it goes right after it, in order.
	if rest.n > 0 {
		rest.tail.next = next.next
		next.next = rest.head
		if l.waiting.tail == next {
			l.waiting.tail = rest.tail
		}
		l.waiting.n += rest.n
	}
}
