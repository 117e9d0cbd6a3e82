package webhook

import (
	"context"
	"time"
)

// Hooks are called when something happens to a message, a delivery or an
// endpoint. Each may be nil. They are called from the goroutine at work, so
// they should return soon; they may be called concurrently, and a panic in one
// is contained and reported to Panicked and the log.
type Hooks struct {
	// Dispatched is called when a message is accepted, also when no endpoint
	// matched. Inside a host's transaction that may still be rolled back.
	Dispatched func(ctx context.Context, m *Message, r Receipt)
	// AttemptDone is called after each request, before its outcome is stored.
	AttemptDone func(ctx context.Context, a Attempt)
	// Retrying is called when a delivery will be tried again after delay.
	Retrying func(ctx context.Context, d Delivery, delay time.Duration)
	// Ended is called when a delivery reached a final state and, for a stored
	// one, after the store took it; also for one that was final at once, but
	// not inside a host's transaction, which may still be rolled back. A crash between the two loses the call,
	// not the state: see History.Finals for a feed that loses nothing.
	Ended func(ctx context.Context, d Delivery)
	// EndpointFailing is called when an endpoint crossed 50, 70, 90 or 100
	// percent of the way to being disabled, once each over all processes.
	EndpointFailing func(ctx context.Context, n FailingNotice)
	// CircuitOpened is called when an endpoint failed so often in a row that it
	// is parked for a while, over all processes; then one delivery probes it.
	CircuitOpened func(ctx context.Context, endpointID string, wait time.Duration)
	// EndpointDisabled is called after an endpoint was disabled: by its
	// receiver's 410, or at 100 percent.
	EndpointDisabled func(ctx context.Context, endpointID, reason string)
	// MixedAnswer is called when a dial was refused some addresses of a
	// receiver's name and went on to others: the name may be an attempt to
	// reach what is not public, or this network translates addresses (DNS64).
	// Addresses that were not tried are not counted.
	MixedAnswer func(ctx context.Context, host string, refused, allowed int)
	// StoreFailed is called when a store returned an error to a worker, which
	// goes on; op is "claim", "settle", "park", "endpoints", "extend",
	// "listen", "disable" or "take".
	StoreFailed func(ctx context.Context, op string, err error)
	// Stale is called when a settlement came too late: the lease was over and
	// somebody else has, or had, the delivery.
	Stale func(ctx context.Context, deliveryID string)
	// Panicked is called when the host's code panicked; where is "hook",
	// "encoder", "judge", "signer", "transport" or "store".
	Panicked func(ctx context.Context, where string, value any, stack []byte)
}

// FailingNotice tells how far an endpoint is on the way to being disabled.
type FailingNotice struct {
	EndpointID string
	Percent    int // 50, 70, 90 or 100
	Failures   int
	FailingFor time.Duration
}
