package webhook

import (
	"testing"

	"github.com/outhook/outhook/retry"
)

// What is not given back is not taken from the memory that many calls share: a
// small event that waits would hold that of a large one.
func TestSharedMemoryIsForWhatGoesBack(t *testing.T) {
	stored, volatile := retry.AtLeastOnce(), retry.FireAndForget()
	d := &Dispatcher{policies: map[string]*retry.Policy{stored.Name: &stored, volatile.Name: &volatile}}
	endpoints := func(policies ...string) []*Endpoint {
		var list []*Endpoint
		for _, p := range policies {
			list = append(list, &Endpoint{Policy: p})
		}
		return list
	}
	type outbox struct{ Outbox }
	for _, tt := range []struct {
		name      string
		endpoints []*Endpoint
		outbox    Outbox
	}{
		{"volatile", endpoints("fire-and-forget", "fire-and-forget"), nil},
		{"mixed", endpoints("at-least-once", "fire-and-forget"), nil},
		{"unknown", endpoints("at-least-once", "gone"), nil},
		{"in a transaction", endpoints("at-least-once", "at-least-once"), outbox{}},
	} {
		d.many.put(make([]Delivery, 1000))
		if got := d.parts(tt.endpoints, tt.outbox).deliveries; cap(got) != len(tt.endpoints) {
			t.Errorf("%s: %d places for %d deliveries", tt.name, cap(got), len(tt.endpoints))
		}
	}
}
