package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"syscall"
	"time"
)

// sample is one run of one arm.
type sample struct {
	N         int             // deliveries, or operations
	Wall      time.Duration   // of all of them
	Cost      float64         // in ns, where it is not Wall / N
	CPU       time.Duration   // of this process, all of them
	Allocs    uint64          // all of them
	Bytes     uint64          // all of them
	Peak      uint64          // bytes of heap objects, garbage included
	Latencies []time.Duration // sorted; nil where nobody measured them
	Facts     map[string]float64
}

// metric names a figure of a sample.
type metric string

const (
	rate   metric = "rate"   // deliveries per second
	cost   metric = "cost"   // ns per delivery or operation
	cpu    metric = "cpu"    // ns of CPU per delivery
	allocs metric = "allocs" // per delivery
	heap   metric = "heap"   // bytes allocated per delivery
	p99    metric = "p99"    // latency in ns
)

func (s *sample) per(total float64) float64 { return total / float64(max(s.N, 1)) }

func (s *sample) value(m metric) float64 {
	switch m {
	case rate:
		return float64(s.N) / max(s.Wall.Seconds(), 1e-9)
	case cost:
		if s.Cost > 0 {
			return s.Cost
		}
		return s.per(float64(s.Wall))
	case cpu:
		return s.per(float64(s.CPU))
	case allocs:
		return s.per(float64(s.Allocs))
	case heap:
		return s.per(float64(s.Bytes))
	case p99:
		return float64(percentile(s.Latencies, 0.99))
	}
	return 0
}

// meter measures what happens between start and stop.
type meter struct {
	began  time.Time
	cpu    time.Duration
	mem    runtime.MemStats
	peak   uint64
	prof   *profile
	ending chan struct{}
	wg     sync.WaitGroup
}

// startMeter cleans up after the run before, and starts the clock.
func startMeter(ctx context.Context) (*meter, error) {
	m := &meter{prof: profileOf(ctx), ending: make(chan struct{})}
	runtime.GC()
	if err := m.prof.start(); err != nil {
		return nil, err
	}
	m.wg.Go(m.watch)
	runtime.ReadMemStats(&m.mem)
	var err error
	if m.cpu, err = cpuTime(); err != nil {
		return nil, err
	}
	m.began = time.Now()
	return m, nil
}

// watch looks at the heap now and then. It costs both sides the same: some
// microseconds each time.
func (m *meter) watch() {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	live := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	for {
		metrics.Read(live)
		m.peak = max(m.peak, live[0].Value.Uint64())
		select {
		case <-m.ending:
			return
		case <-tick.C:
		}
	}
}

// stop ends the measurement of n deliveries.
func (m *meter) stop(n int) (sample, error) {
	wall := time.Since(m.began)
	used, err := cpuTime()
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	close(m.ending)
	m.wg.Wait()
	err = errors.Join(err, m.prof.stop())
	return sample{
		N: n, Wall: wall, CPU: used - m.cpu, Peak: m.peak,
		Allocs: after.Mallocs - m.mem.Mallocs, Bytes: after.TotalAlloc - m.mem.TotalAlloc,
	}, err
}

// cpuTime is what this process has used so far; the receiver is another one.
func cpuTime() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("getrusage: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// liveHeap is HeapAlloc after what nobody holds is gone.
func liveHeap() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools held through the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// clock collects latencies from many goroutines, each in a place of its own.
type clock struct{ took []time.Duration }

func newClock(n int) *clock { return &clock{took: make([]time.Duration, n)} }

func (c *clock) sorted() []time.Duration {
	return slices.Sorted(slices.Values(c.took))
}
