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

// pages reads all pages of q, and checks that each but the last is full.
func pages(t *testing.T, s *memstore.Store, q webhook.HistoryQuery) []string {
	t.Helper()
	var got []string
	for {
		list, cursor, err := s.Deliveries(t.Context(), q)
		if err != nil {
			t.Fatalf("Deliveries(%+v): %v", q, err)
		}
		got = append(got, ids(list)...)
		if cursor == "" {
			return got
		}
		if len(list) != q.Limit {
			t.Errorf("a page that is not the last has %d deliveries, want %d", len(list), q.Limit)
		}
		q.Cursor = cursor
	}
}

func TestDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		start := time.Now()
		// Minutes 0 to 9, each with one message for endpoints a and b.
		for i := range 10 {
			b := batch(fmt.Sprintf("a%d a", i), fmt.Sprintf("b%d b", i))
			if _, err := s.Enqueue(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		end(t, s, wantClaim(t, s, webhook.Claim{Limit: 2, Lease: time.Hour}, "a0", "b0"))
		wantClaim(t, s, webhook.Claim{Limit: 1, Lease: time.Hour}, "a1")
		park(t, s, webhook.Park{EndpointID: "b", For: time.Hour, Hold: true})
		repeat := batch("again a")
		repeat.Message = message("msg_a3", 10)
		repeat.Deliveries[0].Of = "a3"
		if _, err := s.Enqueue(t.Context(), repeat); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name string
			q    webhook.HistoryQuery
			want []string
		}{
			{name: "endpoint", q: webhook.HistoryQuery{EndpointID: "b"}, want: []string{"b9", "b8", "b7", "b6", "b5", "b4", "b3", "b2", "b1", "b0"}},
			{name: "message", q: webhook.HistoryQuery{MessageID: "msg_a3"}, want: []string{"again", "b3", "a3"}},
			{name: "message and endpoint", q: webhook.HistoryQuery{MessageID: "msg_a0", EndpointID: "a"}, want: []string{"a0"}},
			{name: "unknown message", q: webhook.HistoryQuery{MessageID: "none"}},
			{name: "unknown endpoint", q: webhook.HistoryQuery{EndpointID: "none"}},
			{name: "state", q: webhook.HistoryQuery{States: []webhook.State{webhook.Running, webhook.Delivered}}, want: []string{"a1", "b0", "a0"}},
			{name: "held", q: webhook.HistoryQuery{States: []webhook.State{webhook.Held}, Since: start.Add(7 * time.Minute)}, want: []string{"b9", "b8", "b7"}},
			{name: "times", q: webhook.HistoryQuery{Since: start.Add(2 * time.Minute), Until: start.Add(4 * time.Minute)}, want: []string{"b3", "a3", "b2", "a2"}},
		} {
			// No t.Run: a bubble has no subtests.
			for _, limit := range []int{1, 2, 3, 1000} {
				tt.q.Limit = limit
				if got := pages(t, s, tt.q); !slices.Equal(got, tt.want) {
					t.Errorf("%s: Deliveries(%+v) = %v, want %v", tt.name, tt.q, got, tt.want)
				}
			}
		}
		for _, cursor := range []string{"x", "-1", "99999"} {
			_, _, err := s.Deliveries(t.Context(), webhook.HistoryQuery{Cursor: cursor})
			wantErr(t, "Deliveries with cursor "+cursor, err, memstore.ErrCursor)
		}
	})
}

// TestDeliveriesSparse reads pages while most of the history is gone.
func TestDeliveriesSparse(t *testing.T) {
	s := memstore.New(memstore.Options{MaxHistory: -1})
	var want []string
	const n = 5000
	for i := range n {
		enqueue(t, s, fmt.Sprintf("%d a", i))
	}
	for i := range n {
		if i%37 == 0 || i > n-5 {
			want = append(want, strconv.Itoa(i))
			continue
		}
		if err := s.Cancel(t.Context(), strconv.Itoa(i), ""); err != nil {
			t.Fatal(err)
		}
	}
	slices.Reverse(want)
	for _, limit := range []int{7, 1000} {
		if got := pages(t, s, webhook.HistoryQuery{Limit: limit}); !slices.Equal(got, want) {
			t.Errorf("pages of %d = %v, want %v", limit, got, want)
		}
	}
	slices.Reverse(want)
	wantClaim(t, s, webhook.Claim{Limit: n}, want...)
}

func TestAttempts(t *testing.T) {
	s := memstore.New(memstore.Options{MaxAttempts: 5})
	enqueue(t, s, "1 a", "2 b")
	for i := range 4 {
		for _, c := range claim(t, s, webhook.Claim{}) {
			it := settlement(c, webhook.Pending)
			it.Attempt = &webhook.Attempt{DeliveryID: it.ID, Number: i + 1, Answer: []byte("no")}
			settle(t, s, it)
		}
	}
	for id, want := range map[string][]int{"1": {3, 4}, "2": {2, 3, 4}, "none": nil} {
		list, err := s.Attempts(t.Context(), id)
		var got []int
		for _, a := range list {
			got = append(got, a.Number)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Attempts(%s) = %v, %v, want the numbers %v", id, got, err, want)
		}
	}
}

func TestFinals(t *testing.T) {
	s := memstore.New(memstore.Options{MaxHistory: 4})
	follow := func(cursor string, limit int, want ...string) string {
		t.Helper()
		list, next, err := s.Finals(t.Context(), cursor, limit)
		if err != nil || !slices.Equal(ids(list), want) {
			t.Errorf("Finals(%q, %d) = %v, %v, want %v", cursor, limit, ids(list), err, want)
		}
		return next
	}
	follow("", 0)
	enqueue(t, s, "1 a", "2 a", "3 a")
	claimed := claim(t, s, webhook.Claim{})
	end(t, s, []webhook.Claimed{claimed[2], claimed[0]})
	gone := batch("4 b")
	gone.Deliveries[0].State = webhook.Cancelled
	if _, err := s.Enqueue(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	cursor := follow("", 2, "3", "1")
	cursor = follow(cursor, 2, "4")
	cursor = follow(cursor, 2)
	end(t, s, claimed[1:2])
	follow(cursor, 2, "2")
	enqueue(t, s, "5 a", "6 a")
	end(t, s, claim(t, s, webhook.Claim{}))
	follow("", 0, "4", "2", "5", "6") // the first two are forgotten
	follow(cursor, 1, "2")
	for _, bad := range []string{"x", "7"} {
		_, _, err := s.Finals(t.Context(), bad, 1)
		wantErr(t, "Finals("+bad+")", err, memstore.ErrCursor)
	}
}

func TestCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		want := func(want webhook.Counts) {
			t.Helper()
			if got, err := s.Counts(t.Context()); err != nil || got != want {
				t.Errorf("Counts = %+v, %v, want %+v", got, err, want)
			}
		}
		want(webhook.Counts{})
		enqueue(t, s, "1 a", "2 b", "3 c")
		time.Sleep(time.Second)
		park(t, s, webhook.Park{EndpointID: "c", For: time.Hour, Hold: true})
		want(webhook.Counts{Pending: 3, Oldest: time.Second})
		claimed := wantClaim(t, s, webhook.Claim{}, "1", "2")
		want(webhook.Counts{Pending: 1, Running: 2})
		it := settlement(claimed[0], webhook.Pending)
		it.Delay = 10 * time.Second
		settle(t, s, it)
		time.Sleep(12 * time.Second)
		want(webhook.Counts{Pending: 2, Running: 1, Oldest: 2 * time.Second})
		time.Sleep(lease)
		want(webhook.Counts{Pending: 3, Oldest: lease + 2*time.Second})
	})
}

func TestPurge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		for i := range 10 {
			enqueue(t, s, fmt.Sprintf("%d a", i))
			end(t, s, claim(t, s, webhook.Claim{}))
			time.Sleep(time.Minute)
		}
		enqueue(t, s, "open a")
		for _, tt := range []struct {
			purge webhook.Purge
			want  int
		}{
			{purge: webhook.Purge{}},
			{purge: webhook.Purge{Limit: 5}},
			{purge: webhook.Purge{Age: time.Hour, Keep: 10}},
			{purge: webhook.Purge{Age: 8 * time.Minute}, want: 2},
			{purge: webhook.Purge{Keep: 4, Limit: 3}, want: 3},
			{purge: webhook.Purge{Keep: 4, Limit: 3}, want: 1},
			{purge: webhook.Purge{Keep: 3, Age: time.Hour}, want: 1},
		} {
			if got, err := s.Purge(t.Context(), tt.purge); err != nil || got != tt.want {
				t.Errorf("Purge(%+v) = %d, %v, want %d", tt.purge, got, err, tt.want)
			}
		}
		if got, want := pages(t, s, webhook.HistoryQuery{Limit: 50}), []string{"open", "9", "8", "7"}; !slices.Equal(got, want) {
			t.Errorf("after Purge there are %v, want %v", got, want)
		}
		if _, _, err := s.Delivery(t.Context(), "0"); err == nil {
			t.Error("Delivery of what was purged returned no error")
		}
	})
}
