package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
)

func historyCases() []testCase {
	return []testCase{
		{
			name:        "history/life",
			explanation: "the history shows each delivery as it is: its state, attempts, times and reason, with its message",
			needs:       History,
			run:         historyLife,
		},
		{
			name:        "history/attempts",
			explanation: "every field of an attempt comes back, oldest first; stale and unsent settlements leave none",
			needs:       History,
			run:         historyAttempts,
		},
		{
			name:        "history/unknown",
			explanation: "a delivery that is unknown is ErrNotFound, also where its id looks like SQL",
			needs:       History,
			run:         historyUnknown,
		},
		{
			name:        "history/secrets",
			explanation: "what was masked stays masked: no listing, printed or as JSON, shows a secret of the endpoint",
			needs:       History,
			run:         historySecrets,
		},
	}
}

func (e *env) history() webhook.History {
	return e.Queue.(webhook.History) //nolint:forcetypeassert // the cases need it
}

func (e *env) recorded(ctx context.Context, id string) (*webhook.Delivery, *webhook.Message) {
	d, m, err := e.history().Delivery(ctx, id)
	e.ok(err, "Delivery")
	if d == nil || m == nil {
		e.fatalf("Delivery(%s) = %v, %v; want both", id, d, m)
	}
	return d, m
}

// shows compares what the store adds to a delivery.
func (e *env) shows(ctx context.Context, id string, state webhook.State, attempts int, reason string) *webhook.Delivery {
	d, _ := e.recorded(ctx, id)
	if d.State != state || d.Attempts != attempts || d.Reason != reason {
		e.errorf("the history shows State %v, Attempts %d, Reason %q; want %v, %d, %q", d.State, d.Attempts, d.Reason, state, attempts, reason)
	}
	if d.Created.IsZero() || d.Ended.IsZero() == state.Final() {
		e.errorf("a delivery that is %v has Created %v, Ended %v", state, d.Created, d.Ended)
	}
	if state.Final() && (!d.Due.IsZero() || d.Ended.Before(d.Created)) {
		e.errorf("a delivery that is %v has Created %v, Due %v, Ended %v", state, d.Created, d.Due, d.Ended)
	}
	return d
}

func historyLife(ctx context.Context, e *env) {
	b := e.event("event-1", "a")
	b.Deliveries[0].Ordered, b.Deliveries[0].Key = true, "k"
	b.Deliveries[0].Inline = fullEndpoint("a")
	id := b.Deliveries[0].ID
	e.enqueue(ctx, e.Queue, b)
	d, m := e.recorded(ctx, id)
	e.sameDelivery(b.Deliveries[0], *d)
	e.sameMessage(b.Message, m)
	created := e.shows(ctx, id, webhook.Pending, 0, "").Created

	got := e.one(ctx, e.Queue, webhook.Claim{})
	e.shows(ctx, id, webhook.Running, 1, "")
	it := item(got, webhook.Pending)
	it.Delay = 2 * e.tick
	e.settle(ctx, e.Queue, it)
	d = e.shows(ctx, id, webhook.Pending, 1, "")
	if wait := d.Due.Sub(d.Created); wait < it.Delay-grain {
		e.errorf("Due is %v after Created, want %v at least", wait, it.Delay)
	}
	e.eventually(ctx, "the retry", func() bool {
		again := e.claim(ctx, e.Queue, webhook.Claim{})
		if len(again) == 1 {
			got = again[0]
		}
		return len(again) == 1
	})
	last := item(got, webhook.Failed)
	last.Reason = "rejected: 422 ü"
	e.settle(ctx, e.Queue, last)
	d = e.shows(ctx, id, webhook.Failed, 2, "rejected: 422 ü")
	if !d.Created.Equal(created) {
		e.errorf("Created went from %v to %v", created, d.Created)
	}
	d, m = e.recorded(ctx, id)
	d.Reason = ""
	e.sameDelivery(b.Deliveries[0], *d)
	e.sameMessage(b.Message, m)
}

func attemptOf(c webhook.Claimed) *webhook.Attempt {
	return &webhook.Attempt{
		DeliveryID: c.Delivery.ID, MessageID: c.Message.ID, EndpointID: c.Delivery.EndpointID,
		Number: c.Delivery.Attempts, Outcome: retry.Retryable, Status: 503,
		Start: time.Date(2026, 5, 6, 7, 8, 9, 123_456_000, time.UTC), Duration: 1234 * time.Millisecond,
		Error: "answered 503: zu früh", Class: webhook.BadStatus,
		Method: "PUT", URL: "https://hooks.example.com/in?token=***",
		Header: []payload.Header{
			{Name: "content-type", Value: "application/json"}, {Name: "X-API-key", Value: "***"}, {Name: "Webhook-Signature", Value: "***"},
		},
		Answer: []byte("try later \x00\xff ***"),
	}
}

func historyAttempts(ctx context.Context, e *env) {
	b := e.batch("a")
	e.enqueue(ctx, e.Queue, b)
	var want []webhook.Attempt
	var last webhook.Settlement
	for i := range 4 {
		it := item(e.one(ctx, e.Queue, webhook.Claim{}), webhook.Pending)
		it.Unsent = true
		e.settle(ctx, e.Queue, it)
		got := e.one(ctx, e.Queue, webhook.Claim{})
		it = item(got, webhook.Pending)
		it.Attempt = attemptOf(got)
		if i == 3 {
			it.State = webhook.Failed
			*it.Attempt = webhook.Attempt{
				DeliveryID: got.Delivery.ID, MessageID: got.Message.ID, EndpointID: "a", Number: 4,
				Outcome: retry.Refused, Class: webhook.Forbidden, Start: it.Attempt.Start, Error: "refused", Method: "POST",
			}
		}
		want = append(want, *it.Attempt)
		e.settle(ctx, e.Queue, it)
		last = it
	}
	e.stale(ctx, e.Queue, last, "the delivery is final")
	got, err := e.history().Attempts(ctx, b.Deliveries[0].ID)
	e.ok(err, "Attempts")
	if len(got) != len(want) {
		e.fatalf("the history has %d attempts, want %d", len(got), len(want))
	}
	for i := range want {
		if text := diff(want[i], got[i]); text != "" {
			e.errorf("attempt %d came back changed: Attempt%s", i+1, text)
		}
	}
}

func historyUnknown(ctx context.Context, e *env) {
	b := e.batch("a")
	e.enqueue(ctx, e.Queue, b)
	for _, id := range []string{"dlv_unknown", "", "' OR 1=1 --", "%", strings.ToUpper(b.Deliveries[0].ID)} {
		_, _, err := e.history().Delivery(ctx, id)
		e.is(err, webhook.ErrNotFound, fmt.Sprintf("Delivery(%q)", id))
	}
	got, err := e.history().Attempts(ctx, b.Deliveries[0].ID)
	if err != nil || len(got) != 0 {
		e.errorf("Attempts of a delivery without any = %d, %v; want 0, nil", len(got), err)
	}
}

func historySecrets(ctx context.Context, e *env) {
	b := e.batch("a", "b")
	for i := range b.Deliveries {
		b.Deliveries[i].Inline = fullEndpoint(b.Deliveries[i].EndpointID)
	}
	e.enqueue(ctx, e.Queue, b)
	for i, c := range e.drain(ctx, e.Queue, webhook.Claim{}, 2) {
		it := item(c, []webhook.State{webhook.Pending, webhook.Failed}[i])
		it.Attempt = attemptOf(c)
		e.settle(ctx, e.Queue, it)
	}
	for _, id := range deliveryIDs(b) {
		d, m := e.recorded(ctx, id)
		attempts, err := e.history().Attempts(ctx, id)
		e.ok(err, "Attempts")
		if len(attempts) != 1 {
			e.errorf("the history has %d attempts, want 1", len(attempts))
		}
		e.hides("Delivery", d, *d, d.Inline, m)
		e.hides("Attempts", attempts)
	}
	page, _, err := e.history().Deliveries(ctx, webhook.HistoryQuery{})
	e.ok(err, "Deliveries")
	ended, _, err := e.history().Finals(ctx, "", 10)
	e.ok(err, "Finals")
	if len(page) != 2 || len(ended) != 1 {
		e.errorf("Deliveries returned %d, Finals %d; want 2, 1", len(page), len(ended))
	}
	e.hides("Deliveries", page)
	e.hides("Finals", ended)
}

// hides reports values that show a secret of fullEndpoint when printed.
func (e *env) hides(what string, values ...any) {
	for _, v := range values {
		texts := []string{fmt.Sprintf("%v", v), fmt.Sprintf("%+v", v), fmt.Sprintf("%#v", v), fmt.Sprintf("%s", v)}
		if b, err := json.Marshal(v); err == nil {
			texts = append(texts, string(b))
		}
		for _, secret := range []string{secretText, secretText[6:], tokenText, paramText, headerText} {
			if slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, secret) }) {
				e.errorf("%s shows a secret of the endpoint (%s...)", what, secret[:4])
			}
		}
	}
}
