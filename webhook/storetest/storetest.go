// Package storetest proves that a store does what webhook demands of it. A
// host that brings its own store runs it in a test:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Store {
//			s := mystore.New(openDatabase(t))
//			return storetest.Store{Queue: s, Endpoints: s}
//		}, storetest.Options{Require: storetest.EndpointStore | storetest.History})
//	}
//
// Each case opens a store of its own, empty, and says on failure which promise
// was broken and why it matters. Times are measured, not hoped for: a slow
// machine makes a case slow, not wrong.
//
// [Faulty] and [FaultyEndpoints] wrap stores that fail on purpose, for the
// host's own tests.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
)

// Store is one handle to a store under test, as one process would hold it.
// Optional interfaces are found in Queue and Endpoints by type assertion.
type Store struct {
	// Queue is required.
	Queue webhook.Queue
	// Endpoints is where endpoints are kept; nil where the store has none.
	Endpoints webhook.EndpointStore
	// Register puts an endpoint into Endpoints and returns it as it is
	// stored; its id may be another then.
	//
	// Defaults to Set, where Endpoints is a [webhook.EndpointAdmin].
	Register func(ctx context.Context, e *webhook.Endpoint) (*webhook.Endpoint, error)
	// Begin starts a transaction of the host's; nil where the store cannot
	// take part in one.
	Begin func(ctx context.Context) (Tx, error)
	// Peer opens another handle to the same data, as another process would;
	// it must share no memory with this one unless the store lives in memory.
	// Nil leaves the cases with two processes out.
	Peer func(t *testing.T) Store
	// Corrupt damages the stored row of a delivery so that it no longer
	// decodes. Nil leaves the case of a damaged row out.
	Corrupt func(ctx context.Context, deliveryID string) error
}

// Tx is a transaction of the host's, with the store's Outbox bound to it.
type Tx struct {
	// Outbox writes inside the transaction. Where it is a [webhook.Matcher],
	// that is tested as well.
	Outbox webhook.Outbox
	// Commit ends the transaction; what Outbox took is visible then.
	Commit func() error
	// Rollback ends the transaction; nothing of it remains.
	Rollback func() error
}

// Options say how a store is tested.
type Options struct {
	// Require names what the store must offer; where it does not, Run fails.
	// What is not required is tested if it is there. Naming all that a store
	// has keeps it from losing a part unseen.
	//
	// Defaults to none.
	Require Features
	// Tick is the unit of all leases, delays and pauses. A store whose clock
	// is coarse, or whose calls are slow, wants more.
	//
	// Defaults to 50 ms.
	Tick time.Duration
	// Around is called for each case and must call run once. For a store in
	// memory, synctest.Test makes the case run on virtual time.
	//
	// Defaults to calling run(t).
	Around func(t *testing.T, run func(t *testing.T))
	// Volume is the number of deliveries in the cases that need many.
	//
	// Defaults to 10,000, or to 1,000 with -short.
	Volume int
}

func (o Options) withDefaults() Options {
	if o.Tick <= 0 {
		o.Tick = 50 * time.Millisecond
	}
	if o.Around == nil {
		o.Around = func(t *testing.T, run func(t *testing.T)) {
			t.Helper()
			run(t)
		}
	}
	if o.Volume <= 0 {
		o.Volume = 10_000
		if testing.Short() {
			o.Volume = 1_000
		}
	}
	return o
}

// Run runs every case whose demands the store can meet, each as a subtest with
// a store of its own, which open returns empty. What open needs to close it
// leaves to t.Cleanup. Cases run one after the other.
func Run(t *testing.T, open func(t *testing.T) Store, o Options) {
	t.Helper()
	o = o.withDefaults()
	var offered Features
	t.Run("offers", func(t *testing.T) {
		o.Around(t, func(t *testing.T) {
			t.Helper()
			offered = offers(t, open(t))
			for _, f := range (o.Require &^ offered).each() {
				t.Errorf("the store does not offer %s, which Options.Require names", f)
			}
			for _, f := range (All &^ offered &^ o.Require).each() {
				t.Logf("left out: the store does not offer %s", f)
			}
		})
	})
	for _, c := range cases() {
		if c.needs&^offered != 0 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			o.Around(t, func(t *testing.T) {
				t.Helper()
				play(t, c, open, o, func(fault string) {
					t.Helper()
					t.Errorf("%s\n\t%s", fault, c.explanation)
				})
			})
		})
	}
}
