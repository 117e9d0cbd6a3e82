package simtest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
	"github.com/outhook/outhook/webhook/webhooktest"
)

// neighbours dispatches one event a second to each of 100 endpoints, one after
// the other or all together, of which noisy hang until their timeout and as many answer 500, and returns how long
// the deliveries of the 80 others took, sorted.
func neighbours(t *testing.T, policy string, together bool, noisy int) (latencies []time.Duration) {
	t.Helper()
	const endpoints, healthy, lasts = 100, 80, 12
	synctest.Test(t, func(t *testing.T) {
		store, network := memstore.New(memstore.Options{}), webhooktest.NewNetwork(t)
		var mu sync.Mutex
		begun := map[int]time.Time{}
		for i := range endpoints {
			host := fmt.Sprintf("h%d.example", i)
			network.Handle(host, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body := make([]byte, r.ContentLength)
				_, _ = r.Body.Read(body)
				n := eventOf(body)
				switch {
				case i >= healthy+noisy && i < healthy+2*noisy:
					w.WriteHeader(http.StatusInternalServerError)
					return
				case i >= healthy && i < healthy+noisy:
					<-r.Context().Done()
					return
				}
				time.Sleep(seed(1).between(10*time.Millisecond, 60*time.Millisecond, "answer", n))
				mu.Lock()
				defer mu.Unlock()
				if i < healthy {
					latencies = append(latencies, time.Since(begun[n]))
				}
			}))
			ep := webhook.Endpoint{ID: host, Scope: webhook.In("e", strconv.Itoa(i)), URL: "http://" + host + "/", Policy: policy, Name: host}
			if _, err := store.Set(t.Context(), &ep); err != nil {
				t.Fatal(err)
			}
		}
		p := startOne(t, webhook.Config{Endpoints: store, Queue: store, Transports: []webhook.Transport{network.Transport()}})
		for n := range endpoints * lasts {
			i := n * 37 % endpoints
			mu.Lock()
			begun[n] = time.Now()
			mu.Unlock()
			if _, err := p.d.Dispatch(t.Context(), happened{N: n}, webhook.In("e", strconv.Itoa(i))); err != nil {
				t.Fatal(err)
			}
			if !together {
				time.Sleep(time.Second / endpoints)
			} else if (n+1)%endpoints == 0 {
				time.Sleep(time.Second)
			}
		}
		time.Sleep(time.Minute)
		p.end(t)
		network.Close()
		mu.Lock()
		defer mu.Unlock()
		if len(latencies) != healthy*lasts {
			t.Errorf("the healthy endpoints got %d deliveries, want %d", len(latencies), healthy*lasts)
		}
	})
	slices.Sort(latencies)
	return latencies
}

func TestNoisyNeighboursCostTheOthersNothing(t *testing.T) {
	for _, tt := range []struct {
		name, policy string
		together     bool
	}{
		{name: "stored", policy: "at-least-once"},
		{name: "stored, together", policy: "at-least-once", together: true},
		{name: "volatile", policy: "fire-and-forget"},
		{name: "volatile, together", policy: "fire-and-forget", together: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			alone, among := neighbours(t, tt.policy, tt.together, 0), neighbours(t, tt.policy, tt.together, 10)
			for _, q := range []struct {
				name  string
				share float64
			}{{"median", 0.5}, {"p99", 0.99}, {"max", 1}} {
				at := func(l []time.Duration) time.Duration { return l[int(q.share*float64(len(l)-1))] }
				t.Logf("%s: %v alone, %v beside 10 that hang and 10 that answer 500", q.name, at(alone), at(among))
				if at(among) > at(alone)*3/2 {
					t.Errorf("%s = %v among noisy neighbours, want at most 1.5 of %v", q.name, at(among), at(alone))
				}
			}
		})
	}
}

func TestStandardScheduleOver75HoursAndARestart(t *testing.T) {
	for _, tt := range []struct {
		name    string
		jitter  float64
		restart bool
	}{
		{name: "exact, restarted", jitter: -1, restart: true},
		{name: "jitter", jitter: 0.1},
		{name: "jitter, restarted", jitter: 0.1, restart: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { standardSchedule(t, tt.jitter, tt.restart) })
		})
	}
}

func standardSchedule(t *testing.T, jitter float64, restart bool) {
	t.Helper()
	const poll = 5 * time.Second
	store, network := memstore.New(memstore.Options{}), webhooktest.NewNetwork(t)
	recv := network.Receiver("a.example", webhooktest.Answer{Status: 500})
	policy := retry.AtLeastOnce()
	policy.Jitter = jitter
	cfg := webhook.Config{
		Endpoints: store, Queue: store, Transports: []webhook.Transport{network.Transport()},
		Policies: []retry.Policy{policy}, PollInterval: poll,
	}
	set(t, store, webhook.Endpoint{ID: "a", Scope: link, URL: "http://a.example/"})
	p := startOne(t, cfg)
	synctest.Wait()
	receipt := p.dispatch(t, happened{N: 1})
	if restart {
		time.Sleep(9 * time.Hour) // within the wait for the seventh attempt
		p.end(t)
		time.Sleep(time.Hour)
		p = startOne(t, cfg)
	}
	time.Sleep(90 * time.Hour)
	p.end(t)
	network.Close()
	bare := []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
	reqs := recv.Requests()
	if len(reqs) != len(bare)+1 {
		t.Fatalf("%d attempts, want %d", len(reqs), len(bare)+1)
	}
	for i, least := range bare {
		gap := reqs[i+1].At.Sub(reqs[i].At)
		want, _ := policy.Delay(receipt.Deliveries[0].ID, i+1)
		if gap < least || gap > least+time.Duration(max(jitter, 0)*float64(least))+poll {
			t.Errorf("attempt %d came %v after the one before, want %v and at most %g more", i+2, gap, least, jitter)
		}
		if jitter < 0 && gap != least || gap < want || gap > want+poll {
			t.Errorf("attempt %d came %v after the one before, want %v, the same in every process", i+2, gap, want)
		}
	}
	if d, _, err := store.Delivery(t.Context(), receipt.Deliveries[0].ID); err != nil || d.State != webhook.Failed {
		t.Errorf("it ended %v, %v; want failed", d.State, err)
	}
}

func Test64HangingReceiversKeepNobodyWaiting(t *testing.T) {
	for _, policy := range []string{"at-least-once", "at-most-once", "fire-and-forget"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store, network := memstore.New(memstore.Options{}), webhooktest.NewNetwork(t)
				healthy := network.Receiver("healthy.example")
				for i := range 64 {
					host := fmt.Sprintf("hangs%d.example", i)
					network.Receiver(host, webhooktest.Answer{Hang: true})
					set(t, store, webhook.Endpoint{ID: host, Scope: link, URL: "http://" + host + "/", Policy: policy})
				}
				set(t, store, webhook.Endpoint{ID: "healthy", Scope: link, URL: "http://healthy.example/", Policy: policy})
				p := startOne(t, webhook.Config{Endpoints: store, Queue: store, Transports: []webhook.Transport{network.Transport()}})
				var begun []time.Time
				for n := range 50 {
					begun = append(begun, time.Now())
					p.dispatch(t, happened{N: n})
					time.Sleep(100 * time.Millisecond)
				}
				time.Sleep(time.Second)
				reqs := healthy.Requests()
				if len(reqs) != 50 {
					t.Fatalf("the healthy receiver got %d requests, want 50", len(reqs))
				}
				worst := time.Duration(0)
				for _, r := range reqs {
					worst = max(worst, r.At.Sub(begun[eventOf(r.Body)]))
				}
				t.Logf("the healthy receiver waited %v at most", worst)
				if worst > 250*time.Millisecond {
					t.Errorf("a click waited %v, want at most 250ms", worst)
				}
				p.end(t)
				network.Close()
			})
		})
	}
}

// TestShutdownUnderFire starts and stops dispatchers whose receivers hang. A
// goroutine that is left over fails its bubble.
func TestShutdownUnderFire(t *testing.T) {
	cycles := 100
	if full() {
		cycles = 1000
	}
	for n := range cycles {
		synctest.Test(t, func(t *testing.T) { shutdownCycle(t, seed(n)) })
	}
}

func shutdownCycle(t *testing.T, s seed) {
	t.Helper()
	store, network := memstore.New(memstore.Options{}), webhooktest.NewNetwork(t)
	network.Receiver("hangs.example", webhooktest.Answer{Hang: true})
	network.Receiver("slow.example", webhooktest.Answer{Delay: 400 * time.Millisecond})
	network.Receiver("errs.example", webhooktest.Answer{Status: 500})
	for i, policy := range []string{"at-least-once", "at-most-once", "fire-and-forget"} {
		for _, host := range []string{"hangs", "slow", "errs"} {
			set(t, store, webhook.Endpoint{
				ID: fmt.Sprint(host, i), Scope: link, URL: "http://" + host + ".example/", Policy: policy, Ordered: s.share("ordered", i) < 0.5,
			})
		}
	}
	p := startOne(t, webhook.Config{
		Endpoints: store, Queue: store, Transports: []webhook.Transport{network.Transport()},
		DrainTimeout: s.between(time.Millisecond, time.Second, "drain"),
	})
	for n := range s.below(12, "events") {
		p.dispatch(t, happened{N: n})
		time.Sleep(s.between(0, 200*time.Millisecond, "pause", n))
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), s.between(0, time.Second, "patience"))
	defer cancel()
	var late atomic.Int64
	go func() { // dispatches go on meanwhile
		for n := range 5 {
			if _, err := p.d.Dispatch(context.Background(), happened{N: 100 + n}, link); err != nil {
				late.Add(1)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	if s.share("stops first") < 0.5 {
		p.stop()
	}
	_ = p.d.Shutdown(ctx)
	p.stop()
	if err := <-p.done; err != nil && !errors.Is(err, webhook.ErrClosed) {
		t.Errorf("cycle %d: Run = %v, want nil, or ErrClosed where Shutdown was first", s, err)
	}
	if took := time.Since(start); took > 6*time.Second {
		t.Errorf("cycle %d: it took %v to shut down, want at most the drain and its grace", s, took)
	}
	time.Sleep(time.Second)
	if c, err := store.Counts(context.Background()); err != nil || c.Running != 0 {
		t.Errorf("cycle %d: the store has %+v, %v; want nothing running", s, c, err)
	}
	network.Close()
}

// TestTheStoreIsAwayForAMinute keeps two workers under load while the store
// answers nobody.
func TestTheStoreIsAwayForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 7)
		w.timeout = 0 // its default
		w.healed.Store(true)
		w.start(0, 1)
		w.start(1, 1)
		var busy sync.WaitGroup
		var accepted, refused atomic.Int64
		before := heap()
		busy.Go(func() {
			time.Sleep(10 * time.Second)
			w.away.Store(true)
			time.Sleep(time.Minute)
			w.away.Store(false)
		})
		for n := range 900 {
			busy.Go(func() { w.underLoad(t, n, &accepted, &refused) })
			time.Sleep(100 * time.Millisecond)
			if n == 690 {
				if grown := heap() - before; grown > 16<<20 {
					t.Errorf("after a minute without a store the heap is %d bytes larger, want at most 16 MiB", grown)
				}
			}
		}
		busy.Wait()
		for end := time.Now().Add(time.Minute); w.oracle.open() > 0 && time.Now().Before(end); {
			time.Sleep(time.Second)
		}
		if n := w.oracle.open(); n != 0 {
			t.Errorf("%d deliveries are open a minute after the load, want none", n)
		}
		w.retire(0)
		w.retire(1)
		w.network.Close()
		w.oracle.compare(t.Context(), w.base)
		for _, v := range w.oracle.verdict() {
			t.Error(v)
		}
		t.Logf("%d events accepted, %d refused", accepted.Load(), refused.Load())
		if accepted.Load() < 250 || refused.Load() < 500 {
			t.Errorf("%d events accepted and %d refused, want some 300 and 600", accepted.Load(), refused.Load())
		}
	})
}

// underLoad dispatches one event, with a deadline or without.
func (w *world) underLoad(t *testing.T, n int, accepted, refused *atomic.Int64) {
	t.Helper()
	limit := 10 * time.Second // Config.StoreTimeout's default
	ctx, cancel := context.WithValue(context.Background(), eventKey{}, strconv.Itoa(n)), func() {}
	if n%2 == 0 {
		limit = 2 * time.Second
		ctx, cancel = context.WithTimeout(ctx, limit)
	}
	defer cancel()
	w.oracle.begun(n, "", webhook.In("link", "1"))
	start := time.Now()
	r, err := w.someWorker(n, 0).d.Dispatch(ctx, happened{N: n}, webhook.In("link", "1"))
	// Where the store leaves between two calls, each has its own limit.
	if took := time.Since(start); took > limit+time.Second {
		t.Errorf("event %d: Dispatch took %v, want at most %v", n, took, limit)
	}
	if err == nil {
		accepted.Add(1)
		w.oracle.accepted(n, r, func(endpoint string) bool { return endpoint != "fire" })
		return
	}
	refused.Add(1)
	if text := err.Error(); !strings.Contains(text, "deadline") || !strings.Contains(text, "match") && !strings.Contains(text, "enqueue") {
		t.Errorf("event %d: the error is %q, want what failed, and that it took too long", n, text)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
