package webhook

import "time"

// State says where a delivery stands. A final state never changes.
type State uint8

// The states of a delivery.
const (
	// Pending waits for its time, or for its turn.
	Pending State = iota + 1
	// Running is claimed by a worker.
	Running
	// Held waits because its endpoint is paused.
	Held
	// Delivered is final: the receiver accepted it.
	Delivered
	// Duplicate is final: the receiver knew it already.
	Duplicate
	// Failed is final: rejected, or out of attempts or of time.
	Failed
	// Cancelled is final: the host, or the end of its endpoint, stopped it.
	Cancelled
	// Dropped is final, and of volatile deliveries alone: there was no room,
	// or no time left at shutdown.
	Dropped
)

// Final reports whether s never changes again.
func (s State) Final() bool { return s >= Delivered }

// String returns the state's name in lower case, as "pending".
func (s State) String() string {
	switch s {
	case Pending:
		return "pending"
	case Running:
		return "running"
	case Held:
		return "held"
	case Delivered:
		return "delivered"
	case Duplicate:
		return "duplicate"
	case Failed:
		return "failed"
	case Cancelled:
		return "cancelled"
	case Dropped:
		return "dropped"
	}
	return "unknown"
}

// ParseState is the inverse of State.String.
func ParseState(name string) (State, bool) {
	for s := Pending; s <= Dropped; s++ {
		if s.String() == name {
			return s, true
		}
	}
	return 0, false
}

// CanBecome reports whether a delivery in state s may go to state next.
// Pending, Running and Held go to each other and to every final state; a
// final state goes nowhere.
func (s State) CanBecome(next State) bool {
	return s >= Pending && !s.Final() && next >= Pending && next <= Dropped
}

// Delivery is one message on its way to one endpoint.
type Delivery struct {
	ID         string
	MessageID  string
	EndpointID string
	// Body is the index, in the message's Bodies, of what is sent; -1 where
	// the endpoint could not take the event.
	Body int
	// Policy names the Config policy that was in force at dispatch.
	Policy string
	// Ordered says that this delivery waits for the earlier ones of the same
	// endpoint and Key.
	Ordered bool
	Key     string
	State   State
	// Reason says why a delivery failed, was cancelled, or was dropped.
	Reason string
	// Of is the id of the delivery that this one repeats; see Redeliver.
	Of string
	// Dedup is the host's event id while the pair (endpoint, Dedup) must be
	// unique, and empty for a repeat or an event without identity.
	Dedup string
	// Inline is the endpoint itself where it is not registered; see
	// DispatchTo. Stores keep it with the delivery, secrets included.
	Inline *Endpoint

	// What the store adds when it gives a delivery back. The times are the
	// store's own.
	Attempts int
	Created  time.Time
	Due      time.Time // of the next attempt; zero in a final state
	Ended    time.Time // zero unless final
}

// Lane returns the name of what d waits in line with: its endpoint, or for an
// ordered delivery its endpoint and key.
func (d *Delivery) Lane() string {
	if !d.Ordered {
		return d.EndpointID
	}
	return d.EndpointID + "\x00" + d.Key
}

// Receipt tells what a Dispatch did.
type Receipt struct {
	// MessageID is the id of the new message; empty when no endpoint matched,
	// or when an earlier dispatch made all of the deliveries.
	MessageID string
	// Deliveries has one entry for each endpoint that matched.
	Deliveries []Receipted
}

// Receipted is one delivery of a Receipt.
type Receipted struct {
	ID         string
	EndpointID string
	// State is Pending (also where the delivery Existed, whatever has become
	// of it), or final at once: Cancelled where the endpoint is
	// disabled, Failed where it cannot take this event, Dropped where a
	// volatile delivery found no room.
	State State
	// Existed says that an earlier dispatch of the same event id made this
	// delivery.
	Existed bool
	// Reason says why the state is final.
	Reason string
}
