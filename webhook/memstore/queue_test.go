package memstore_test

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

func TestEnqueueKeepsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		inline := &webhook.Endpoint{URL: "https://example.com/"}
		m := message("msg_1", 10)
		m.EventID = "event"
		all := []webhook.Delivery{
			{ID: "plain", EndpointID: "a", Policy: "p1", State: webhook.Pending},
			{ID: "event", EndpointID: "b", Policy: "p1", State: webhook.Pending, Dedup: "event", Key: "k"},
			{ID: "own", EndpointID: "c", Policy: "p2", State: webhook.Pending, Dedup: "own", Key: "other", Of: "old"},
			{ID: "ordered", EndpointID: "d", State: webhook.Pending, Ordered: true, Key: "k", Inline: inline},
			{ID: "gone", EndpointID: "e", State: webhook.Cancelled, Reason: "disabled", Body: 3},
			{ID: "failed", EndpointID: "e", State: webhook.Failed, Reason: "no encoder", Ordered: true, Key: "k2"},
		}
		for i := range all {
			all[i].MessageID = m.ID
		}
		if _, err := s.Enqueue(t.Context(), &webhook.Batch{Message: m, Deliveries: slices.Clone(all)}); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		for _, want := range all {
			got, gotMessage, err := s.Delivery(t.Context(), want.ID)
			if err != nil {
				t.Fatal(err)
			}
			if gotMessage != m {
				t.Errorf("Delivery(%s) has another message", want.ID)
			}
			wantDue, wantEnded := now, time.Time{}
			if want.State.Final() {
				wantDue, wantEnded = time.Time{}, now
			}
			if !got.Created.Equal(now) || !got.Due.Equal(wantDue) || !got.Ended.Equal(wantEnded) {
				t.Errorf("Delivery(%s): created %v, due %v, ended %v, want %v, %v, %v", want.ID, got.Created, got.Due, got.Ended, now, wantDue, wantEnded)
			}
			got.Created, got.Due, got.Ended = time.Time{}, time.Time{}, time.Time{}
			if !reflect.DeepEqual(*got, want) {
				t.Errorf("Delivery(%s) = %+v, want %+v", want.ID, *got, want)
			}
		}
		claimed := wantClaim(t, s, webhook.Claim{}, "plain", "event", "own", "ordered")
		if got := claimed[3]; got.Delivery.Inline != inline || got.Message != m {
			t.Errorf("Claim returned inline %p and message %p, want %p, %p", got.Delivery.Inline, got.Message, inline, m)
		}
	})
}

func TestEnqueueDedup(t *testing.T) {
	for _, eventID := range []string{"", "e1"} {
		t.Run("event id "+strconv.Quote(eventID), func(t *testing.T) {
			s := memstore.New(memstore.Options{})
			first := batch("1 a", "2 b")
			first.Message.EventID = eventID
			for i := range first.Deliveries {
				first.Deliveries[i].Dedup = "e1"
			}
			if existing, err := s.Enqueue(t.Context(), first); err != nil || existing != nil {
				t.Fatalf("Enqueue = %v, %v", existing, err)
			}
			end(t, s, wantClaim(t, s, webhook.Claim{Limit: 1}, "1"))
			second := batch("3 a", "4 c", "5 b", "6 c", "7 a")
			for i := range second.Deliveries[:4] {
				second.Deliveries[i].Dedup = "e1"
			}
			want := []webhook.Existing{{Index: 0, ID: "1"}, {Index: 2, ID: "2"}, {Index: 3, ID: "4"}}
			if existing, err := s.Enqueue(t.Context(), second); err != nil || !slices.Equal(existing, want) {
				t.Errorf("Enqueue of some repeats = %v, %v, want %v", existing, err, want)
			}
			wantClaim(t, s, webhook.Claim{}, "2", "4", "7")
		})
	}
}

func TestEnqueueRetry(t *testing.T) {
	s := memstore.New(memstore.Options{})
	b := batch("1 a", "2 b")
	for range 3 {
		if existing, err := s.Enqueue(t.Context(), b); err != nil || existing != nil {
			t.Errorf("Enqueue = %v, %v, want none existing, no error", existing, err)
		}
	}
	wantClaim(t, s, webhook.Claim{}, "1", "2")
}

func TestEnqueueRefuses(t *testing.T) {
	running, nameless := batch("1 a"), batch("1 a")
	running.Deliveries[0].State = webhook.Running
	nameless.Deliveries[0].ID = ""
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name  string
		ctx   context.Context //nolint:containedctx // a row of a table
		batch *webhook.Batch
	}{
		{name: "nil", ctx: t.Context()},
		{name: "no message", ctx: t.Context(), batch: &webhook.Batch{}},
		{name: "running", ctx: t.Context(), batch: running},
		{name: "no id", ctx: t.Context(), batch: nameless},
		{name: "cancelled", ctx: cancelled, batch: batch("1 a")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := memstore.New(memstore.Options{})
			if _, err := s.Enqueue(tt.ctx, tt.batch); err == nil {
				t.Error("Enqueue returned no error")
			}
			if _, err := s.InTx(s.Begin()).Enqueue(tt.ctx, tt.batch); err == nil {
				t.Error("Enqueue in a transaction returned no error")
			}
			wantClaim(t, s, webhook.Claim{})
		})
	}
}

func TestMaxPending(t *testing.T) {
	s := memstore.New(memstore.Options{MaxPending: 3})
	enqueue(t, s, "1 a", "2 a")
	_, err := s.Enqueue(t.Context(), batch("3 a", "4 a"))
	wantErr(t, "Enqueue of one too many", err, webhook.ErrFull)
	again := batch("1 a", "2 a", "5 a") // only one of them is new
	if _, err := s.Enqueue(t.Context(), again); err != nil {
		t.Errorf("Enqueue of what fits = %v", err)
	}
	gone := batch("6 a")
	gone.Deliveries[0].State = webhook.Cancelled
	if _, err := s.Enqueue(t.Context(), gone); err != nil {
		t.Errorf("Enqueue of a cancelled delivery = %v", err)
	}
	end(t, s, wantClaim(t, s, webhook.Claim{Limit: 1}, "1"))
	enqueue(t, s, "7 a")
	wantClaim(t, s, webhook.Claim{}, "2", "5", "7")
}

func TestMaxBytes(t *testing.T) {
	s := memstore.New(memstore.Options{MaxBytes: 250})
	enqueue(t, s, "1 a", "2 a")
	_, err := s.Enqueue(t.Context(), batch("3 a"))
	wantErr(t, "Enqueue of a body too many", err, webhook.ErrFull)
	repeat := batch("4 b")
	repeat.Message = message("msg_1", 100)
	if _, err := s.Enqueue(t.Context(), repeat); err != nil {
		t.Errorf("Enqueue of a message that is there = %v", err)
	}
	end(t, s, wantClaim(t, s, webhook.Claim{PerEndpoint: 1}, "1", "4"))
	enqueue(t, s, "5 a") // the history gives way
	if _, _, err := s.Delivery(t.Context(), "1"); err == nil {
		t.Error("Delivery(1) is there, want it forgotten for its bytes")
	}
	wantClaim(t, s, webhook.Claim{}, "2", "5")
	_, err = s.Enqueue(t.Context(), &webhook.Batch{Message: message("huge", 300), Deliveries: batch("6 a").Deliveries})
	wantErr(t, "Enqueue of a body that never fits", err, webhook.ErrFull)
}

func TestMaxHistory(t *testing.T) {
	for _, tt := range []struct {
		name string
		max  int
		want []string
	}{
		{name: "two", max: 2, want: []string{"4", "3"}},
		{name: "none", max: -1},
		{name: "default", want: []string{"4", "3", "2", "1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := memstore.New(memstore.Options{MaxHistory: tt.max})
			for i := range 4 {
				b := batch(strconv.Itoa(i+1) + " a")
				b.Deliveries[0].Dedup = "e" + strconv.Itoa(i+1)
				if _, err := s.Enqueue(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			}
			end(t, s, claim(t, s, webhook.Claim{}))
			list, _, err := s.Deliveries(t.Context(), webhook.HistoryQuery{})
			if err != nil || !slices.Equal(ids(list), tt.want) {
				t.Errorf("Deliveries = %v, %v, want %v", ids(list), err, tt.want)
			}
			b := batch("again a")
			b.Deliveries[0].Dedup = "e1"
			existing, err := s.Enqueue(t.Context(), b)
			if wantExisting := slices.Contains(tt.want, "1"); err != nil || len(existing) == 1 != wantExisting {
				t.Errorf("Enqueue of a repeat = %v, %v, want existing %v", existing, err, wantExisting)
			}
		})
	}
}

// TestMemoryComesBack fills and drains a store, and looks at the heap.
func TestMemoryComesBack(t *testing.T) {
	const n = 50_000
	s := memstore.New(memstore.Options{MaxHistory: -1})
	before := heapInUse()
	for i := range n {
		b := fanOut(i, i%100, 1, 100, "event"+strconv.Itoa(i))
		b.Deliveries[0].Ordered = i%2 == 0
		b.Deliveries[0].Key = strconv.Itoa(i % 1000)
		if _, err := s.Enqueue(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	full := heapInUse() - before
	for claimed := claim(t, s, webhook.Claim{Limit: 1000}); len(claimed) > 0; claimed = claim(t, s, webhook.Claim{Limit: 1000}) {
		items := make([]webhook.Settlement, len(claimed))
		for i := range claimed {
			items[i] = settlement(claimed[i], webhook.Delivered)
		}
		settle(t, s, items...)
	}
	empty := heapInUse() - before
	if full < 10<<20 || empty > 1<<20 {
		t.Errorf("%d deliveries took %d bytes, and %d were left without them; want at most 1 MiB left", n, full, empty)
	}
	runtime.KeepAlive(s)
}

// TestIdleEndpoints shows that endpoints without deliveries are remembered
// for their standing, and no more of them than are allowed.
func TestIdleEndpoints(t *testing.T) {
	s := memstore.New(memstore.Options{MaxEndpoints: 10})
	for i := range 20 {
		park(t, s, webhook.Park{EndpointID: fmt.Sprintf("ep%d", i), For: time.Hour})
	}
	for i := range 20 {
		enqueue(t, s, fmt.Sprintf("%d ep%d", i, i))
	}
	if got := claim(t, s, webhook.Claim{}); len(got) != 10 {
		t.Errorf("%d deliveries were claimed, want those of the 10 endpoints whose parking was forgotten", len(got))
	}
}
