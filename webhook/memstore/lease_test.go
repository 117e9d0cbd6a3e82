package memstore_test

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

// TestTokenOfAnother settles with the token of a delivery that is forgotten,
// and whose place in memory is another's by now.
func TestTokenOfAnother(t *testing.T) {
	s := memstore.New(memstore.Options{MaxHistory: -1})
	enqueue(t, s, "1 a")
	old := wantClaim(t, s, webhook.Claim{}, "1")
	end(t, s, old)
	enqueue(t, s, "2 a")
	now := wantClaim(t, s, webhook.Claim{}, "2")
	if old[0].Token != now[0].Token {
		t.Fatalf("the tokens are %d and %d: the test needs the second in the place of the first", old[0].Token, now[0].Token)
	}
	for _, token := range []int64{0, 1, old[0].Token, old[0].Token + 1, 1<<62 + 1, -1} {
		it := settlement(old[0], webhook.Delivered)
		it.Token = token
		if res := settle(t, s, it); len(res.Stale) != 1 {
			t.Errorf("Settle of 1, which is forgotten, with the token %d is not stale", token)
		}
	}
	for _, token := range []int64{0, 2, now[0].Token + 1, now[0].Token + 1<<32, -1} {
		it := settlement(now[0], webhook.Delivered)
		it.Token = token
		if res := settle(t, s, it); len(res.Stale) != 1 {
			t.Errorf("Settle of 2, claimed with the token %d, with %d is not stale", now[0].Token, token)
		}
	}
	wantState(t, s, "2", webhook.Running)
	end(t, s, now)
	if err := s.Check(); err != nil {
		t.Error(err)
	}
}

// TestTermsEnd claims with leases of different lengths, settles some and extends
// others, the same one twice in a call: each is due again when its own lease ends.
func TestTermsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		for i := range 6 {
			enqueue(t, s, fmt.Sprintf("%d e%d", i, i))
		}
		long := wantClaim(t, s, webhook.Claim{Limit: 3, Lease: 3 * time.Minute}, "0", "1", "2")
		short := wantClaim(t, s, webhook.Claim{Lease: time.Minute}, "3", "4", "5")
		check := func(running int, c webhook.Claim, want ...string) {
			t.Helper()
			for _, again := range wantClaim(t, s, c, want...) {
				if !again.Expired {
					t.Errorf("%s is claimed again, and not Expired", again.Delivery.ID)
				}
			}
			if n, err := s.Counts(t.Context()); err != nil || n.Running != running {
				t.Errorf("Counts = %+v, %v, want %d running", n, err, running)
			}
			if err := s.Check(); err != nil {
				t.Error(err)
			}
		}
		end(t, s, []webhook.Claimed{long[0], short[1]})
		three := webhook.Lease{ID: "3", Token: short[0].Token}
		gone := webhook.Lease{ID: "4", Token: short[1].Token}
		stale, err := s.Extend(t.Context(), []webhook.Lease{three, gone, three}, 2*time.Minute)
		if err != nil || len(stale) != 1 || stale[0] != 1 {
			t.Errorf("Extend = %v, %v, want the second stale", stale, err)
		}
		check(4, webhook.Claim{})
		time.Sleep(time.Minute)
		check(4, webhook.Claim{Lease: time.Hour}, "5")
		time.Sleep(time.Minute)
		check(4, webhook.Claim{Lease: time.Hour}, "3")
		end(t, s, long[2:])
		time.Sleep(time.Minute)
		check(3, webhook.Claim{Lease: time.Hour}, "1")
		time.Sleep(58 * time.Minute)
		check(3, webhook.Claim{Lease: time.Hour}, "5")
	})
}

// TestOneLeaseKeepsNoOthers ends all but one of what each claim leased, which
// lies here and there in the store: the memory of the others goes, and what was
// needed for many leases at a time goes while one of them goes on.
func TestOneLeaseKeepsNoOthers(t *testing.T) {
	heap := func() int {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc >> 10)
	}
	for _, each := range []int{8, 32, 500} {
		s := memstore.New(memstore.Options{MaxHistory: -1})
		before := heap()
		const claims, endpoints = 64, 500
		for k := range endpoints { // in one slab after the other
			b := &webhook.Batch{Message: message(fmt.Sprintf("m%d", k), 10)}
			for i := range claims {
				b.Deliveries = append(b.Deliveries, webhook.Delivery{
					ID: fmt.Sprintf("%d-%d", k, i), MessageID: b.Message.ID, EndpointID: strconv.Itoa(k), State: webhook.Pending, Policy: "standard",
				})
			}
			if _, err := s.Enqueue(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		var left []webhook.Claimed
		for n := 0; ; n++ {
			claimed := claim(t, s, webhook.Claim{Limit: each, PerEndpoint: 1})
			if len(claimed) == 0 {
				break
			}
			if n%(endpoints/each) == 0 {
				left, claimed = append(left, claimed[0]), claimed[1:]
			}
			end(t, s, claimed)
		}
		if err := s.Check(); err != nil {
			t.Error(err)
		}
		if kept := heap() - before; kept > 40*len(left) {
			t.Errorf("%d deliveries of claims of %d keep %d KiB, want at most 40 each", len(left), each, kept)
		}
		end(t, s, left[1:])
		for i := range 20_000 { // a term each
			b := batch(fmt.Sprintf("taken%d a", i))
			b.Take = &webhook.Take{Wanted: []int{0}, Lease: lease}
			if _, err := s.Enqueue(t.Context(), b); err != nil || len(b.Take.Taken) != 1 {
				t.Fatalf("Enqueue took %v, %v, want the first", b.Take.Taken, err)
			}
		}
		for i := range 20_000 {
			settle(t, s, webhook.Settlement{ID: fmt.Sprintf("taken%d", i), EndpointID: "a", Token: 1, State: webhook.Delivered})
		}
		if kept := heap() - before; kept > 512 {
			t.Errorf("with one lease the store keeps %d KiB, want at most 512", kept)
		}
		end(t, s, left[:1])
		claim(t, s, webhook.Claim{})
		if kept := heap() - before; kept > 160 {
			t.Errorf("an empty store keeps %d KiB, want at most 160", kept)
		}
		if err := s.Check(); err != nil {
			t.Error(err)
		}
	}
}
