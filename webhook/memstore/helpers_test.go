package memstore_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

const lease = time.Minute

// batch is a message of its own with deliveries, each written as "id endpoint"
// or, for an ordered one, "id endpoint key".
func batch(deliveries ...string) *webhook.Batch {
	b := &webhook.Batch{}
	for _, text := range deliveries {
		var d webhook.Delivery
		d.State = webhook.Pending
		d.Policy = "standard"
		if n, _ := fmt.Sscan(text, &d.ID, &d.EndpointID, &d.Key); n == 3 {
			d.Ordered = true
		}
		if b.Message == nil {
			b.Message = message("msg_"+d.ID, 100)
		}
		d.MessageID = b.Message.ID
		b.Deliveries = append(b.Deliveries, d)
	}
	return b
}

// enqueue stores each delivery with a message of its own.
func enqueue(t *testing.T, s webhook.Outbox, deliveries ...string) {
	t.Helper()
	for _, d := range deliveries {
		if existing, err := s.Enqueue(t.Context(), batch(d)); err != nil || len(existing) > 0 {
			t.Fatalf("Enqueue(%s) = %v, %v, want nothing existing, no error", d, existing, err)
		}
	}
}

func claim(t *testing.T, s webhook.Queue, c webhook.Claim) []webhook.Claimed {
	t.Helper()
	if c.Lease == 0 {
		c.Lease = lease
	}
	if c.Limit == 0 {
		c.Limit = 100
	}
	claimed, err := s.Claim(t.Context(), c)
	if err != nil {
		t.Fatalf("Claim(%+v): %v", c, err)
	}
	return claimed
}

// wantClaim claims, and checks which deliveries it got in which order.
func wantClaim(t *testing.T, s webhook.Queue, c webhook.Claim, want ...string) []webhook.Claimed {
	t.Helper()
	claimed := claim(t, s, c)
	var got []string
	for i := range claimed {
		got = append(got, claimed[i].Delivery.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("Claim(%+v) = %v, want %v", c, got, want)
	}
	return claimed
}

// settlement is what becomes of a claimed delivery.
func settlement(c webhook.Claimed, state webhook.State) webhook.Settlement {
	return webhook.Settlement{ID: c.Delivery.ID, EndpointID: c.Delivery.EndpointID, Token: c.Token, State: state}
}

func settle(t *testing.T, s webhook.Queue, items ...webhook.Settlement) webhook.Settled {
	t.Helper()
	res, err := s.Settle(t.Context(), items)
	if err != nil {
		t.Fatalf("Settle(%+v): %v", items, err)
	}
	return res
}

// end settles all of claimed as delivered.
func end(t *testing.T, s webhook.Queue, claimed []webhook.Claimed) {
	t.Helper()
	for _, c := range claimed {
		if res := settle(t, s, settlement(c, webhook.Delivered)); len(res.Stale) > 0 {
			t.Errorf("Settle(%s) is stale", c.Delivery.ID)
		}
	}
}

func park(t *testing.T, s webhook.Queue, parks ...webhook.Park) {
	t.Helper()
	if err := s.Park(t.Context(), parks); err != nil {
		t.Fatalf("Park(%+v): %v", parks, err)
	}
}

func wantState(t *testing.T, s *memstore.Store, id string, want webhook.State) {
	t.Helper()
	d, _, err := s.Delivery(t.Context(), id)
	if err != nil {
		t.Errorf("Delivery(%s): %v", id, err)
		return
	}
	if d.State != want {
		t.Errorf("Delivery(%s).State = %v, want %v", id, d.State, want)
	}
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s = %v, want %v", what, err, want)
	}
}

func ids(list []webhook.Delivery) []string {
	var got []string
	for i := range list {
		got = append(got, list[i].ID)
	}
	return got
}
