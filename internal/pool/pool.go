// Package pool starts the goroutines of the library: no other package has a go
// statement. It runs short tasks on reused workers and keeps tasks that turn
// out to be long from holding up the others.
//
// A worker needs one of a few fast slots to take work. A task that runs longer
// than SlowAfter while other work waits loses its slot, which is lent to
// another worker; the task itself runs on. So the number of tasks that make
// progress stays small, however many hang.
//
// A task on trial, of which nobody knows yet whether it will be long, has its
// slot lent sooner: at once when urgent work waits.
//
// A task costs a look at the clock and two atomic writes to memory of its own
// worker. The lock of the pool is taken when a worker starts, rests or ends,
// and when a slot changes hands; there is one timer, and it runs only while
// all slots are taken and work may wait.
package pool

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options says what a pool runs. Values below 1 mean the default.
type Options struct {
	// Fast is the number of slots for tasks that make progress.
	//
	// Defaults to 64. It is never more than Max.
	Fast int
	// Max is the number of tasks in flight in all, the slow ones included.
	//
	// Defaults to 4096.
	Max int
	// SlowAfter is how long a task may hold a slot while other work waits.
	//
	// Defaults to 100 ms.
	SlowAfter time.Duration
	// Next returns a task to run; nil means that there is none now. It is
	// needed. Workers call it concurrently. It must not block, and must not
	// call the pool.
	//
	// A task, and Next itself, must contain its own panics: the pool lets them
	// pass, and the process ends as with any goroutine. A task that ends its
	// goroutine by runtime.Goexit costs that worker alone.
	Next func() Task
	// Urgent reports whether work waits that must not wait for tasks on trial.
	// It is called like Next.
	//
	// Defaults to never.
	Urgent func() bool
}

// Task is what a pool runs once. It is an interface so that what has the
// method can be handed over as it is, without a closure around it.
type Task interface{ Run() }

// Trial is a Task that may be on trial.
type Trial interface {
	Task
	OnTrial() bool
}

// Pool runs tasks on reused goroutines. Its methods may be called concurrently,
// also from tasks, but for Wait.
type Pool struct {
	next  func() Task
	fast  int
	max   int
	slow  time.Duration
	epoch time.Time

	urgent func() bool
	trials atomic.Int64 // tasks on trial that hold a slot

	// kicks counts the calls of Kick. A worker that found nothing gives up its
	// slot first and then compares; Kick counts first and then looks for a free
	// slot. One of the two sees the other, so that no work is left alone.
	kicks atomic.Uint64
	// searching: a worker is on its way to Next and will wake the next one if
	// it finds something. While it is, Kick need not wake anyone.
	searching atomic.Bool
	full      atomic.Bool // no worker may start now
	armed     atomic.Bool // the timer is set or its scan is running

	mu      sync.Mutex // guards what follows, and writes to the three flags
	active  []*worker  // hold a slot
	onLoan  int        // run a task, without a slot
	resting []*worker  // wait for work, the warmest last; at most fast
	live    int        // goroutines, all kinds
	closing bool       // Wait was called
	timer   *time.Timer
	scanned sync.Cond // armed became false

	group errgroup.Group
}

// New returns a pool. It starts nothing.
func New(o Options) *Pool {
	if o.Fast < 1 {
		o.Fast = 64
	}
	if o.Max < 1 {
		o.Max = 4096
	}
	if o.SlowAfter < 1 {
		o.SlowAfter = 100 * time.Millisecond
	}
	p := &Pool{next: o.Next, fast: min(o.Fast, o.Max), max: o.Max, slow: o.SlowAfter, epoch: time.Now(), urgent: o.Urgent}
	p.scanned.L = &p.mu
	return p
}

// Kick says that there may be work. It sees to it that workers ask Next, as
// many as find something and have a slot. Work that Next could give out before
// Kick was called is never left alone while a slot is free; one Kick is enough
// for any amount of it. It never blocks, costs little while all are busy, and
// does nothing once Wait has returned.
func (p *Pool) Kick() {
	p.kicks.Add(1)
	p.wake()
}

// Go runs f, which lives as long as it likes, on a goroutine of its own. Wait
// waits for it. It returns false, and f is not run, once the pool has ended.
func (p *Pool) Go(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended() {
		return false
	}
	p.spawn(func() {
		defer func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.live--
		}()
		f()
	})
	return true
}

// Wait returns when every goroutine of the pool has ended: the functions given
// to Go have returned, Next has no more work, and its last task is done. Stop
// giving work first. From then on the pool is over. Wait must not be called
// from a task or from a function given to Go.
func (p *Pool) Wait() {
	p.mu.Lock()
	p.closing = true
	for _, w := range p.resting {
		w.done = true
		w.call <- struct{}{}
	}
	p.resting = nil
	p.mu.Unlock()

	_ = p.group.Wait() // its functions return no errors

	p.mu.Lock()
	defer p.mu.Unlock()
	for p.armed.Load() {
		if p.timer.Stop() {
			p.armed.Store(false)
			p.scanned.Broadcast() // another Wait
			break
		}
		p.scanned.Wait()
	}
}

// wake sends one worker to Next unless one is on its way. Without a free slot
// it sees to it that slow tasks lose theirs.
func (p *Pool) wake() {
	if p.searching.Load() || p.full.Load() && p.armed.Load() && !p.presses() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.search()
}

// search is wake with the lock held.
func (p *Pool) search() {
	switch {
	case p.searching.Load() || p.ended():
		return
	case p.full.Load() && !p.makeRoom():
		p.arm()
		return
	}
	p.searching.Store(true)
	if n := len(p.resting); n > 0 {
		w := p.resting[n-1]
		p.resting[n-1] = nil
		p.resting = p.resting[:n-1]
		w.searching = true
		p.take(w)
		w.call <- struct{}{} // has room: w rests, and was called once
		return
	}
	w := &worker{call: make(chan struct{}, 1), searching: true}
	p.take(w)
	p.spawn(func() { p.work(w) })
}

func (p *Pool) spawn(f func()) {
	p.live++
	p.group.Go(func() error {
		f()
		return nil
	})
}

// ended reports whether Wait was called and nothing is left to wait for. Until
// then a goroutine may still be added, as the group counts at least one.
func (p *Pool) ended() bool { return p.closing && p.live == 0 }

func (p *Pool) now() int64 { return int64(time.Since(p.epoch)) + 1 } // never 0
