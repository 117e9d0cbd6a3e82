package webhook

import (
	"context"
	"time"
)

// What follows is optional: a store implements what it can, and the
// dispatcher finds it by type assertion.

// Matcher is an Outbox that knows the endpoints as well. Inside a transaction
// it is asked instead of the EndpointStore, since that transaction may hold
// the only connection.
type Matcher interface {
	Match(ctx context.Context, q Query) ([]*Endpoint, error)
}

// Recaller is a Queue that is Config.Endpoints as well, the same value, and that
// remembers what it matched: a Dispatch of which all is stored then asks it once,
// by Enqueue, and not twice. What it remembers need not hold any more, since
// Enqueue looks.
type Recaller interface {
	// Recall returns at once what Match returned lately for q, or may have, and
	// what to check that by, which becomes Batch.Recalled; nil where nothing is
	// remembered. Neither is changed by the dispatcher. A check belongs to what was
	// found, for any number of calls; that of another store is an error.
	//
	// The queue is Config.Queue. A store remembers nothing for one that is not
	// itself, as a type that embeds it: that may choose among the endpoints, or make
	// batches of its own, which lose what is to be checked. Such a type has a Recall
	// of its own, or none is used.
	Recall(queue Queue, q Query) (found []*Endpoint, check any)
}

// Immediate is a store in the memory of this process, whose calls never wait
// for anything. They are given the caller's context as it is.
type Immediate interface{ Immediate() }

// BatchOutbox is a Queue for which one commit for many messages is cheaper
// than one each. The dispatcher then lets concurrent calls share a commit.
type BatchOutbox interface {
	// EnqueueAll does what Enqueue does for each of batches, all or nothing,
	// and returns the Existing of each. After an error the dispatcher falls
	// back to Enqueue, so that one bad batch fails alone; but where the error is an
	// OutdatedError it enqueues the others together.
	EnqueueAll(ctx context.Context, batches []*Batch) ([][]Existing, error)
}

// Extender is a Queue that can lengthen leases.
type Extender interface {
	// Extend lets the leases end lease from now. It returns the indices of
	// those that are no longer the caller's.
	Extend(ctx context.Context, leases []Lease, lease time.Duration) (stale []int, err error)
}

// Lease names a claimed delivery.
type Lease struct {
	ID    string
	Token int64
}

// Listener is a Queue that can tell when another process enqueued something.
type Listener interface {
	// Listen calls wake, which returns at once, whenever there may be new
	// work. It returns when ctx ends, or with an error when it can't listen;
	// the dispatcher then polls, and tries again later.
	Listen(ctx context.Context, wake func()) error
}

// RateLimiter is a Queue that counts requests per endpoint over all
// processes. Without it each process counts its own.
type RateLimiter interface {
	// Take asks for n requests to the endpoint under rate. It grants 0 to n
	// of them; where it grants fewer, wait is how long until the next.
	Take(ctx context.Context, endpointID string, n int, rate Rate) (granted int, wait time.Duration, err error)
}

// EndpointAdmin is an EndpointStore whose endpoints can be listed and changed
// through outhook, by package manage for instance.
type EndpointAdmin interface {
	// List returns the endpoints of a scope in the order in which they were
	// first set.
	List(ctx context.Context, scope Scope) ([]*Endpoint, error)
	// Set adds an endpoint. One with the same id, or of the same scope, types
	// and name, is replaced, and keeps its place and its id. It returns the
	// endpoint as it is stored. An id that belongs to another scope is
	// ErrConflict.
	Set(ctx context.Context, e *Endpoint) (*Endpoint, error)
	// SetStatus changes the status of one endpoint; unknown is ErrNotFound.
	SetStatus(ctx context.Context, id string, s Status, reason string) error
	// Remove deletes an endpoint; unknown is ErrNotFound. Its deliveries that
	// are still open are cancelled when their turn comes.
	Remove(ctx context.Context, id string) error
}

// History is a Queue that remembers deliveries and their attempts.
type History interface {
	// Delivery returns a delivery and its message; unknown or pruned is
	// ErrNotFound.
	Delivery(ctx context.Context, id string) (*Delivery, *Message, error)
	// Deliveries returns a page of the deliveries that q selects, newest
	// first, and the cursor of the next page, empty after the last.
	Deliveries(ctx context.Context, q HistoryQuery) ([]Delivery, string, error)
	// Attempts returns the attempts of a delivery, oldest first.
	Attempts(ctx context.Context, deliveryID string) ([]Attempt, error)
	// Finals returns deliveries that ended, in the order in which they ended,
	// after the cursor, and the cursor to go on from. A host that stores the
	// cursor with what it did follows every final state, each at least once.
	Finals(ctx context.Context, cursor string, limit int) ([]Delivery, string, error)
}

// HistoryQuery selects deliveries. Empty fields select all.
type HistoryQuery struct {
	EndpointID string
	MessageID  string
	States     []State
	Since      time.Time // created then or later
	Until      time.Time // created before
	Cursor     string
	Limit      int // Defaults to 50; at most 1000.
}

// Canceler is a Queue whose open deliveries can be cancelled.
type Canceler interface {
	// Cancel makes the delivery Cancelled if it is Pending or Held. Running
	// is ErrRunning, final or unknown is ErrNotFound.
	Cancel(ctx context.Context, id, reason string) error
}

// Counter is a Queue that can tell how much it holds.
type Counter interface {
	Counts(ctx context.Context) (Counts, error)
}

// Counts is how much a queue holds.
type Counts struct {
	Pending int           // due or not, held ones included
	Running int           // under lease
	Oldest  time.Duration // how long the oldest due delivery has been due
}

// Purger is a Queue whose history can be pruned.
type Purger interface {
	// Purge removes final deliveries, their attempts, and messages that
	// nothing names any more, in one cheap step, and returns how many
	// deliveries it removed; less than p.Limit means that it is done.
	Purge(ctx context.Context, p Purge) (int, error)
}

// Purge says what a history may forget: what ended longer ago than Age, and
// what is beyond the Keep newest. Zero fields select nothing.
type Purge struct {
	Age   time.Duration
	Keep  int
	Limit int // of one step. Defaults to 1000.
}
