package memstore_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

func TestSettleHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		enqueue(t, s, "1 a", "2 a", "3 a", "4 a", "5 b", "6 a")
		claimed := wantClaim(t, s, webhook.Claim{}, "1", "5", "2", "3", "4", "6")
		item := func(i int, h webhook.Health) webhook.Settlement {
			it := settlement(claimed[i], webhook.Failed)
			it.Health = h
			return it
		}
		want := func(got webhook.Settled, want ...webhook.EndpointHealth) {
			t.Helper()
			if len(got.Stale) > 0 || !slices.Equal(got.Failing, want) {
				t.Errorf("Settle = %+v, want failing %+v", got, want)
			}
		}
		want(settle(t, s, item(0, webhook.Failing)), webhook.EndpointHealth{EndpointID: "a", Failures: 1})
		time.Sleep(time.Second)
		want(settle(t, s, item(2, webhook.Failing), item(3, webhook.Failing)),
			webhook.EndpointHealth{EndpointID: "a", Failures: 3, FailingFor: time.Second, WasFailures: 1})
		time.Sleep(time.Second)
		want(settle(t, s, item(4, webhook.NoSign), item(1, webhook.Healthy)))
		stale := item(2, webhook.Healthy)
		if got := settle(t, s, stale, item(5, webhook.Failing)); !slices.Equal(got.Stale, []int{0}) || !slices.Equal(got.Failing, []webhook.EndpointHealth{{
			EndpointID: "a", Failures: 4, FailingFor: 2 * time.Second, WasFailures: 3, WasFailingFor: time.Second,
		}}) {
			t.Errorf("Settle = %+v, want item 0 stale, 4 failures in 2s after 3 in 1s", got)
		}
		enqueue(t, s, "7 a", "8 a", "9 a")
		claimed = wantClaim(t, s, webhook.Claim{}, "7", "8", "9")
		want(settle(t, s, item(0, webhook.Failing), item(1, webhook.Healthy), item(2, webhook.Failing)), webhook.EndpointHealth{
			EndpointID: "a", Failures: 1, WasFailures: 4, WasFailingFor: 2 * time.Second,
		})
		enqueue(t, s, "10 a", "11 a")
		claimed = wantClaim(t, s, webhook.Claim{}, "10", "11")
		want(settle(t, s, item(0, webhook.Failing), item(1, webhook.Healthy)))
	})
}

func TestSettleRefuses(t *testing.T) {
	s := memstore.New(memstore.Options{})
	enqueue(t, s, "1 a", "2 a")
	claimed := claim(t, s, webhook.Claim{})
	items := []webhook.Settlement{settlement(claimed[0], webhook.Delivered), settlement(claimed[1], webhook.Running)}
	if _, err := s.Settle(t.Context(), items); err == nil {
		t.Error("Settle as running returned no error")
	}
	wantState(t, s, "1", webhook.Running)
}

func TestSettleUnsent(t *testing.T) {
	s := memstore.New(memstore.Options{})
	enqueue(t, s, "1 a")
	for range 3 {
		c := wantClaim(t, s, webhook.Claim{}, "1")[0]
		if c.Delivery.Attempts != 1 || c.Expired {
			t.Errorf("claim has attempts %d, expired %v, want 1, false", c.Delivery.Attempts, c.Expired)
		}
		it := settlement(c, webhook.Pending)
		it.Unsent = true
		settle(t, s, it)
		if got := settle(t, s, it); len(got.Stale) != 1 {
			t.Errorf("Settle twice = %+v, want stale", got)
		}
	}
}

func TestCancel(t *testing.T) {
	s := memstore.New(memstore.Options{})
	enqueue(t, s, "1 a", "2 b", "3 c")
	park(t, s, webhook.Park{EndpointID: "c", For: time.Hour, Hold: true})
	claimed := wantClaim(t, s, webhook.Claim{Skip: []string{"b"}}, "1")
	for _, tt := range []struct {
		id   string
		want error
	}{
		{id: "1", want: webhook.ErrRunning},
		{id: "2"},
		{id: "2", want: webhook.ErrNotFound},
		{id: "3"},
		{id: "none", want: webhook.ErrNotFound},
	} {
		wantErr(t, "Cancel("+tt.id+")", s.Cancel(t.Context(), tt.id, "by hand"), tt.want)
	}
	end(t, s, claimed)
	wantErr(t, "Cancel of a final one", s.Cancel(t.Context(), "1", ""), webhook.ErrNotFound)
	wantClaim(t, s, webhook.Claim{})
	if d, _, err := s.Delivery(t.Context(), "3"); err != nil || d.State != webhook.Cancelled || d.Reason != "by hand" {
		t.Errorf("Delivery(3) = %+v, %v, want cancelled by hand", d, err)
	}
}
