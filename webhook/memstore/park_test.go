package memstore_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

func TestPark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		enqueue(t, s, "1 a", "2 b")
		park(t, s, webhook.Park{EndpointID: "a", For: time.Hour, Hold: true}, webhook.Park{EndpointID: "new", For: time.Minute})
		enqueue(t, s, "3 a", "4 new")
		end(t, s, wantClaim(t, s, webhook.Claim{}, "2"))
		wantState(t, s, "1", webhook.Held)
		wantState(t, s, "3", webhook.Held)
		wantState(t, s, "4", webhook.Pending)
		time.Sleep(time.Minute)
		end(t, s, wantClaim(t, s, webhook.Claim{}, "4"))
		// A later Park replaces.
		park(t, s, webhook.Park{EndpointID: "a", For: time.Minute})
		wantState(t, s, "1", webhook.Pending)
		time.Sleep(time.Minute - 1)
		wantClaim(t, s, webhook.Claim{})
		time.Sleep(time.Nanosecond)
		end(t, s, wantClaim(t, s, webhook.Claim{Limit: 1}, "1"))
		park(t, s, webhook.Park{EndpointID: "a", For: 1 << 62})
		wantClaim(t, s, webhook.Claim{})
		park(t, s, webhook.Park{EndpointID: "a"})
		end(t, s, wantClaim(t, s, webhook.Claim{}, "3"))
	})
}

// TestParkWhileLeased shows that what was handed out before can be settled,
// and waits with the others.
func TestParkWhileLeased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		enqueue(t, s, "1 a", "2 a")
		claimed := wantClaim(t, s, webhook.Claim{}, "1", "2")
		park(t, s, webhook.Park{EndpointID: "a", For: time.Hour})
		settle(t, s, settlement(claimed[0], webhook.Pending))
		time.Sleep(2 * lease)
		wantClaim(t, s, webhook.Claim{})
		time.Sleep(time.Hour)
		wantClaim(t, s, webhook.Claim{}, "1", "2")
	})
}

func TestProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		for i := range 5 {
			enqueue(t, s, fmt.Sprintf("%d a", i))
		}
		flying := wantClaim(t, s, webhook.Claim{Limit: 1}, "0")
		park(t, s, webhook.Park{EndpointID: "a", For: time.Second, Probe: true})
		time.Sleep(time.Second)
		wantClaim(t, s, webhook.Claim{}) // one is under way already
		settle(t, s, settlement(flying[0], webhook.Failed))
		wantClaim(t, s, webhook.Claim{}, "1")
		wantClaim(t, s, webhook.Claim{})
		time.Sleep(lease) // the probe's process died
		probe := wantClaim(t, s, webhook.Claim{}, "2")
		wantClaim(t, s, webhook.Claim{})
		// A settlement that says nothing lets the next one out, alone.
		settle(t, s, settlement(probe[0], webhook.Delivered))
		probe = wantClaim(t, s, webhook.Claim{}, "3")
		it := settlement(probe[0], webhook.Delivered)
		it.Health = webhook.Healthy
		settle(t, s, it)
		if got := claim(t, s, webhook.Claim{}); len(got) != 2 {
			t.Errorf("after a healthy probe Claim returned %d, want 2", len(got))
		}
	})
}

// TestHealthyKeepsClosed shows that an answer that arrives late does not open
// an endpoint that is closed for a time.
func TestHealthyKeepsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		enqueue(t, s, "1 a", "2 a")
		claimed := wantClaim(t, s, webhook.Claim{Limit: 1}, "1")
		park(t, s, webhook.Park{EndpointID: "a", For: time.Minute, Hold: true, Probe: true})
		it := settlement(claimed[0], webhook.Delivered)
		it.Health = webhook.Healthy
		settle(t, s, it)
		wantClaim(t, s, webhook.Claim{})
		wantState(t, s, "2", webhook.Held)
		time.Sleep(time.Minute)
		wantClaim(t, s, webhook.Claim{}, "2")
	})
}

func TestTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		rate := webhook.Rate{Limit: 3, Per: time.Second}
		take := func(n, want int, wantWait time.Duration) {
			t.Helper()
			granted, wait, err := s.Take(t.Context(), "a", n, rate)
			if err != nil || granted != want || wait != wantWait {
				t.Errorf("Take(%d) = %d, %v, %v, want %d, %v", n, granted, wait, err, want, wantWait)
			}
		}
		take(1, 1, 0)
		time.Sleep(300 * time.Millisecond)
		take(1, 1, 0)
		take(0, 0, 0)
		time.Sleep(300 * time.Millisecond)
		take(5, 1, 400*time.Millisecond)
		take(1, 0, 400*time.Millisecond)
		time.Sleep(400 * time.Millisecond)
		take(2, 1, 300*time.Millisecond)
		rate.Limit = 2
		take(1, 0, 600*time.Millisecond)
		time.Sleep(time.Hour)
		take(3, 2, time.Second)
		rate = webhook.Rate{}
		take(1000, 1000, 0)
	})
}

// TestTakeWindow checks every window of a high rate, and that nearly all of it
// is granted.
func TestTakeWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		rate := webhook.Rate{Limit: 1000, Per: time.Second}
		start := time.Now()
		var at []time.Duration // one for each request that was granted
		for time.Since(start) < 5*time.Second {
			granted, wait, err := s.Take(t.Context(), "a", 7, rate)
			if err != nil || granted < 7 && wait <= 0 {
				t.Fatalf("Take = %d, %v, %v", granted, wait, err)
			}
			for range granted {
				at = append(at, time.Since(start))
			}
			time.Sleep(max(wait, 1234567))
		}
		for i := range len(at) - rate.Limit {
			if span := at[i+rate.Limit] - at[i]; span < rate.Per {
				t.Fatalf("request %d and the %dth after it are %v apart, want at least %v", i, rate.Limit, span, rate.Per)
			}
		}
		if len(at) < 4800 {
			t.Errorf("%d requests were granted in 5s, want 4800 of 5000 at least", len(at))
		}
	})
}
