package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
	"github.com/outhook/outhook/webhook/storetest"
)

// tally counts the calls that reach a queue.
type tally struct {
	webhook.Queue
	calls map[string]int
}

func (q *tally) Enqueue(context.Context, *webhook.Batch) ([]webhook.Existing, error) { return nil, nil }

func (q *tally) Claim(context.Context, webhook.Claim) ([]webhook.Claimed, error) {
	q.calls["Claim"]++
	return []webhook.Claimed{{Token: 1}}, nil
}

func (q *tally) Park(context.Context, []webhook.Park) error {
	q.calls["Park"]++
	return nil
}

func TestFaulty(t *testing.T) {
	for _, tt := range []struct {
		name    string
		fault   storetest.Fault
		wantErr bool
		calls   int
		claimed int
	}{
		{name: "none", fault: storetest.NoFault, calls: 1, claimed: 1},
		{name: "before", fault: storetest.Before, wantErr: true},
		{name: "after", fault: storetest.After, wantErr: true, calls: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inner := &tally{calls: map[string]int{}}
			q := storetest.Faulty(inner, storetest.Faults{Decide: func(string, int) storetest.Fault { return tt.fault }})
			got, err := q.Claim(t.Context(), webhook.Claim{})
			if errors.Is(err, storetest.ErrFault) != tt.wantErr || len(got) != tt.claimed || inner.calls["Claim"] != tt.calls {
				t.Errorf("Claim() = %d deliveries, %v after %d calls, want %d, fault %v, %d calls",
					len(got), err, inner.calls["Claim"], tt.claimed, tt.wantErr, tt.calls)
			}
			if err := q.Park(t.Context(), nil); errors.Is(err, storetest.ErrFault) != tt.wantErr || inner.calls["Park"] != tt.calls {
				t.Errorf("Park() = %v after %d calls, want fault %v, %d calls", err, inner.calls["Park"], tt.wantErr, tt.calls)
			}
		})
	}
}

// outcomes lists what became of n calls of Claim.
func outcomes(t *testing.T, f storetest.Faults, n int) []string {
	t.Helper()
	inner := &tally{calls: map[string]int{}}
	q := storetest.Faulty(inner, f)
	out := make([]string, n)
	for i := range out {
		was := inner.calls["Claim"]
		_, err := q.Claim(t.Context(), webhook.Claim{})
		switch {
		case err == nil:
			out[i] = "ok"
		case inner.calls["Claim"] > was:
			out[i] = "after"
		default:
			out[i] = "before"
		}
	}
	return out
}

func TestFaultyRepeats(t *testing.T) {
	const n = 4000
	f := storetest.Faults{Seed: 3, Before: 0.1, After: 0.3}
	first := outcomes(t, f, n)
	if !slices.Equal(first, outcomes(t, f, n)) {
		t.Errorf("the same seed gave other faults")
	}
	count := map[string]int{}
	for _, o := range first {
		count[o]++
	}
	if b, a := count["before"], count["after"]; b < n*8/100 || b > n*12/100 || a < n*27/100 || a > n*33/100 {
		t.Errorf("of %d calls %d failed before and %d after, want a tenth and three tenths", n, b, a)
	}
	f.Seed++
	if slices.Equal(first, outcomes(t, f, n)) {
		t.Errorf("another seed gave the same faults")
	}
}

func TestFaultyOffers(t *testing.T) {
	m := newModel()
	full := storetest.Offers(t, storetest.Store{Queue: storetest.Faulty(m, storetest.Faults{})})
	want := storetest.BatchOutbox | storetest.Extender | storetest.RateLimiter | storetest.History |
		storetest.Canceler | storetest.Counter | storetest.Purger | storetest.Take
	if full != want {
		t.Errorf("Faulty(full store) offers %v, want %v", full, want)
	}
	want &^= storetest.BatchOutbox
	if got := storetest.Offers(t, storetest.Store{Queue: storetest.Faulty(newModel().Store, storetest.Faults{})}); got != want {
		t.Errorf("Faulty(memstore) offers %v, want %v", got, want)
	}
	plain := storetest.Offers(t, storetest.Store{Queue: storetest.Faulty(&tally{}, storetest.Faults{})})
	if plain != 0 {
		t.Errorf("Faulty(plain queue) offers %v, want none", plain)
	}
}

// TestFaultyWithoutFaults runs the suite through the wrapper: it changes
// nothing where it plants nothing.
func TestFaultyWithoutFaults(t *testing.T) {
	for _, name := range storetest.CaseNames() {
		if name == "listen/wakes" || name == "listen/commit" {
			continue // not passed on
		}
		faults := storetest.Play(t, name, func(t *testing.T) storetest.Store {
			t.Helper()
			s := open(t)
			peer := s.Peer
			s.Queue = storetest.Faulty(s.Queue, storetest.Faults{})
			s.Peer = func(t *testing.T) storetest.Store {
				t.Helper()
				p := peer(t)
				p.Queue = storetest.Faulty(p.Queue, storetest.Faults{})
				return p
			}
			return s
		}, virtual())
		for _, f := range faults {
			t.Errorf("%s: %s", name, f)
		}
	}
}

func TestOffers(t *testing.T) {
	if got := storetest.Offers(t, open(t)); got != storetest.All {
		t.Errorf("offers(model) = %v, want %v", got, storetest.All)
	}
	s := memstore.New(memstore.Options{})
	bare := storetest.Store{Queue: webhook.Queue(&tally{}), Endpoints: struct{ webhook.EndpointStore }{s}}
	if got := storetest.Offers(t, bare); got != 0 {
		t.Errorf("offers(bare queue, endpoints without a way to register) = %v, want none", got)
	}
	bare.Register = s.Set
	if got := storetest.Offers(t, bare); got != storetest.EndpointStore {
		t.Errorf("offers(bare queue, endpoints with Register) = %v, want EndpointStore", got)
	}
}

func TestFeaturesString(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  storetest.Features
		want string
	}{
		{name: "none", want: "none"},
		{name: "one", set: storetest.Purger, want: "Purger"},
		{name: "two", set: storetest.Corruption | storetest.EndpointStore, want: "EndpointStore|Corruption"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.set.String(); got != tt.want {
				t.Errorf("Features(%d).String() = %q, want %q", tt.set, got, tt.want)
			}
		})
	}
}

func ExampleFaulty() {
	ctx := context.Background()
	store := memstore.New(memstore.Options{})
	queue := storetest.Faulty(store, storetest.Faults{Decide: func(method string, n int) storetest.Fault {
		if method == "Enqueue" && n == 1 {
			return storetest.After
		}
		return storetest.NoFault
	}})
	batch := &webhook.Batch{
		Message:    &webhook.Message{ID: "msg_1", Type: "link.clicked", Bodies: []webhook.Body{{Variant: "json"}}},
		Deliveries: []webhook.Delivery{{ID: "dlv_1", MessageID: "msg_1", EndpointID: "a", State: webhook.Pending}},
	}
	for range 2 {
		_, err := queue.Enqueue(ctx, batch)
		fmt.Println(err)
	}
	counts, err := store.Counts(ctx)
	fmt.Println(counts.Pending, err)
	// Output:
	// storetest: planted fault after call 1 of Enqueue
	// <nil>
	// 1 <nil>
}

func ExampleFaultyEndpoints() {
	endpoints := storetest.FaultyEndpoints(memstore.New(memstore.Options{}), storetest.Faults{Seed: 1, Before: 1})
	_, err := endpoints.Endpoints(context.Background(), []string{"a"})
	fmt.Println(errors.Is(err, storetest.ErrFault), err)
	// Output:
	// true storetest: planted fault before call 1 of Endpoints
}
