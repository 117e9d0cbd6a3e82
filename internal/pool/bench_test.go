package pool_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outhook/outhook/internal/pool"
)

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
			beside(b, kind.name+"/"+flow.name, slots, task)
		}
	}
}

// beside times task in a pool, and beside that in a goroutine each, with as many
// in flight as there are slots; each gives its slot back.
func beside(b *testing.B, name string, slots chan struct{}, task func()) {
	b.Helper()
	b.Run(name+"/pool", func(b *testing.B) {
		tasks := make(chan func(), cap(slots))
		p := pool.New(pool.Options{Next: receive(tasks)})
		b.ReportAllocs()
		for b.Loop() {
			slots <- struct{}{}
			tasks <- task
			p.Kick()
		}
		p.Wait()
	})
	b.Run(name+"/go", func(b *testing.B) {
		var wg sync.WaitGroup
		b.ReportAllocs()
		for b.Loop() {
			slots <- struct{}{}
			wg.Go(task)
		}
		wg.Wait()
	})
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
		beside(b, strconv.Itoa(inFlight), slots, task)
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
