package memstore_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

func TestClaimFair(t *testing.T) {
	s := memstore.New(memstore.Options{})
	for i := range 1000 {
		enqueue(t, s, fmt.Sprintf("a%d a", i))
	}
	enqueue(t, s, "b0 b", "b1 b", "c0 c")
	wantClaim(t, s, webhook.Claim{Limit: 5}, "a0", "b0", "c0", "a1", "b1")
	wantClaim(t, s, webhook.Claim{Limit: 2}, "a2", "a3")
	enqueue(t, s, "d0 d", "d1 d")
	wantClaim(t, s, webhook.Claim{Limit: 3, Skip: []string{"a"}}, "d0", "d1")
	enqueue(t, s, "d2 d")
	wantClaim(t, s, webhook.Claim{Limit: 4, PerEndpoint: 2}, "a4", "d2", "a5")
}

// TestClaimTurns shows that turns go on from one claim to the next.
func TestClaimTurns(t *testing.T) {
	s := memstore.New(memstore.Options{})
	for i := range 30 {
		enqueue(t, s, fmt.Sprintf("x%d ep%d", i, i%10))
	}
	counts := make(map[string]int)
	for range 10 {
		for _, c := range claim(t, s, webhook.Claim{Limit: 2}) {
			counts[c.Delivery.EndpointID]++
		}
	}
	for i := range 10 {
		if ep := fmt.Sprintf("ep%d", i); counts[ep] != 2 {
			t.Errorf("after 20 claimed of 10 endpoints %s had %d, want 2", ep, counts[ep])
		}
	}
}

func TestClaimMaxBytes(t *testing.T) {
	s := memstore.New(memstore.Options{})
	enqueue(t, s, "a a", "b b", "c c") // 100 bytes each
	wantClaim(t, s, webhook.Claim{MaxBytes: 1}, "a")
	wantClaim(t, s, webhook.Claim{MaxBytes: 199}, "b")
	enqueue(t, s, "d d")
	wantClaim(t, s, webhook.Claim{MaxBytes: 200}, "c", "d")
}

func TestClaimDueOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		enqueue(t, s, "1 a", "2 a", "3 a")
		first := wantClaim(t, s, webhook.Claim{Limit: 2}, "1", "2")
		for i, delay := range []time.Duration{20 * time.Second, 10 * time.Second} {
			it := settlement(first[i], webhook.Pending)
			it.Delay = delay
			settle(t, s, it)
		}
		time.Sleep(10*time.Second - 1)
		wantClaim(t, s, webhook.Claim{Limit: 1}, "3")
		wantClaim(t, s, webhook.Claim{})
		time.Sleep(time.Nanosecond)
		enqueue(t, s, "4 a")
		time.Sleep(10 * time.Second)
		claimed := wantClaim(t, s, webhook.Claim{}, "2", "4", "1")
		if got := claimed[0]; got.Delivery.Attempts != 2 || got.Expired || got.Age != 20*time.Second {
			t.Errorf("second claim: attempts %d, expired %v, age %v, want 2, false, 20s", got.Delivery.Attempts, got.Expired, got.Age)
		}
	})
}

func TestClaimOrdered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		enqueue(t, s, "1 a k", "2 a k", "3 a other", "4 a", "5 a k")
		claimed := wantClaim(t, s, webhook.Claim{}, "4", "1", "3")
		if got := claimed[1].Delivery; !got.Ordered || got.Key != "k" {
			t.Errorf("claimed ordered %v with key %q, want true, k", got.Ordered, got.Key)
		}
		wantClaim(t, s, webhook.Claim{})
		it := settlement(claimed[1], webhook.Pending)
		it.Delay = time.Hour
		settle(t, s, it)
		time.Sleep(30 * time.Second)
		wantClaim(t, s, webhook.Claim{}) // a retry keeps its place
		if err := s.Cancel(t.Context(), "1", "by hand"); err != nil {
			t.Errorf("Cancel(1) = %v", err)
		}
		second := wantClaim(t, s, webhook.Claim{}, "2") // a final head frees its key
		time.Sleep(lease)
		again := wantClaim(t, s, webhook.Claim{}, "4", "3", "2") // all leases are over
		if !again[2].Expired || again[2].Token == second[0].Token {
			t.Errorf("claim after a lease: expired %v, token %d, want true, another than %d", again[2].Expired, again[2].Token, second[0].Token)
		}
		end(t, s, again)
		end(t, s, wantClaim(t, s, webhook.Claim{}, "5"))
		enqueue(t, s, "6 a k")
		wantClaim(t, s, webhook.Claim{}, "6")
	})
}

func TestClaimOrderedCancelInTheMiddle(t *testing.T) {
	s := memstore.New(memstore.Options{})
	var want []string
	for i := range 100 {
		enqueue(t, s, fmt.Sprintf("%d a k", i))
	}
	for i := range 100 {
		if i%3 == 0 {
			if err := s.Cancel(t.Context(), strconv.Itoa(i), ""); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want = append(want, strconv.Itoa(i))
	}
	var got []string
	for claimed := claim(t, s, webhook.Claim{}); len(claimed) > 0; claimed = claim(t, s, webhook.Claim{}) {
		got = append(got, claimed[0].Delivery.ID)
		end(t, s, claimed)
	}
	if !slices.Equal(got, want) {
		t.Errorf("claimed %v, want %v", got, want)
	}
}

func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		enqueue(t, s, "1 a", "2 a")
		old := wantClaim(t, s, webhook.Claim{}, "1", "2")
		time.Sleep(lease / 2)
		stale, err := s.Extend(t.Context(), []webhook.Lease{{ID: "1", Token: old[0].Token}, {ID: "2", Token: 99}, {ID: "none", Token: 1}}, lease)
		if err != nil || !slices.Equal(stale, []int{1, 2}) {
			t.Errorf("Extend = %v, %v, want [1 2], no error", stale, err)
		}
		time.Sleep(lease/2 - 1)
		wantClaim(t, s, webhook.Claim{})
		time.Sleep(time.Nanosecond)
		again := wantClaim(t, s, webhook.Claim{}, "2")
		if got := again[0]; !got.Expired || got.Delivery.Attempts != 2 {
			t.Errorf("after its lease: expired %v, attempts %d, want true, 2", got.Expired, got.Delivery.Attempts)
		}
		// The old claim changes nothing.
		it := settlement(old[1], webhook.Delivered)
		it.Health = webhook.Failing
		if res := settle(t, s, it); !slices.Equal(res.Stale, []int{0}) || len(res.Failing) > 0 {
			t.Errorf("Settle with an old token = %+v, want stale, nothing failing", res)
		}
		wantState(t, s, "2", webhook.Running)
		// What was not sent does not tell what became of the attempt before.
		it = settlement(again[0], webhook.Pending)
		it.Unsent = true
		settle(t, s, it)
		again = wantClaim(t, s, webhook.Claim{}, "2")
		if got := again[0]; !got.Expired || got.Delivery.Attempts != 2 {
			t.Errorf("after an unsent attempt: expired %v, attempts %d, want true, 2", got.Expired, got.Delivery.Attempts)
		}
		settle(t, s, settlement(again[0], webhook.Pending))
		if again = wantClaim(t, s, webhook.Claim{}, "2"); again[0].Expired {
			t.Error("after a settled attempt: expired true, want false")
		}
		// The extended one was never handed out again.
		end(t, s, old[:1])
	})
}

// TestSettleAfterLease shows that a late settlement counts while nobody else
// has claimed.
func TestSettleAfterLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		enqueue(t, s, "1 a", "2 b k")
		claimed := claim(t, s, webhook.Claim{})
		time.Sleep(2 * lease)
		enqueue(t, s, "3 a") // lets nothing expire by itself
		wantClaim(t, s, webhook.Claim{Limit: 1, Skip: []string{"a", "b"}})
		end(t, s, claimed)
		if res := settle(t, s, settlement(claimed[0], webhook.Failed)); len(res.Stale) != 1 {
			t.Errorf("Settle of a final delivery = %+v, want stale", res)
		}
		wantClaim(t, s, webhook.Claim{}, "3")
		wantState(t, s, "1", webhook.Delivered)
	})
}
