package pgxstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/pgxstore"
)

// TestAttemptsOfABatch settles deliveries with and without an attempt by one
// call: each has its own in the history, whatever its texts hold.
func TestAttemptsOfABatch(t *testing.T) {
	p := pool(t, place(t), nil)
	tables(t, p)
	ctx := context.Background()
	s := open(t, p, pgxstore.Options{NotifyEvery: -1})
	attempt := func(text string) *webhook.Attempt {
		return &webhook.Attempt{Number: 1, Outcome: retry.Accepted, Status: 200, Error: text}
	}
	for _, tt := range []struct {
		name     string
		attempts []*webhook.Attempt
	}{
		{name: "one without", attempts: []*webhook.Attempt{nil}},
		{name: "one", attempts: []*webhook.Attempt{attempt("")}},
		{name: "two without", attempts: []*webhook.Attempt{nil, nil}},
		{name: "first and last without", attempts: []*webhook.Attempt{nil, attempt("two\nlines"), attempt(`\n,"{}" NULL`), nil}},
		{name: "one between", attempts: []*webhook.Attempt{attempt("\\"), nil, attempt("\r\x00\u2028")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := batch(tt.name, "a", "b", "c", "d")
			b.Deliveries = b.Deliveries[:len(tt.attempts)]
			if _, err := s.Enqueue(ctx, b); err != nil {
				t.Fatal(err)
			}
			got, err := s.Claim(ctx, webhook.Claim{Limit: 10, Lease: time.Minute})
			if err != nil || len(got) != len(tt.attempts) {
				t.Fatalf("Claim = %d deliveries, %v, want %d", len(got), err, len(tt.attempts))
			}
			items := settlements(got)
			for i := range items {
				items[i].Attempt = tt.attempts[i]
			}
			if res, err := s.Settle(ctx, items); err != nil || len(res.Stale) > 0 {
				t.Fatalf("Settle = %v, %v", res, err)
			}
			for i := range items {
				found, err := s.Attempts(ctx, items[i].ID)
				switch want := tt.attempts[i]; {
				case err != nil:
					t.Error(err)
				case want == nil && len(found) > 0:
					t.Errorf("Attempts of item %d = %v, want none", i, found)
				case want != nil && (len(found) != 1 || found[0].Status != 200 || want.Error == "two\nlines" && found[0].Error != want.Error):
					t.Errorf("Attempts of item %d = %+v, want %+v", i, found, want)
				}
			}
		})
	}
}

// TestSettlesByTheCallersID settles what was taken under an id that is no UTF-8,
// which the caller knows as it was.
func TestSettlesByTheCallersID(t *testing.T) {
	p := pool(t, place(t), nil)
	tables(t, p)
	s := open(t, p, pgxstore.Options{NotifyEvery: -1})
	for _, state := range []webhook.State{webhook.Pending, webhook.Delivered} {
		b := batch(state.String(), "e")
		b.Deliveries[0].ID = "dlv_\xff\xfe" + state.String()
		b.Take = &webhook.Take{Wanted: []int{0}, Lease: time.Minute}
		if _, err := s.Enqueue(t.Context(), b); err != nil || len(b.Take.Taken) != 1 {
			t.Fatalf("Enqueue took %v, %v, want one", b.Take.Taken, err)
		}
		res, err := s.Settle(t.Context(), []webhook.Settlement{{ID: b.Deliveries[0].ID, EndpointID: "e", Token: b.Take.Token, State: state}})
		if err != nil || len(res.Stale) > 0 {
			t.Errorf("Settle to %v = %+v, %v, want it done", state, res, err)
		}
	}
}
