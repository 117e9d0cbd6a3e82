package webhook

import (
	"testing"
	"time"
)

// The memory of a batch that is written is used again, but not that of an item
// that is still tried by itself.
func TestSettlesReuse(t *testing.T) {
	s := newSettles()
	outcomeOf := func(id string) outcome {
		return outcome{item: Settlement{ID: id, Token: 1}, delivery: &Delivery{ID: id, Attempts: 1}}
	}
	s.add(outcomeOf("a"), outcomeOf("b"))
	first := s.take()
	lone := s.alone(first[1:])
	s.add(outcomeOf("c"))
	if got := s.take(); len(got) != 1 || got[0].item.ID != "c" {
		t.Fatalf("the second batch is %v, want c alone", got)
	}
	if first[0].delivery != nil || first[1].delivery != nil {
		t.Error("the memory of the first batch still holds its deliveries")
	}
	s.add(outcomeOf("d"))
	if &s.items[0] != &first[0] {
		t.Error("the third batch does not gather in the memory of the first")
	}
	if lone[0].item.ID != "b" {
		t.Errorf("the item that is tried by itself is now %q, want b", lone[0].item.ID)
	}
}

// A delivery that is claimed anew while its item is tried by itself is found
// there, and not in the batch that it came from.
func TestSettlesRenewAlone(t *testing.T) {
	s := newSettles()
	s.add(outcome{item: Settlement{ID: "a", Token: 1}, delivery: &Delivery{ID: "a", Attempts: 1}})
	lone := s.alone(s.take())
	if !s.renew(&Delivery{ID: "a", Attempts: 2}, 2, time.Now()) {
		t.Fatal("renew found nothing")
	}
	if lone[0].item.Token != 2 || lone[0].renewed != 1 {
		t.Errorf("token %d, renewed %d; want 2, 1", lone[0].item.Token, lone[0].renewed)
	}
}
