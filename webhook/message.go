package webhook

import (
	"time"

	"github.com/outhook/outhook/payload"
)

// Message is one dispatched event: its identity, and its bodies, each encoded
// once. Nobody changes a Message after Dispatch built it; all its deliveries,
// attempts and retries share it.
type Message struct {
	ID      string    // "msg_" and 26 characters; the webhook-id of every attempt
	Type    string    // the event's type
	Time    time.Time // when the event happened
	EventID string    // the host's own id of the event; empty: none
	Source  string
	Bodies  []Body
}

// Body is one encoding of a message. Endpoints with the same encoder and the
// same set of fields share it.
type Body struct {
	// Variant names the encoding: the encoder's name, and the allow-list of
	// fields, if there is one, after a "?".
	Variant string
	// Body is what the encoder made; Dispatch adds Webhook-Hops to its Header.
	payload.Body
}

// Size is the number of body bytes that m holds.
func (m *Message) Size() int {
	n := 0
	for i := range m.Bodies {
		n += len(m.Bodies[i].Data)
	}
	return n
}
