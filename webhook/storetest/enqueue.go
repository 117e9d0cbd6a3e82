package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
)

func enqueueCases() []testCase {
	return []testCase{
		{
			name:        "enqueue/round-trip",
			explanation: "every field of a message and of its deliveries comes back from Claim as it was enqueued",
			run:         enqueueRoundTrip,
		},
		{
			name:        "enqueue/bodies",
			explanation: "the bytes are sacred: bodies come back byte by byte, be they empty, binary, or 1 MiB",
			run:         enqueueBodies,
		},
		{
			name:        "enqueue/inline",
			explanation: "an endpoint that is not registered travels with its delivery, secrets included; without them nothing can be signed",
			run:         enqueueInline,
		},
		{
			name:        "enqueue/memory",
			explanation: "the dispatcher uses the memory of a batch's deliveries again once Enqueue, or EnqueueAll, has returned nil",
			run:         enqueueMemory,
		},
		{
			name:        "enqueue/final",
			explanation: "deliveries that arrive Cancelled or Failed are recorded, and never claimed",
			run:         enqueueFinal,
		},
		{
			name:        "enqueue/large",
			explanation: "one batch may have as many deliveries as an event has endpoints, more than a statement has parameters",
			run:         enqueueLarge,
		},
		{
			name:        "enqueue/message-again",
			explanation: "a message that is there already is kept; a later delivery of it (Redeliver) finds its body",
			run:         enqueueMessageAgain,
		},
		{
			name:        "enqueue/peer",
			explanation: "when Enqueue returns nil, every process sees the deliveries",
			needs:       Peers,
			run:         enqueuePeer,
		},
	}
}

// fullEndpoint has something in every field.
func fullEndpoint(id string) *webhook.Endpoint {
	secret, _ := signer.ParseSecret(secretText)
	token, _ := signer.Token(tokenText)
	return &webhook.Endpoint{
		ID: id, Name: "Übersicht ♥", Scope: webhook.In("list", "7/ü"),
		URL: "https://hooks.example.com/in?a=1&b=%20", Method: "PUT",
		Types: []string{"contact.*", "QR_CODE_SCANNED"}, Sources: []string{"api", "admin"},
		Encoder: "form", Fields: []string{"contact.name", "contact.email"},
		Policy: "slow", Signer: "hmac",
		Secrets: []signer.Key{secret.Until(time.Date(2036, 1, 2, 3, 4, 5, 0, time.UTC)), token},
		Params: []payload.Param{
			{Name: "secrettoken", Value: paramText, Secret: true},
			{Name: "from", Value: "ä & b", In: payload.InQuery},
		},
		Headers:   []webhook.Header{{Name: "X-API-key", Value: headerText}, {Name: "x-Empty", Value: ""}},
		Transport: "proxy", MaxConcurrent: 3, Rate: webhook.Rate{Limit: 5, Per: 1500 * time.Millisecond},
		Ordered: true, Status: webhook.Active, StatusReason: "why not",
		Meta: map[string]string{"customer": "42", "": "ü"},
	}
}

// What must never be shown.
const (
	secretText = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
	tokenText  = "tok-4c1d5b0f2e"
	paramText  = "prm-9a8b7c6d5e"
	headerText = "hdr-1f2e3d4c5b"
)

func enqueueRoundTrip(ctx context.Context, e *env) {
	m := &webhook.Message{
		ID: e.id("msg"), Type: "QR_CODE-SCANNED.v2", Time: time.Date(1969, 7, 20, 20, 17, 40, 123_456_000, time.UTC),
		EventID: "évènement ♥ \U0001F600 '\"\\%_", Source: "wörkflow",
	}
	b := &webhook.Batch{Message: m}
	for i, body := range []webhook.Body{
		{Variant: "json", Body: payload.Body{ContentType: "application/json", Data: []byte(`{"a":1}`), Tail: 1}},
		{Variant: "form?a,b", Body: payload.Body{ContentType: "application/x-www-form-urlencoded; charset=UTF-8", Data: []byte("a=1")}},
		{Variant: "cloudevents", Body: payload.Body{
			ContentType: "application/cloudevents+json", Data: []byte(`{"data":{}}`), Tail: 2,
			Header: []payload.Header{{Name: "ce-Id", Value: "1"}, {Name: "ce-id", Value: "zwölf"}, {Name: "A", Value: ""}},
		}},
		{Variant: "none", Body: payload.Body{ContentType: "text/plain", Tail: -1}},
	} {
		m.Bodies = append(m.Bodies, body)
		d := e.delivery(m, "Endpoint ü "+body.Variant)
		d.Body = i
		b.Deliveries = append(b.Deliveries, d)
	}
	b.Deliveries[0].Dedup = m.EventID
	b.Deliveries[1].Ordered, b.Deliveries[1].Key = true, "clé\\ '\"%_\U0001F600"
	b.Deliveries[2].Ordered = true
	b.Deliveries[2].Of = "dlv_an_earlier_one"
	b.Deliveries[3].Policy = "höchstens-einmal"
	before := time.Now()
	e.enqueue(ctx, e.Queue, b)

	got := e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(b)...)
	for i := range b.Deliveries {
		c := got[b.Deliveries[i].ID]
		e.sameDelivery(b.Deliveries[i], c.Delivery)
		e.sameMessage(m, c.Message)
		e.firstClaim(c, before)
	}
}

// firstClaim checks what the store adds to a delivery that is claimed for the
// first time, after it was enqueued at or after before.
func (e *env) firstClaim(c webhook.Claimed, before time.Time) {
	d := c.Delivery
	if d.State != webhook.Running || d.Attempts != 1 || !d.Ended.IsZero() {
		e.errorf("first claim: State %v, Attempts %d, Ended %v; want running, 1, zero", d.State, d.Attempts, d.Ended)
	}
	if d.Created.IsZero() {
		e.errorf("first claim: Created is zero")
	}
	if c.Expired {
		e.errorf("first claim: Expired, though there was no lease before")
	}
	now := time.Now()
	if low, high := -grain, now.Sub(before)+grain; c.Age < low || c.Age > high {
		e.errorf("Age = %v, want %v at most", c.Age, high)
	}
	if c.Err != nil {
		e.errorf("Err = %v", c.Err)
	}
}

func enqueueBodies(ctx context.Context, e *env) {
	var sent []*webhook.Batch
	for _, data := range [][]byte{
		nil, {0}, []byte("\xff\xfe not UTF-8 \x00\r\n"), allBytes(256), allBytes(1 << 20), []byte("é\U0001F600"),
	} {
		b := &webhook.Batch{Message: e.messageOf(data)}
		b.Deliveries = []webhook.Delivery{e.delivery(b.Message, "bodies")}
		e.enqueue(ctx, e.Queue, b)
		sent = append(sent, b)
	}
	got := e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(sent...)...)
	for _, b := range sent {
		want, have := b.Message.Bodies[0].Data, got[b.Deliveries[0].ID].Message.Bodies[0].Data
		if string(want) != string(have) {
			e.errorf("a body of %d bytes came back with %d bytes, or changed", len(want), len(have))
		}
	}
}

func enqueueInline(ctx context.Context, e *env) {
	b := e.batch("inline")
	b.Deliveries[0].Inline = fullEndpoint("inline")
	bare := e.batch("bare")
	bare.Deliveries[0].Inline = &webhook.Endpoint{ID: "bare", URL: "https://hooks.example.com/"}
	none := e.batch("none")
	for _, b := range []*webhook.Batch{b, bare, none} {
		e.enqueue(ctx, e.Queue, b)
	}
	got := e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(b, bare, none)...)
	e.sameEndpoint(b.Deliveries[0].Inline, got[b.Deliveries[0].ID].Delivery.Inline)
	e.sameEndpoint(bare.Deliveries[0].Inline, got[bare.Deliveries[0].ID].Delivery.Inline)
	if ep := got[none.Deliveries[0].ID].Delivery.Inline; ep != nil {
		e.errorf("a delivery without inline endpoint came back with one: %v", ep)
	}
}

func enqueueMemory(ctx context.Context, e *env) {
	batches := []*webhook.Batch{e.event("first", "a", "b"), e.event("second", "a", "c")}
	want := [][]webhook.Delivery{slices.Clone(batches[0].Deliveries), slices.Clone(batches[1].Deliveries)}
	if _, ok := e.Queue.(webhook.BatchOutbox); ok {
		e.enqueueAll(ctx, batches)
	} else {
		e.enqueue(ctx, e.Queue, batches[0])
		e.enqueue(ctx, e.Queue, batches[1])
	}
	one := e.event("third", "d")
	want = append(want, slices.Clone(one.Deliveries))
	e.enqueue(ctx, e.Queue, one)
	for _, b := range append(batches, one) {
		other := e.event("other", slices.Repeat([]string{"x"}, len(b.Deliveries))...)
		copy(b.Deliveries, other.Deliveries)
	}
	e.existing(e.enqueued(ctx, e.Queue, e.event("first", "b")), map[int]string{0: want[0][1].ID})
	var ids []string
	for _, d := range slices.Concat(want...) {
		ids = append(ids, d.ID)
	}
	got := e.want(ctx, e.Queue, webhook.Claim{}, ids...)
	for _, d := range slices.Concat(want...) {
		e.sameDelivery(d, got[d.ID].Delivery)
	}
}

func enqueueFinal(ctx context.Context, e *env) {
	b := e.batch("a", "b", "c")
	b.Deliveries[0].State, b.Deliveries[0].Reason = webhook.Cancelled, "the endpoint is disabled"
	b.Deliveries[2].State, b.Deliveries[2].Reason = webhook.Failed, "no such encoder"
	e.enqueue(ctx, e.Queue, b)
	got := e.want(ctx, e.Queue, webhook.Claim{}, b.Deliveries[1].ID)
	for i := range got {
		e.finish(ctx, e.Queue, got[i])
	}
	h, remembers := e.Queue.(webhook.History)
	if !remembers {
		return
	}
	for _, i := range []int{0, 2} {
		d, m, err := h.Delivery(ctx, b.Deliveries[i].ID)
		e.ok(err, "Delivery of one that arrived final")
		e.sameDelivery(b.Deliveries[i], *d)
		e.sameMessage(b.Message, m)
		if d.State != b.Deliveries[i].State || d.Ended.IsZero() || !d.Due.IsZero() || d.Attempts != 0 {
			e.errorf("arrived %v: State %v, Ended %v, Due %v, Attempts %d; want an end, no due time, no attempt",
				b.Deliveries[i].State, d.State, d.Ended, d.Due, d.Attempts)
		}
	}
}

func enqueueLarge(ctx context.Context, e *env) {
	b := e.event("large", names("large", e.volume)...)
	e.enqueue(ctx, e.Queue, b)
	all := e.drain(ctx, e.Queue, webhook.Claim{}, e.volume)
	if len(all) != e.volume {
		e.fatalf("of a batch of %d deliveries Claim handed out %d", e.volume, len(all))
	}
	again := e.event("large", names("large", e.volume)...)
	if existing := e.enqueued(ctx, e.Queue, again); len(existing) != e.volume {
		e.errorf("a repeat of %d deliveries reported %d as existing", e.volume, len(existing))
	}
	e.finish(ctx, e.Queue, all...)
	e.none(ctx, e.Queue, "all are delivered")
}

func enqueueMessageAgain(ctx context.Context, e *env) {
	first := e.batch("a")
	e.enqueue(ctx, e.Queue, first)
	e.finish(ctx, e.Queue, e.one(ctx, e.Queue, webhook.Claim{}))
	repeat := &webhook.Batch{Message: first.Message, Deliveries: []webhook.Delivery{
		e.delivery(first.Message, "a"), e.delivery(first.Message, "b"),
	}}
	repeat.Deliveries[0].Of = first.Deliveries[0].ID
	e.enqueue(ctx, e.Queue, repeat)
	got := e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(repeat)...)
	for i := range repeat.Deliveries {
		c := got[repeat.Deliveries[i].ID]
		e.sameMessage(first.Message, c.Message)
		e.sameDelivery(repeat.Deliveries[i], c.Delivery)
		if c.Delivery.Attempts != 1 {
			e.errorf("a repeat begins with attempt %d, want 1", c.Delivery.Attempts)
		}
	}
}

func enqueuePeer(ctx context.Context, e *env) {
	peer := e.peer()
	b := e.batch("a", "b")
	e.enqueue(ctx, e.Queue, b)
	e.want(ctx, peer.Queue, webhook.Claim{}, deliveryIDs(b)...)
	e.none(ctx, e.Queue, "the other process has claimed all")
}
