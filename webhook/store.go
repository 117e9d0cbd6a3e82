package webhook

import (
	"context"
	"time"
)

// EndpointStore is where a host keeps its endpoints. Its methods may be called
// concurrently. The endpoints that it returns are shared: neither side changes
// them afterwards.
type EndpointStore interface {
	// Match returns the endpoints that want an event: those whose scope is one
	// of q.Scopes or Everywhere, and that select its type and source. It may
	// return more than that, the dispatcher filters again; it must not return
	// fewer. Paused and disabled endpoints are included. No match is not an
	// error.
	Match(ctx context.Context, q Query) ([]*Endpoint, error)
	// Endpoints returns the endpoints with these ids, in any order. An id that
	// is not there is left out, without an error: its deliveries are cancelled.
	Endpoints(ctx context.Context, ids []string) ([]*Endpoint, error)
	// Disable sets the endpoint's status to Disabled with this reason. An
	// endpoint that is not there, or is disabled already, is not an error.
	Disable(ctx context.Context, id, reason string) error
}

// Query asks which endpoints want an event.
type Query struct {
	Scopes []Scope // valid, without repeats; Everywhere is not among them
	Type   string
	Source string
}

// Outbox takes new deliveries. A transaction of the host's, bound by its
// store's InTx, is an Outbox.
type Outbox interface {
	// Enqueue stores b.Message, if it is not there yet, and all of
	// b.Deliveries, or nothing. When it returns nil, what it stored is as
	// durable as the store ever makes it; inside a transaction, once that
	// commits.
	//
	// Where a delivery's Dedup is not empty, the pair of EndpointID and Dedup
	// is unique: a delivery that is there already is left as it is and
	// reported, and the others are stored. That is no error, and does not
	// disturb a transaction.
	//
	// Enqueuing the same batch again, after an error whose cause is not known,
	// stores what is missing of it and is no error; deliveries keep their
	// places. Their own ids may then be reported as Existing.
	//
	// Deliveries arrive Pending and due now, or Cancelled or Failed, which
	// are recorded and never claimed.
	Enqueue(ctx context.Context, b *Batch) ([]Existing, error)
}

// Batch is a message with its deliveries. Enqueue may keep the message, which
// nobody changes any more, and what a delivery points to. The slice of
// deliveries is used again once a Queue's Enqueue or EnqueueAll has returned nil:
// a store must not keep it. The Outbox of a transaction may, until that ends.
type Batch struct {
	Message    *Message
	Deliveries []Delivery
	// Take asks for a claim of what is stored; nil asks for none. A store that
	// does not know it leaves it as it is, and the deliveries wait for a Claim.
	Take *Take
	// Recalled is what the store's own Recall gave to check by; nil asks for no
	// check. Where Match would return something else by now, be it an endpoint more,
	// or less, or one that was changed, Enqueue and EnqueueAll store nothing and
	// return ErrOutdated; they may where they cannot tell. That tells nothing of an
	// earlier call with the same batch. Only a [Recaller] is given one, and never
	// through a transaction.
	Recalled any
}

// Take is a claim that comes with an Enqueue or EnqueueAll: of deliveries that
// the caller can send at once, it saves a Claim and its commit. Only a Queue is
// asked, never the Outbox of a transaction, which may be rolled back.
type Take struct {
	// Wanted are indices of Batch.Deliveries, in ascending order, of some that
	// are Pending and not Ordered.
	Wanted []int
	Lease  time.Duration
	// Taken is the store's answer, where it returns no error: those of Wanted, in
	// any order, that it stored as a Claim leaves them, Running under the token
	// Token, with one attempt counted, and due again when the lease ends. It
	// leaves out those that were there already, by whatever try, and those of an
	// endpoint that is parked or may only be probed, and may leave out others:
	// they are stored as they would be without Take.
	Taken []int
	Token int64
}

// Existing reports a delivery that an earlier dispatch made.
type Existing struct {
	Index int // in Batch.Deliveries
	ID    string
}

// Queue holds deliveries until they end. Its methods may be called
// concurrently, and by any number of processes. All times that it is given are
// durations; its own clock adds them. A method that returns an error may have
// done its work all the same; the caller's retry is then harmless.
type Queue interface {
	Outbox
	// Claim hands out deliveries that are due, and hides each from every
	// other Claim until its lease ends or it is settled. Nothing due is not an
	// error. See [Claim] for what it chooses.
	Claim(ctx context.Context, c Claim) ([]Claimed, error)
	// Settle records what became of claimed deliveries. An item whose token
	// is not the one of the delivery's latest claim is stale: it changes
	// nothing at all, and is reported. Items are independent of each other; a
	// delivery that is unknown or final is stale too. A token is void once it
	// is settled; until then it holds even after its lease ended, as long as
	// nobody has claimed the delivery anew.
	Settle(ctx context.Context, items []Settlement) (Settled, error)
	// Park closes endpoints for a time, over all processes, by one write each:
	// their deliveries stay Pending, but Claim does not return them nor spend
	// time on them. See [Park].
	Park(ctx context.Context, parks []Park) error
}

// Claim says how much work a caller wants. The store returns
//
//   - at most Limit deliveries, whose bodies sum up to at most MaxBytes, but
//     always one where any is due; a store may count more, and then says so
//     in Claimed.Bytes;
//   - of one endpoint at most PerEndpoint, and none of those in Skip;
//   - fairly: while several endpoints have due deliveries, none waits for
//     another's backlog;
//   - within a lane in the order in which they are due;
//   - of an ordered lane only the delivery that was enqueued first among those
//     that are not final, and only while that one is not leased;
//   - none of a parked endpoint.
//
// A Running delivery whose lease has ended is due again. Each claim counts an
// attempt and draws a new token.
type Claim struct {
	Limit       int
	MaxBytes    int
	PerEndpoint int
	Lease       time.Duration
	// Skip names endpoints whose lanes are full in this process just now. It
	// is used again after the call: a store must not keep it.
	Skip []string
}

// Claimed is a delivery under lease.
type Claimed struct {
	Delivery Delivery // its Attempts includes this one
	Message  *Message // shared by all of this Claim's deliveries of it
	Token    int64
	// Bytes is what the store counted of Claim.MaxBytes for it, from which the
	// dispatcher sees whether a claim ended for its bytes; 0: the length of its body.
	Bytes int
	// Age is the time since the delivery was enqueued.
	Age time.Duration
	// Expired says that an earlier lease ended without being settled: nobody
	// knows whether that attempt reached the receiver. A claim that is given
	// back Unsent does not change that.
	Expired bool
	// Err says that the stored row did not decode. The delivery carries at
	// least its ID; the dispatcher fails it, and reports Err.
	Err error
}

// Settlement is what became of a claimed delivery.
type Settlement struct {
	ID         string
	EndpointID string
	Token      int64
	// State is Pending, due after Delay, or final.
	State  State
	Delay  time.Duration
	Reason string
	// Unsent says that nothing was sent: the attempt that Claim counted is
	// given back, so that the next claim has the same number. There may be an
	// Attempt all the same: that of an earlier claim, which the store did not
	// take before the lease had ended.
	Unsent bool
	// Health says what the attempt tells of the endpoint.
	Health Health
	// Attempt is the record for the history; nil when there is none. It does
	// not change any more: a store in memory may keep it as it is. Stores
	// without a history ignore it.
	Attempt *Attempt
}

// Health says what an attempt tells of its endpoint.
type Health uint8

// The effects of an attempt on its endpoint's health.
const (
	// NoSign changes nothing. So does the zero Health.
	NoSign Health = iota + 1
	// Healthy ends a row of failures, and a probe: the endpoint is open.
	Healthy
	// Failing adds one to the row of failures, and begins it if there is none.
	Failing
)

// Settled is the result of a Settle.
type Settled struct {
	// Stale lists the indices of items that changed nothing.
	Stale []int
	// Failing has an entry for each endpoint that got a Failing item and is
	// still failing after the batch.
	Failing []EndpointHealth
}

// EndpointHealth is an endpoint's row of failures, shared by all processes.
// The Was fields hold the same before the batch, as of the failure before:
// whoever sees a threshold between the two is the only one to see it there.
type EndpointHealth struct {
	EndpointID    string
	Failures      int           // in a row
	FailingFor    time.Duration // since the first of them
	WasFailures   int
	WasFailingFor time.Duration
}

// Park closes an endpoint, or opens it.
type Park struct {
	EndpointID string
	// For is how long; zero or less opens the endpoint now. A later Park
	// replaces an earlier one.
	For time.Duration
	// Hold says that the endpoint is paused: its deliveries are shown as Held.
	Hold bool
	// Probe says that, once For is over, Claim hands out one delivery of the
	// endpoint at a time, until a settlement says Healthy or a Park replaces
	// this one. A Healthy settlement does not end For.
	Probe bool
}
