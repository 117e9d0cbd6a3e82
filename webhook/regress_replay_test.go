package webhook_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/webhooktest"
)

func onlyAtMostOnce(c *webhook.Config) { c.Policies = []retry.Policy{retry.AtMostOnce()} }

// What exceeds Limit is left for another call, which goes on where one ended.
func TestReplayGoesOnWhereItsLimitEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, onlyAtMostOnce)
		recv := r.net.Receiver("a.example", webhooktest.Statuses(500, 500, 500, 200)...)
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		r.run()
		start := time.Now()
		for i := range 3 {
			r.dispatch(leadCreated{Email: strconv.Itoa(i)}, link1)
			r.end()
		}
		for range 3 {
			if n, err := r.d.Replay(t.Context(), webhook.Replay{EndpointID: "a", Since: start, Limit: 1}); n != 1 || err != nil {
				t.Fatalf("Replay = %d, %v; want 1", n, err)
			}
			r.end()
		}
		got := map[string]int{}
		for _, q := range recv.Requests()[3:] {
			got[string(q.Body)]++
		}
		if len(got) != 3 {
			t.Errorf("three replays of one each sent %v; want each of the 3 failed messages once", got)
		}
		if n, err := r.d.Replay(t.Context(), webhook.Replay{EndpointID: "a", Since: start}); n != 0 || err != nil {
			t.Errorf("Replay when all is delivered = %d, %v; want 0", n, err)
		}
	})
}

// A repeat that fails counts in place of its original, not beside it.
func TestReplayOfAReplayDoesNotMultiply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config) {
			onlyAtMostOnce(c)
			c.Failing.OpenAfter = -1
		})
		recv := r.net.Receiver("a.example", webhooktest.Statuses(500)...)
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		r.run()
		start := time.Now()
		r.dispatch(leadCreated{Email: "x"}, link1)
		r.end()
		for range 5 {
			if n, err := r.d.Replay(t.Context(), webhook.Replay{EndpointID: "a", Since: start}); n != 1 || err != nil {
				t.Fatalf("Replay = %d, %v; want 1", n, err)
			}
			r.end()
		}
		if n := len(recv.Requests()); n != 6 {
			t.Errorf("one dispatch and 5 replays made %d requests, want 6", n)
		}
	})
}

// A delivery that never had a body is not replayed with another endpoint's.
func TestReplayNeverSendsAnotherEndpointsBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.net.Receiver("full.example")
		narrow := r.net.Receiver("narrow.example")
		r.set(webhook.Endpoint{ID: "full", Scope: link1, URL: "http://full.example/"})
		r.set(webhook.Endpoint{ID: "narrow", Name: "n", Scope: link1, URL: "http://narrow.example/", Fields: []string{"nope"}})
		r.run()
		start := time.Now()
		r.dispatch(leadCreated{Email: "secret@example.com"}, link1)
		r.end()
		if n, err := r.d.Replay(t.Context(), webhook.Replay{EndpointID: "narrow", Since: start}); n != 0 || err != nil {
			t.Errorf("Replay = %d, %v; want 0", n, err)
		}
		time.Sleep(time.Second)
		if q := narrow.Requests(); len(q) > 0 {
			t.Errorf("the endpoint whose allow-list is [nope] got %s", q[0].Body)
		}
	})
}

// What cannot be replayed does not keep a replay from what comes after it.
func TestReplayPassesWhatItCannotRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, onlyAtMostOnce)
		recv := r.net.Receiver("a.example", webhooktest.Statuses(500, 200)...)
		ep := webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/", Fields: []string{"nope"}}
		r.set(ep)
		r.run()
		start := time.Now()
		r.dispatch(leadCreated{Email: "x"}, link1) // fails by its Fields, without a body
		ep.Fields = nil
		r.set(ep)
		time.Sleep(2 * time.Second)
		r.dispatch(leadCreated{Email: "y"}, link1) // fails by its answer
		time.Sleep(time.Second)
		if n, err := r.d.Replay(t.Context(), webhook.Replay{EndpointID: "a", Since: start}); n != 1 || err != nil {
			t.Errorf("Replay = %d, %v; want 1", n, err)
		}
		time.Sleep(time.Second)
		if n := len(recv.Requests()); n != 2 {
			t.Errorf("%d requests, want the second delivery and its repeat", n)
		}
	})
}

// The receipt of a full repeat names the first delivery, and no new message.
func TestReceiptOfARepeatNamesNoMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.net.Receiver("a.example")
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		r.run()
		first := r.dispatch(leadCreated{Email: "x", ID: "e1"}, link1)
		r.end()
		again := r.dispatch(leadCreated{Email: "x", ID: "e1"}, link1)
		if again.MessageID != "" {
			t.Errorf("the repeat's MessageID = %q, want none: that message was not stored", again.MessageID)
		}
		if len(again.Deliveries) != 1 || !again.Deliveries[0].Existed || again.Deliveries[0].ID != first.Deliveries[0].ID {
			t.Errorf("the repeat's deliveries = %+v, want the first one's %s", again.Deliveries, first.Deliveries[0].ID)
		}
	})
}

// Two tenants that name one URL and one event id are two endpoints.
func TestInlineEndpointsOfTwoTenantsAreTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		recv := r.net.Receiver("a.example")
		r.run()
		for _, tenant := range []string{"a", "b"} {
			_, err := r.d.DispatchTo(t.Context(), leadCreated{Email: tenant, ID: "order-1"}, webhook.Endpoint{
				Scope: webhook.In("tenant", tenant), URL: "http://a.example/shared",
				Headers: []webhook.Header{{Name: "X-Tenant", Value: tenant}},
			})
			if err != nil {
				t.Fatalf("DispatchTo: %v", err)
			}
		}
		time.Sleep(time.Minute)
		seen := map[string]int{}
		for _, q := range recv.Requests() {
			seen[q.Header.Get("X-Tenant")]++
		}
		if seen["a"] != 1 || seen["b"] != 1 {
			t.Errorf("requests by tenant %v, want one each", seen)
		}
	})
}
