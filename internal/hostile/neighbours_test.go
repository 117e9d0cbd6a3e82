package hostile_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// street is a dispatcher with good endpoints, whose latency is measured, and
// bad neighbours.
type street struct {
	d     *webhook.Dispatcher
	store *memstore.Store
	net   *webhooktest.Network

	begins func() // called once the good endpoints have answered

	mu  sync.Mutex
	lat []time.Duration // from before Dispatch to the arrival
	got chan struct{}
}

const (
	goodScope webhook.Scope = "link:1"
	badScope  webhook.Scope = "link:2"
	houses                  = 10 // good endpoints
)

func newStreet(t *testing.T) *street {
	t.Helper()
	s := &street{
		store: memstore.New(memstore.Options{MaxPending: 1_200_000}), net: webhooktest.NewNetwork(t),
		got: make(chan struct{}, 1<<20),
	}
	var err error
	s.d, err = webhook.New(webhook.Config{
		Endpoints: s.store, Queue: s.store, Transports: []webhook.Transport{s.net.Transport()},
		Policies:     []retry.Policy{{Name: "stored", Timeout: 15 * time.Second}},
		DrainTimeout: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range houses {
		host := fmt.Sprintf("good%d.example", i)
		s.net.Handle(host, http.HandlerFunc(s.arrive))
		s.set(t, webhook.Endpoint{ID: host, Name: host, Scope: goodScope, URL: "http://" + host + "/"})
	}
	return s
}

func (s *street) set(t *testing.T, e webhook.Endpoint) {
	t.Helper()
	if _, err := s.store.Set(context.Background(), &e); err != nil {
		t.Fatal(err)
	}
}

func (s *street) arrive(_ http.ResponseWriter, r *http.Request) {
	now := time.Now()
	var e clicked
	if json.NewDecoder(r.Body).Decode(&e) != nil {
		return
	}
	ns, err := strconv.ParseInt(e.Text, 10, 64)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.lat = append(s.lat, now.Sub(time.Unix(0, ns)))
	s.mu.Unlock()
	s.got <- struct{}{}
}

// dead queues deliveries for one endpoint that cannot be reached.
func dead(deliveries int) func(*testing.T, *street) {
	return func(t *testing.T, s *street) {
		t.Helper()
		s.dead(t, deliveries)
	}
}

func (s *street) dead(t *testing.T, deliveries int) {
	t.Helper()
	s.set(t, webhook.Endpoint{ID: "dead", Scope: badScope, URL: "http://dead.example/"})
	for range deliveries {
		if _, err := s.d.Dispatch(context.Background(), clicked{Text: "bad"}, badScope); err != nil {
			t.Fatalf("Dispatch: %v", err)
		}
	}
}

// hanging adds endpoints that never answer, with deliveries for each.
func hanging(endpoints int) func(*testing.T, *street) {
	return func(t *testing.T, s *street) {
		t.Helper()
		s.hanging(t, endpoints, 5)
	}
}

func (s *street) hanging(t *testing.T, endpoints, deliveries int) {
	t.Helper()
	s.net.Receiver("hangs.example", webhooktest.Answer{Hang: true})
	for i := range endpoints {
		id := fmt.Sprint("hangs", i)
		s.set(t, webhook.Endpoint{ID: id, Name: id, Scope: badScope, URL: "http://hangs.example/" + id})
	}
	for range deliveries {
		if _, err := s.d.Dispatch(context.Background(), clicked{Text: "bad"}, badScope); err != nil {
			t.Fatalf("Dispatch: %v", err)
		}
	}
}

// measure runs for a while, sends events to the good endpoints and returns the
// latencies, the shortest first.
func (s *street) measure(t *testing.T, after time.Duration, events int, gap time.Duration) []time.Duration {
	t.Helper()
	ran := make(chan error, 1)
	go func() { ran <- s.d.Run(context.Background()) }()
	time.Sleep(after)
	if s.begins != nil {
		s.send(t, 1, time.Second)
		s.lat = nil
		s.begins()
	}
	s.send(t, events, gap)
	if err := s.d.Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown = %v, want nil", err)
	}
	if err := <-ran; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	s.net.Close()
	slices.Sort(s.lat)
	return s.lat
}

// send sends events to the good endpoints and waits until all have arrived.
func (s *street) send(t *testing.T, events int, gap time.Duration) {
	t.Helper()
	for range events {
		e := clicked{Text: strconv.FormatInt(time.Now().UnixNano(), 10)}
		if _, err := s.d.Dispatch(context.Background(), e, goodScope); err != nil {
			t.Fatalf("Dispatch: %v", err)
		}
		time.Sleep(gap)
	}
	for range events * houses {
		select {
		case <-s.got:
		case <-time.After(time.Minute):
			t.Fatal("a delivery to a good endpoint does not arrive")
		}
	}
}

func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[(len(sorted)-1)*p/100]
}

// onset is how long it takes at most until endpoints that hang, all at once and
// for the first time, have given their places back: each takes one of 64 for
// 100 ms.
func onset(endpoints int) time.Duration {
	return time.Duration(endpoints/64+1) * 100 * time.Millisecond
}

// TestNeighboursInABubble compares virtual latencies, in which computing costs
// nothing and only waiting for others shows.
func TestNeighboursInABubble(t *testing.T) {
	queued, stuck, fresh := pick(2_000, 100_000), pick(100, 1_000), pick(300, 1_000)
	latency := func(t *testing.T, after, gap time.Duration, bad func(*testing.T, *street)) (sorted []time.Duration) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			s := newStreet(t)
			bad(t, s)
			sorted = s.measure(t, after, pick(30, 300), gap)
		})
		return sorted
	}
	for _, tt := range []struct {
		name  string
		after time.Duration
		gap   time.Duration
		bad   func(*testing.T, *street)
	}{
		{name: fmt.Sprintf("%d queued for a dead endpoint", queued), bad: dead(queued)},
		{name: fmt.Sprintf("%d endpoints that hang", stuck), after: onset(stuck), bad: hanging(stuck)},
		{name: fmt.Sprintf("%d endpoints that begin to hang", fresh), gap: time.Millisecond, bad: func(t *testing.T, s *street) {
			t.Helper()
			s.begins = func() { s.hanging(t, fresh, 5) }
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gap := cmp.Or(tt.gap, pick[time.Duration](10, 100)*time.Millisecond)
			alone := latency(t, 0, gap, func(*testing.T, *street) {})
			got := latency(t, tt.after, gap, tt.bad)
			longest := got[len(got)-1]
			t.Logf("p50 %v, p99 %v, longest %v; alone %v, %v, %v", percentile(got, 50), percentile(got, 99), longest,
				percentile(alone, 50), percentile(alone, 99), alone[len(alone)-1])
			if !slices.Equal(got, alone) {
				t.Errorf("the others waited up to %v, alone %v; want the same", longest, alone[len(alone)-1])
			}
		})
	}
}

// TestNeighbours compares real latencies: pairs of runs without and with the
// bad ones, of which the median counts. Its long form is the full load.
func TestNeighbours(t *testing.T) {
	pairs, events := pick(1, 7), pick(20, 400)
	queued, stuck := pick(2_000, 1_000_000), pick(50, 1_000)
	for _, tt := range []struct {
		name string
		bad  func(*testing.T, *street)
	}{
		{name: fmt.Sprintf("%d queued for a dead endpoint", queued), bad: dead(queued)},
		{name: fmt.Sprintf("%d endpoints that hang", stuck), bad: hanging(stuck)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var ratios []float64
			var with99, alone99 []time.Duration
			var memory int64
			for range pairs {
				alone := newStreet(t).measure(t, onset(stuck), events, 5*time.Millisecond)
				s := newStreet(t)
				before := inUse()
				tt.bad(t, s)
				memory = inUse() - before
				got := s.measure(t, onset(stuck), events, 5*time.Millisecond)
				runtime.KeepAlive(s)
				with99, alone99 = append(with99, percentile(got, 99)), append(alone99, percentile(alone, 99))
				ratios = append(ratios, float64(percentile(got, 99))/float64(percentile(alone, 99)))
			}
			slices.Sort(ratios)
			slices.Sort(with99)
			slices.Sort(alone99)
			t.Logf("median of %d pairs: p99 %v with, %v without, ratio %.2f (from %.2f to %.2f); memory for the bad ones %s",
				pairs, with99[pairs/2], alone99[pairs/2], ratios[pairs/2], ratios[0], ratios[pairs-1], mib(memory))
			// One short pair on a busy machine shows that all arrive, no more.
			if most := 1.5; long() && ratios[pairs/2] > most {
				t.Errorf("the p99 of the others is %.2f times that without the bad ones, want at most %.1f", ratios[pairs/2], most)
			}
		})
	}
}

// inUse is what lives on the heap.
func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
