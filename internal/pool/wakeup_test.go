package pool_test

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/internal/pool"
)

// Work that comes while all hang is begun when it comes, or as soon as a task
// is slow, and never later; the kick may come at any moment.
func TestNoWorkIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const fast, slow = 4, 10 * time.Millisecond
		var q queue
		var late atomic.Int64
		p := pool.New(pool.Options{Fast: fast, Max: 100_000, SlowAfter: slow, Next: q.next})
		rnd := rand.New(rand.NewPCG(1, 2))
		for range 5_000 {
			d := time.Duration(rnd.IntN(40)) * time.Millisecond
			added := time.Now()
			q.add(func() {
				if time.Since(added) > 0 {
					late.Add(1)
				}
				time.Sleep(d)
			})
			p.Kick()
			time.Sleep(time.Duration(rnd.IntN(3000)+5000) * time.Microsecond)
		}
		p.Wait()
		// A task comes each 6.5 ms and holds a slot for at most 10 ms, so that
		// at most 2 of the 4 slots are taken at a time.
		if got := late.Load(); got != 0 {
			t.Errorf("%d tasks began late, want none", got)
		}
	})
}

// A kick that comes just after a worker found nothing, and before it rests.
func TestKickBetweenLookAndRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		var ran atomic.Int64
		var p *pool.Pool
		var once sync.Once
		p = pool.New(pool.Options{Fast: 1, Next: func() pool.Task {
			found := q.next()
			if found == nil {
				once.Do(func() {
					var other sync.WaitGroup
					other.Go(func() {
						q.add(func() { ran.Add(1) })
						p.Kick()
					})
					other.Wait()
				})
			}
			return found
		}})
		p.Kick()
		synctest.Wait()
		if got := ran.Load(); got != 1 {
			t.Errorf("%d tasks ran, want 1", got)
		}
		p.Wait()
	})
}

// The same wherever the system stops a thread. Each producer waits for its task
// before it adds another, so that one lost wake-up stops it for good.
func TestNoWakeUpIsLost(t *testing.T) {
	// More threads than processors: the system then stops them anywhere.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	for _, tt := range []struct {
		name            string
		fast, producers int
	}{
		{name: "one slot, one producer", fast: 1, producers: 1},
		{name: "one slot, many producers", fast: 1, producers: 8},
		{name: "few slots, many producers", fast: 3, producers: 8},
		{name: "many slots", fast: 64, producers: 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var q queue
			p := pool.New(pool.Options{Fast: tt.fast, SlowAfter: time.Millisecond, Next: q.next})
			var wg sync.WaitGroup
			for range tt.producers {
				wg.Go(func() {
					done := make(chan struct{})
					task := func() { done <- struct{}{} }
					for i := range 10_000 {
						q.add(task)
						p.Kick()
						select {
						case <-done:
						case <-time.After(10 * time.Second):
							t.Errorf("task %d never ran", i)
							return
						}
					}
				})
			}
			wg.Wait()
			p.Wait()
		})
	}
}

// Everything at once, for the race detector: batches, slow tasks, tasks that
// kick, tasks that end their goroutine.
func TestEveryTaskRunsOnce(t *testing.T) {
	const producers, batches, batch = 4, 50, 20
	var q queue
	var ran, running, most atomic.Int64
	p := pool.New(pool.Options{Fast: 4, Max: 16, SlowAfter: 100 * time.Microsecond, Next: q.next})
	for k := range producers {
		p.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(k), 1))
			for range batches {
				for range batch {
					kind := rnd.IntN(100)
					q.add(func() {
						now := running.Add(1)
						defer running.Add(-1)
						for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
						}
						ran.Add(1)
						switch {
						case kind < 5:
							time.Sleep(time.Millisecond)
						case kind < 10:
							runtime.Goexit()
						case kind < 20:
							p.Kick()
						}
					})
				}
				p.Kick()
			}
		})
	}
	p.Wait()
	if got := ran.Load(); got != producers*batches*batch {
		t.Errorf("%d tasks ran, want %d", got, producers*batches*batch)
	}
	if got := most.Load(); got > 16 {
		t.Errorf("%d tasks ran at a time, want at most 16", got)
	}
}
