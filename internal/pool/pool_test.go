package pool_test

import (
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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

func TestGoexitCostsOneWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		l := newLog()
		p := pool.New(pool.Options{Fast: 1, Max: 2, SlowAfter: time.Second, Next: q.next})
		q.add(
			func() { l.now(); runtime.Goexit() },
			func() { l.now(); time.Sleep(2 * time.Second); runtime.Goexit() }, // on loan by then
			sleep(l, 5*time.Second),
			sleep(l, 0),
		)
		p.Kick()
		p.Wait()
		want := []time.Duration{0, 0, time.Second, 2 * time.Second}
		if got := l.got(); !slices.Equal(got, want) {
			t.Errorf("tasks began at %v, want %v", got, want)
		}
	})
}

// A panic of a task ends the process, as the panic of any goroutine: the test
// runs itself as a child.
func TestPanicIsNotSwallowed(t *testing.T) {
	if os.Getenv("OUTHOOK_POOL_PANIC") != "" {
		var q queue
		p := pool.New(pool.Options{Next: q.next})
		q.add(func() { panic("not contained") })
		p.Kick()
		p.Wait()
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPanicIsNotSwallowed$")
	cmd.Env = append(os.Environ(), "OUTHOOK_POOL_PANIC=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "panic: not contained") {
		t.Errorf("a task that panics: %v, %.200s, want the panic", err, out)
	}
}

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

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	tasks := make(chan func(), 1)
	p := pool.New(pool.Options{Fast: 4, Next: receive(tasks)})
	done := make(chan struct{})
	task := func() { done <- struct{}{} }
	got := testing.AllocsPerRun(1000, func() {
		tasks <- task
		p.Kick()
		<-done
	})
	p.Wait()
	if got != 0 {
		t.Errorf("allocations per task = %v, want 0", got)
	}
}

func receive(tasks <-chan func()) func() pool.Task {
	return func() pool.Task {
		select {
		case f := <-tasks:
			return task(f)
		default:
			return nil
		}
	}
}

// deep uses as much stack as an HTTP exchange, about 8 KiB.
func deep(n int) byte {
	var frame [1024]byte
	frame[n] = byte(n)
	if n == 0 {
		return frame[0]
	}
	return deep(n-1) + frame[n]
}

// BenchmarkTasks compares the pool with a goroutine for each task. A stream has
// 64 tasks in flight all the time; alone, each task waits for the one before.
func BenchmarkTasks(b *testing.B) {
	for _, kind := range []struct {
		name string
		work func()
	}{
		{name: "empty", work: func() {}},
		{name: "deep", work: func() { deep(7) }},
		{name: "yielding", work: func() { deep(7); runtime.Gosched(); deep(7) }},
	} {
		for _, flow := range []struct {
			name     string
			inFlight int
		}{
			{name: "stream", inFlight: 64},
			{name: "alone", inFlight: 1},
		} {
			slots := make(chan struct{}, flow.inFlight)
			task := func() {
				kind.work()
				<-slots
			}
			b.Run(kind.name+"/"+flow.name+"/pool", func(b *testing.B) {
				tasks := make(chan func(), flow.inFlight)
				p := pool.New(pool.Options{Next: receive(tasks)})
				b.ReportAllocs()
				for b.Loop() {
					slots <- struct{}{}
					tasks <- task
					p.Kick()
				}
				p.Wait()
			})
			b.Run(kind.name+"/"+flow.name+"/go", func(b *testing.B) {
				var wg sync.WaitGroup
				b.ReportAllocs()
				for b.Loop() {
					slots <- struct{}{}
					wg.Go(task)
				}
				wg.Wait()
			})
		}
	}
}

// BenchmarkHTTP posts over loopback, as a dispatcher does.
func BenchmarkHTTP(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer server.Close()
	for _, inFlight := range []int{1, 16, 64} {
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: inFlight}}
		slots := make(chan struct{}, inFlight)
		var failed atomic.Int64
		task := func() {
			defer func() { <-slots }()
			req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL, strings.NewReader(`{"id":1}`))
			if err != nil {
				failed.Add(1)
				return
			}
			res, err := client.Do(req)
			if err != nil {
				failed.Add(1)
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
		b.Run(strconv.Itoa(inFlight)+"/pool", func(b *testing.B) {
			tasks := make(chan func(), inFlight)
			p := pool.New(pool.Options{Next: receive(tasks)})
			b.ReportAllocs()
			for b.Loop() {
				slots <- struct{}{}
				tasks <- task
				p.Kick()
			}
			p.Wait()
		})
		b.Run(strconv.Itoa(inFlight)+"/go", func(b *testing.B) {
			var wg sync.WaitGroup
			b.ReportAllocs()
			for b.Loop() {
				slots <- struct{}{}
				wg.Go(task)
			}
			wg.Wait()
		})
		client.CloseIdleConnections()
		if n := failed.Load(); n > 0 {
			b.Errorf("%d posts failed", n)
		}
	}
}

// BenchmarkKickWhenBusy is what a dispatch pays while all slots are taken.
func BenchmarkKickWhenBusy(b *testing.B) {
	var q queue
	release := make(chan struct{})
	p := pool.New(pool.Options{Fast: 1, SlowAfter: time.Hour, Next: q.next})
	q.add(func() { <-release })
	p.Kick()
	b.ReportAllocs()
	for b.Loop() {
		p.Kick()
	}
	close(release)
	p.Wait()
}
