package pool_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/internal/pool"
)

// trial is a task on trial.
type trial func()

func (t trial) Run()          { t() }
func (t trial) OnTrial() bool { return true }

// Urgent work takes the slots of tasks on trial at once, within Max, and those
// of others when they are slow.
func TestUrgentWorkDoesNotWaitForTrials(t *testing.T) {
	const s, slow = time.Second, 100 * time.Millisecond
	for _, tt := range []struct {
		name    string
		max     int
		onTrial bool
		urgent  bool
		want    []time.Duration // when the urgent tasks begin
	}{
		{name: "on trial", max: 100, onTrial: true, urgent: true, want: []time.Duration{0, 0, slow}},
		{name: "not urgent", max: 100, onTrial: true, want: []time.Duration{slow, slow, 2 * slow}},
		{name: "not on trial", max: 100, urgent: true, want: []time.Duration{slow, slow, 2 * slow}},
		{name: "at max", max: 3, onTrial: true, urgent: true, want: []time.Duration{0, s, s}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var q, hurry queue
				l := newLog()
				p := pool.New(pool.Options{
					Fast: 2, Max: tt.max, SlowAfter: slow,
					Next: func() pool.Task {
						if task := hurry.next(); task != nil {
							return task
						}
						next := q.next()
						if next == nil || !tt.onTrial {
							return next
						}
						return trial(next.Run)
					},
					Urgent: func() bool {
						hurry.mu.Lock()
						defer hurry.mu.Unlock()
						return tt.urgent && len(hurry.tasks) > 0
					},
				})
				q.add(func() { time.Sleep(s) }, func() { time.Sleep(s) })
				p.Kick()
				synctest.Wait()
				hurry.add(sleep(l, s), sleep(l, s), sleep(l, s))
				p.Kick()
				p.Wait()
				if got := l.got(); !slices.Equal(got, tt.want) {
					t.Errorf("urgent tasks began at %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// Where Max kept urgent work from the slots of tasks on trial, it gets one as
// soon as a task ends.
func TestUrgentWorkIsBegunWhenMaxLetsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const s, slow, short = time.Second, 100 * time.Millisecond, 50 * time.Millisecond
		var q, hurry queue
		l := newLog()
		p := pool.New(pool.Options{
			Fast: 2, Max: 3, SlowAfter: slow,
			Next: func() pool.Task {
				if task := hurry.next(); task != nil {
					return task
				}
				if next := q.next(); next != nil {
					return trial(next.Run)
				}
				return nil
			},
			Urgent: func() bool {
				hurry.mu.Lock()
				defer hurry.mu.Unlock()
				return len(hurry.tasks) > 0
			},
		})
		// Which of the two is lent first is left open.
		q.add(func() { time.Sleep(short) }, func() { time.Sleep(s) }, func() { time.Sleep(s) })
		p.Kick()
		synctest.Wait()
		hurry.add(sleep(l, s), sleep(l, s))
		p.Kick()
		p.Wait()
		if got, want := l.got(), []time.Duration{0, short}; !slices.Equal(got, want) {
			t.Errorf("urgent tasks began at %v, want %v", got, want)
		}
	})
}
