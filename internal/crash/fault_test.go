package crash_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/outhook/outhook/webhook"
)

// TestKillSees plants faults in the hosts that are killed: the test must see
// each, and nothing but it.
func TestKillSees(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fault string
		want  func(v verdict) bool
	}{
		{fault: "lose", want: func(v verdict) bool { return v.lost > 0 && v.undone+v.over == 0 }},
		{fault: "leak", want: func(v verdict) bool { return v.undone > 0 && v.lost+v.over == 0 }},
		{fault: "repeat", want: func(v verdict) bool { return v.extra > 0 && v.lost+v.undone == 0 }},
		{fault: "hoard", want: func(v verdict) bool { return v.over > 0 && v.lost+v.undone == 0 }},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			t.Parallel()
			if v := newKilling(t, "PostgreSQL", tt.fault).run(t, 3); !tt.want(v) {
				t.Errorf("with hosts that %s the verdict is %+v", tt.fault, v)
			}
		})
	}
}

// faulty is the store of a host with a fault.
type faulty struct {
	allOf

	fault string
	calls *atomic.Int64
}

func withFault(s allOf, fault string) allOf { //nolint:ireturn // it stands for a type
	if fault == "" {
		return s
	}
	return &faulty{allOf: s, fault: fault, calls: new(atomic.Int64)}
}

// EnqueueAll loses every second batch, the first one too, and says that it is stored.
func (f *faulty) EnqueueAll(ctx context.Context, all []*webhook.Batch) ([][]webhook.Existing, error) {
	if f.fault == "lose" && f.calls.Add(1)%2 == 1 {
		return make([][]webhook.Existing, len(all)), nil
	}
	return f.allOf.EnqueueAll(ctx, all)
}

// Settle never comes, or forgets what was delivered.
func (f *faulty) Settle(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
	switch f.fault {
	case "hoard":
		<-ctx.Done()
		return webhook.Settled{}, ctx.Err()
	case "repeat":
		items = slices.Clone(items)
		for i := range items {
			if items[i].State == webhook.Delivered {
				items[i].State, items[i].Delay = webhook.Pending, 0
			}
		}
	}
	return f.allOf.Settle(ctx, items)
}

// shows reports whether what the hosts do wrong has come as far as the receiver:
// how soon it does is the machine's affair, and no kill is to come before.
func (k *killing) shows() bool {
	if k.fault != "hoard" && k.fault != "repeat" {
		return true
	}
	fresh, often := 0, 0
	for d, n := range k.to.acked() {
		if n > k.acked[d] {
			fresh++
		}
		often = max(often, n-k.acked[d])
	}
	if k.fault == "hoard" {
		return fresh > bound
	}
	return often > 2 // one of them may be the crash's
}
