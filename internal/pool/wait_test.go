package pool_test

import (
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/internal/pool"
)

func TestAfterWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		p := pool.New(pool.Options{Next: q.next})
		p.Wait() // nothing was started
		q.add(func() { t.Error("a task ran after Wait") })
		p.Kick()
		if p.Go(func() { t.Error("a function ran after Wait") }) {
			t.Error("Go after Wait = true, want false")
		}
		p.Wait()
		synctest.Wait()
	})
}

// While Wait waits, the pool works on: a function that still runs may give
// work, and the work is done first.
func TestWaitDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		l := newLog()
		p := pool.New(pool.Options{Fast: 2, SlowAfter: time.Second, Next: q.next})
		p.Go(func() {
			q.add(sleep(l, 0))
			p.Kick()
			time.Sleep(time.Minute)
			q.add(sleep(l, time.Hour), sleep(l, time.Hour), sleep(l, time.Hour))
			p.Kick()
			if !p.Go(func() { l.now() }) {
				t.Error("Go while Wait waits = false, want true")
			}
		})
		synctest.Wait() // the first worker rests
		p.Wait()
		want := []time.Duration{0, time.Minute, time.Minute, time.Minute, time.Minute + time.Second}
		if got := l.got(); !slices.Equal(got, want) {
			t.Errorf("tasks began at %v, want %v", got, want)
		}
	})
}

// The timer ends with the pool: it is stopped, or its scan is over.
func TestTimerEndsWithWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		p := pool.New(pool.Options{Fast: 1, SlowAfter: time.Minute, Next: q.next})
		q.add(func() { time.Sleep(time.Second) })
		p.Kick()
		synctest.Wait()
		p.Kick() // no slot: the timer is set
		synctest.Wait()
		if !p.Armed() {
			t.Error("Armed() = false while work may wait, want true")
		}
		p.Wait()
		if p.Armed() {
			t.Error("Armed() = true after Wait, want false")
		}
	})
}

// The same on real time, where the scan and Wait may meet.
func TestTimerMeetsWait(t *testing.T) {
	for i := range 500 {
		var q queue
		p := pool.New(pool.Options{Fast: 1, SlowAfter: time.Duration(i) * time.Microsecond, Next: q.next})
		q.add(func() { time.Sleep(200 * time.Microsecond) }, func() {})
		p.Kick()
		p.Wait()
		if p.Armed() {
			t.Fatal("Armed() = true after Wait, want false")
		}
	}
}

func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 200 {
		var q queue
		p := pool.New(pool.Options{Fast: 8, Max: 32, SlowAfter: 50 * time.Microsecond, Next: q.next})
		for range 64 {
			q.add(func() { time.Sleep(100 * time.Microsecond) })
		}
		p.Kick()
		p.Wait()
	}
	// A goroutine is counted for an instant longer than it is waited for.
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, want %d as before", runtime.NumGoroutine(), before)
		}
	}
}
