package storetest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/webhook"
)

// id returns a new id.
func (e *env) id(prefix string) string {
	return fmt.Sprintf("%s_%06d", prefix, e.seq.Add(1))
}

// message returns a new message with a small body.
func (e *env) message() *webhook.Message {
	id := e.id("msg")
	return e.messageOf([]byte(`{"id":"` + id + `"}`))
}

func (e *env) messageOf(data []byte) *webhook.Message {
	return &webhook.Message{
		ID: e.id("msg"), Type: "contact.created",
		Time: time.Date(2026, 3, 4, 5, 6, 7, 89_000, time.UTC), Source: "api",
		Bodies: []webhook.Body{{
			Variant: "json",
			Body:    payload.Body{ContentType: "application/json", Data: data, Tail: 1},
		}},
	}
}

// delivery returns a new delivery of m to an endpoint.
func (e *env) delivery(m *webhook.Message, endpoint string) webhook.Delivery {
	return webhook.Delivery{
		ID: e.id("dlv"), MessageID: m.ID, EndpointID: endpoint,
		Policy: "standard", State: webhook.Pending,
	}
}

// batch returns a new message with one delivery for each of endpoints.
func (e *env) batch(endpoints ...string) *webhook.Batch {
	b := &webhook.Batch{Message: e.message()}
	for _, id := range endpoints {
		b.Deliveries = append(b.Deliveries, e.delivery(b.Message, id))
	}
	return b
}

// ordered returns a new message for an ordered lane.
func (e *env) ordered(endpoint, key string) *webhook.Batch {
	b := e.batch(endpoint)
	b.Deliveries[0].Ordered = true
	b.Deliveries[0].Key = key
	return b
}

// event returns a new message with an identity.
func (e *env) event(dedup string, endpoints ...string) *webhook.Batch {
	b := e.batch(endpoints...)
	b.Message.EventID = dedup
	for i := range b.Deliveries {
		b.Deliveries[i].Dedup = dedup
	}
	return b
}

// batches returns n new messages for an endpoint.
func (e *env) batches(n int, endpoint string) []*webhook.Batch {
	out := make([]*webhook.Batch, n)
	for i := range out {
		out[i] = e.batch(endpoint)
	}
	return out
}

// names returns n ids of endpoints.
func names(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s-%05d", prefix, i)
	}
	return out
}

// deliveryIDs returns the ids of the deliveries in batches.
func deliveryIDs(batches ...*webhook.Batch) []string {
	var out []string
	for _, b := range batches {
		for i := range b.Deliveries {
			out = append(out, b.Deliveries[i].ID)
		}
	}
	return out
}

// allBytes returns n bytes in which each value occurs, the same each time.
func allBytes(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	out := make([]byte, n)
	for i := range out {
		if i < 256 {
			out[i] = byte(i)
		} else {
			out[i] = byte(r.Uint32())
		}
	}
	return out
}
