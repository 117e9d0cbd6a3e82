package crash_test

import (
	"context"
	"testing"
)

// verdict is what a test of kills found. All but repeated must be zero.
type verdict struct {
	lost     int // accepted deliveries that were never acknowledged
	undone   int // requests for events whose transaction did not commit
	extra    int // repeats of a delivery beyond the crashes that left it unsettled
	over     int // kills that left more unsettled than Config allows
	repeated int // acknowledged again
}

func (v *verdict) add(o verdict) {
	v.lost += o.lost
	v.undone += o.undone
	v.extra += o.extra
	v.over += o.over
	v.repeated += o.repeated
}

func (v *verdict) broken() bool { return v.lost+v.undone+v.extra+v.over > 0 }

// undone counts requests since the last call for events that must not exist:
// a request for one whose transaction commits later would be too early.
func (k *killing) undone(t *testing.T, orders map[int64]bool) int {
	t.Helper()
	n := 0
	for _, a := range k.to.since(k.judged) {
		k.judged++
		if a.event.Kind == "undone" || a.event.Kind == "committed" && !orders[a.event.N] {
			n++
		}
	}
	return n
}

// judge compares what was promised in all with what arrived.
func (k *killing) judge(t *testing.T) {
	t.Helper()
	b := k.open(t)
	defer b.close()
	orders := k.orders(t, b)
	last := verdict{undone: k.undone(t, orders)}
	acked := k.to.acked()
	exposed := 0
	for d, n := range acked {
		delete(k.waiting, d)
		exposed += k.exposures[d]
		last.repeated += n - max(k.acked[d], 1)
		last.extra += max(n-1-k.exposures[d], 0)
	}
	last.lost = len(k.waiting) + k.swallowed(orders)
	k.found.add(last)
	t.Logf("%s: %d events accepted, %d orders committed, %d events refused; %d deliveries acknowledged, %d lost, %d requests for what was rolled back; "+
		"%d repeated of %d that crashes left unsettled, %d beyond that; %d crashes left more than %d",
		k.kind, len(k.accepted), len(orders), k.refused, len(acked), k.found.lost, k.found.undone,
		k.found.repeated, exposed, k.found.extra, k.found.over, bound)
	if len(k.accepted) == 0 || len(orders) == 0 || len(acked) == 0 {
		t.Error("nothing was accepted or delivered: the test tests nothing")
	}
}

// swallowed counts the lost deliveries of events that were committed, though
// the crash swallowed the answer.
func (k *killing) swallowed(orders map[int64]bool) int {
	arrived := map[int64]map[string]bool{}
	for _, a := range k.to.since(0) {
		if a.acked {
			if arrived[a.event.N] == nil {
				arrived[a.event.N] = map[string]bool{}
			}
			arrived[a.event.N][a.endpoint] = true
		}
	}
	lost := 0
	for n := range orders {
		if k.accepted[n] == "" {
			lost += len(endpointNames()) - len(arrived[n])
		}
	}
	return lost
}

func (k *killing) orders(t *testing.T, b *backend) map[int64]bool {
	t.Helper()
	orders, err := b.orders(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return orders
}
