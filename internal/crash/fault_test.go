package crash_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

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

// EnqueueAll loses one batch in ten, and says that it is stored.
func (f *faulty) EnqueueAll(ctx context.Context, all []*webhook.Batch) ([][]webhook.Existing, error) {
	if f.fault == "lose" && f.calls.Add(1)%10 == 0 {
		return make([][]webhook.Existing, len(all)), nil
	}
	return f.allOf.EnqueueAll(ctx, all)
}

// Claim hides nothing for longer than a moment.
func (f *faulty) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Claimed, error) {
	if f.fault == "repeat" {
		c.Lease = time.Millisecond
	}
	return f.allOf.Claim(ctx, c)
}

// Settle never comes.
func (f *faulty) Settle(ctx context.Context, items []webhook.Settlement) (webhook.Settled, error) {
	if f.fault == "hoard" {
		<-ctx.Done()
		return webhook.Settled{}, ctx.Err()
	}
	return f.allOf.Settle(ctx, items)
}
