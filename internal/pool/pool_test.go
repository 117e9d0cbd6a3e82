package pool_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/internal/pool"
)

// task is a task that is a function.
type task func()

func (t task) Run() { t() }

// queue is the simplest source of tasks.
type queue struct {
	mu    sync.Mutex
	tasks []func()
}

func (q *queue) add(tasks ...func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tasks = append(q.tasks, tasks...)
}

func (q *queue) next() pool.Task {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.tasks) == 0 {
		return nil
	}
	f := q.tasks[0]
	q.tasks[0] = nil
	q.tasks = q.tasks[1:]
	return task(f)
}

// log records when things happened, in the time of the bubble.
type log struct {
	mu    sync.Mutex
	epoch time.Time
	at    []time.Duration
}

func newLog() *log { return &log{epoch: time.Now()} }

func (l *log) now() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = append(l.at, time.Since(l.epoch))
}

func (l *log) got() []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(slices.Values(l.at))
}

func sleep(l *log, d time.Duration) func() {
	return func() {
		l.now()
		time.Sleep(d)
	}
}

func TestWhenTasksStart(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	for _, tt := range []struct {
		name    string
		options pool.Options
		tasks   []time.Duration // how long each runs, in the order of the queue
		want    []time.Duration // when they begin
		end     time.Duration
	}{
		{name: "nothing"},
		{
			name:    "one kick starts as many as there are slots",
			options: pool.Options{Fast: 3, SlowAfter: s},
			tasks:   []time.Duration{ms, ms, ms},
			want:    []time.Duration{0, 0, 0},
			end:     ms,
		},
		{
			name:    "quick tasks wait for a slot",
			options: pool.Options{Fast: 2, SlowAfter: s},
			tasks:   []time.Duration{ms, ms, ms, ms, ms},
			want:    []time.Duration{0, 0, ms, ms, 2 * ms},
			end:     3 * ms,
		},
		{
			name:    "slow tasks lose their slots",
			options: pool.Options{Fast: 2, Max: 100, SlowAfter: 100 * ms},
			tasks:   []time.Duration{15 * s, 15 * s, 15 * s, 15 * s, ms},
			want:    []time.Duration{0, 0, 100 * ms, 100 * ms, 200 * ms},
			end:     15*s + 100*ms,
		},
		{
			name:    "exactly as long as slow is slow or not, but nothing is lost",
			options: pool.Options{Fast: 1, Max: 2, SlowAfter: 10 * ms},
			tasks:   []time.Duration{10 * ms, 10 * ms, 10 * ms},
			want:    []time.Duration{0, 10 * ms, 20 * ms},
			end:     30 * ms,
		},
		{
			name:    "a quick task beside a slow one keeps its slot",
			options: pool.Options{Fast: 2, SlowAfter: 100 * ms},
			tasks:   []time.Duration{s, 60 * ms, 60 * ms, 60 * ms, 60 * ms},
			want:    []time.Duration{0, 0, 60 * ms, 100 * ms, 120 * ms},
			end:     s,
		},
		{
			name:    "max bounds all, slow ones too",
			options: pool.Options{Fast: 2, Max: 3, SlowAfter: 100 * ms},
			tasks:   []time.Duration{s, s, s, s, s, s},
			want:    []time.Duration{0, 0, 100 * ms, s, s, s + 100*ms},
			end:     2*s + 100*ms,
		},
		{
			name:    "after a jam at max the loans begin again",
			options: pool.Options{Fast: 1, Max: 2, SlowAfter: 100 * ms},
			tasks:   []time.Duration{s, 900 * ms, 10 * s, ms, ms},
			want:    []time.Duration{0, 100 * ms, s, s + 100*ms, s + 101*ms},
			end:     11 * s,
		},
		{
			name:    "fast is never more than max",
			options: pool.Options{Fast: 8, Max: 2, SlowAfter: 100 * ms},
			tasks:   []time.Duration{s, s, s},
			want:    []time.Duration{0, 0, s},
			end:     2 * s,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var q queue
				l := newLog()
				tt.options.Next = q.next
				p := pool.New(tt.options)
				for _, d := range tt.tasks {
					q.add(sleep(l, d))
				}
				p.Kick()
				p.Wait()
				if got := l.got(); !slices.Equal(got, tt.want) {
					t.Errorf("tasks began at %v, want %v", got, tt.want)
				}
				if got := time.Since(l.epoch); got != tt.end {
					t.Errorf("Wait returned after %v, want %v", got, tt.end)
				}
			})
		})
	}
}

// By default 64 tasks begin at once and 64 more each 100 ms, until 4096 hang.
func TestDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		l := newLog()
		p := pool.New(pool.Options{Next: q.next})
		var want []time.Duration
		for i := range 4096 {
			q.add(sleep(l, time.Hour))
			want = append(want, time.Duration(i/64)*100*time.Millisecond)
		}
		q.add(sleep(l, time.Hour))
		want = append(want, time.Hour)
		p.Kick()
		p.Wait()
		if got := l.got(); !slices.Equal(got, want) {
			t.Errorf("tasks began at %v, want %v", got, want)
		}
	})
}
