package hostile_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
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

// fire is one life of a dispatcher under load: endpoints that answer, hang and
// break off, stored and volatile, dispatchers that do not stop, and an end in
// the middle of it.
type fire struct {
	d     *webhook.Dispatcher
	store *memstore.Store
}

func light(t *testing.T, via webhook.Transport, urls []string) *fire {
	t.Helper()
	f := &fire{store: memstore.New(memstore.Options{})}
	volatile := retry.FireAndForget()
	var err error
	f.d, err = webhook.New(webhook.Config{
		Endpoints: f.store, Queue: f.store, Transports: []webhook.Transport{via},
		Policies:     []retry.Policy{{Name: "stored", Schedule: retry.Fixed(10*time.Millisecond, 10*time.Millisecond)}, volatile},
		DrainTimeout: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, u := range urls {
		e := webhook.Endpoint{ID: "e" + strconv.Itoa(i), Name: strconv.Itoa(i), Scope: scope, URL: u}
		if i%2 == 1 {
			e.Policy = volatile.Name
		}
		if _, err := f.store.Set(context.Background(), &e); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// live runs, loads and ends the dispatcher after a while, and returns how many
// events it took.
func (f *fire) live(t *testing.T, while time.Duration) int {
	t.Helper()
	ctx := context.Background()
	ran := make(chan error, 1)
	go func() { ran <- f.d.Run(ctx) }()
	var load sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	stop := make(chan struct{})
	for range 2 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := f.d.Dispatch(ctx, clicked{Text: "x"}, scope); err == nil {
					mu.Lock()
					taken++
					mu.Unlock()
				}
				time.Sleep(500 * time.Microsecond)
			}
		})
	}
	time.Sleep(while)
	if err := f.d.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown = %v, want nil", err)
	}
	if err := <-ran; err != nil && !errors.Is(err, webhook.ErrClosed) { // it may have come too late
		t.Errorf("Run = %v, want nil or ErrClosed", err)
	}
	close(stop)
	load.Wait()
	counts, err := f.store.Counts(ctx)
	if err != nil || counts.Running != 0 {
		t.Errorf("after Shutdown %d deliveries are under lease (%v), want none", counts.Running, err)
	}
	return taken
}

// TestShutdownUnderFire starts and stops a dispatcher again and again, in
// memory: a goroutine that is left ends the bubble with an error.
func TestShutdownUnderFire(t *testing.T) {
	cycles := pick(200, 1000)
	before := runtime.NumGoroutine()
	taken := 0
	start := time.Now()
	for i := range cycles {
		synctest.Test(t, func(t *testing.T) {
			n := webhooktest.NewNetwork(t)
			n.Receiver("good.example")
			n.Receiver("hangs.example", webhooktest.Answer{Hang: true})
			n.Receiver("slow.example", webhooktest.Answer{Delay: 5 * time.Millisecond})
			n.Handle("drops.example", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
			var urls []string
			for _, host := range []string{"good", "hangs", "slow", "drops"} {
				urls = append(urls, "http://"+host+".example/", "http://"+host+".example/volatile")
			}
			f := light(t, n.Transport(), urls)
			taken += f.live(t, time.Duration(i%10)*500*time.Microsecond)
			n.Close()
		})
	}
	settled(t, before)
	t.Logf("%d cycles in %v, %d events taken, %d goroutines left", cycles, time.Since(start).Round(time.Millisecond), taken, max(0, runtime.NumGoroutine()-before))
}

// TestShutdownUnderFireOnSockets does the same on loopback, with hazards for
// receivers.
func TestShutdownUnderFireOnSockets(t *testing.T) {
	cycles := pick(20, 200)
	before := runtime.NumGoroutine()
	taken := 0
	func() {
		var urls []string
		var hostiles []*webhooktest.Hostile
		for _, h := range webhooktest.Hazards() {
			switch h.Name {
			case "never-answers", "never-reads", "slow-headers", "slow-body", "closes-unanswered", "redirect-307", "stale-connection", "endless-body":
				s := webhooktest.NewHostile(t, h)
				hostiles = append(hostiles, s)
				urls = append(urls, s.URL)
			}
		}
		for i := range cycles {
			f := light(t, hostiles[0].Transport(), urls)
			taken += f.live(t, time.Duration(i%10)*time.Millisecond)
		}
		for _, s := range hostiles {
			s.Close()
		}
	}()
	settled(t, before)
	t.Logf("%d cycles, %d events taken, %d goroutines left", cycles, taken, max(0, runtime.NumGoroutine()-before))
}
