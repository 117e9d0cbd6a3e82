// Package memstore keeps endpoints and deliveries in memory. It is the model
// of the contract that package webhook states: it implements all of it, also
// what is optional, and has transactions of its own. It serves tests, hosts
// whose endpoints live in a configuration, and all who can afford to lose what
// is pending when their process ends.
//
// Everything that it holds is bounded; see [Options]. No call looks at more
// than its result asks for, however much the store holds: Match is a look-up
// by scope, Claim goes to the endpoints that have something due, one after the
// other, and what is parked, under lease or behind the first of an ordered lane
// is not in its way. The exceptions are Counts, which looks at each endpoint
// that has pending deliveries, and Deliveries with a filter that selects few,
// which looks at the whole history, in many short steps.
//
// One mutex guards the queue, and is held for memory operations alone; the
// endpoints have locks of their own. The clock is the monotonic one of the
// process: no lease is cut short when somebody sets the time.
package memstore

import (
	"errors"
	"hash/maphash"
	"math"
	"sync"
	"time"
	"unique"

	"github.com/outhook/outhook/webhook"
)

// Options bounds a Store. The zero Options is ready to use.
type Options struct {
	// MaxPending bounds the deliveries that are not final, those under lease
	// included. What would exceed it is not stored: webhook.ErrFull.
	//
	// Defaults to 1,000,000.
	MaxPending int
	// MaxEndpoints bounds the registered endpoints. What would exceed it is
	// webhook.ErrFull. As many endpoints without deliveries, registered or
	// not, are remembered for being parked, failing or limited in their rate;
	// beyond that the oldest of them are forgotten.
	//
	// Defaults to 1,000,000.
	MaxEndpoints int
	// MaxHistory bounds the final deliveries that are kept; the one that ended
	// first is forgotten first. A delivery that is forgotten is also no longer
	// known by its Dedup. Negative keeps none, and no attempts either.
	//
	// Defaults to 10,000.
	MaxHistory int
	// MaxAttempts bounds the records of attempts, of open and of final
	// deliveries together; the oldest is forgotten first. Negative keeps none.
	//
	// Defaults to twice MaxHistory.
	MaxAttempts int
	// MaxBytes bounds the sum of the bodies. Where it would be exceeded, the
	// history is forgotten first; what exceeds it without a history is
	// webhook.ErrFull.
	//
	// Defaults to 1 GiB.
	MaxBytes int
}

func (o Options) withDefaults() Options {
	for _, f := range []struct {
		field *int
		value int
	}{
		{&o.MaxPending, 1_000_000},
		{&o.MaxEndpoints, 1_000_000},
		{&o.MaxHistory, 10_000},
		{&o.MaxBytes, 1 << 30},
	} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	if o.MaxAttempts == 0 {
		o.MaxAttempts = 2 * o.MaxHistory
	}
	if o.MaxHistory < 0 {
		o.MaxAttempts = -1
	}
	return o
}

// Errors of a Store; the others are those of package webhook.
var (
	// ErrTxDone is what a transaction returns after its Commit or Rollback.
	ErrTxDone = errors.New("memstore: the transaction is over")
	// ErrCursor says that a cursor is none that this store gave out. Those of
	// a process that ended are none.
	ErrCursor = errors.New("memstore: the cursor is not of this store")
)

// Store is an EndpointStore and a Queue in memory. Its methods may be called
// concurrently. Make one with New.
type Store struct {
	opts  Options
	start time.Time // with the monotonic clock
	epoch time.Time // the same by the wall clock

	registry registry

	mu       sync.Mutex // guards all that follows; taken after the registry's
	seed     maphash.Seed
	records  arena
	byID     index[uint32]   // records
	byDedup  index[uint32]   // records that have one, by endpoint and Dedup
	messages index[*message] // by id
	lanes    index[*lanes]   // by the id of the endpoint
	leases   leases
	asleep   heap[*lanes] // endpoints, by when something is due
	ready    ring         // endpoints with something due, in turn
	idle     ring         // endpoints without deliveries that have a standing
	book     book
	ended    deque // in the order in which they ended
	attempts attemptList
	open     int    // deliveries that are not final
	bytes    int    // of all bodies
	openSize int    // of the bodies of messages with open deliveries
	mark     uint64 // of the latest Claim or Settle

	policy unique.Handle[string] // of the latest delivery: most have the same
}

// New returns an empty Store.
func New(opts Options) *Store {
	now := time.Now()
	s := &Store{
		opts:  opts.withDefaults(),
		start: now,
		epoch: now.Round(0),
		seed:  maphash.MakeSeed(),
	}
	s.book = book{records: &s.records, next: 1}
	s.registry.init()
	return s
}

// now is the store's clock, in nanoseconds.
func (s *Store) now() int64 { return int64(time.Since(s.start)) }

// later is d after now; at the end of time where that is beyond it.
func later(now int64, d time.Duration) int64 {
	if d <= 0 {
		return now
	}
	if int64(d) > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + int64(d)
}

func duration(ns int64) time.Duration { return time.Duration(ns) }

// What a Store is.
var (
	_ webhook.EndpointStore = (*Store)(nil)
	_ webhook.EndpointAdmin = (*Store)(nil)
	_ webhook.Queue         = (*Store)(nil)
	_ webhook.Matcher       = (*Store)(nil)
	_ webhook.Extender      = (*Store)(nil)
	_ webhook.RateLimiter   = (*Store)(nil)
	_ webhook.History       = (*Store)(nil)
	_ webhook.Canceler      = (*Store)(nil)
	_ webhook.Counter       = (*Store)(nil)
	_ webhook.Purger        = (*Store)(nil)
)
