package webhook

import (
	"errors"
	"fmt"

	"github.com/outhook/outhook/internal/netguard"
	"github.com/outhook/outhook/internal/redact"
	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
)

// Errors to compare with errors.Is.
var (
	// ErrNotFound says that a store holds no such endpoint or delivery.
	ErrNotFound = errors.New("webhook: not found")
	// ErrConflict says that an endpoint's id belongs to another scope.
	ErrConflict = errors.New("webhook: the id belongs to another endpoint")
	// ErrRunning says that Run, or a delivery, is already running.
	ErrRunning = errors.New("webhook: already running")
	// ErrClosed is what a Dispatcher returns after Shutdown.
	ErrClosed = errors.New("webhook: the dispatcher is shut down")
	// ErrFull says that a bounded store has no room.
	ErrFull = errors.New("webhook: the store is full")
	// ErrFanOut says that an event matched more endpoints than
	// Config.MaxFanOut; nothing was stored or sent.
	ErrFanOut = errors.New("webhook: too many endpoints for one event")
	// ErrLoop says that an event came of a webhook that came of a webhook, and
	// so on, more often than Config.MaxHops; nothing was stored or sent. A
	// receiver should answer success all the same: a retry brings no other
	// count.
	ErrLoop = errors.New("webhook: the event goes in a circle")
	// ErrOutdated is what a Recaller's Enqueue returns where Batch.Recalled does not
	// hold any more. The dispatcher then asks Match; no Dispatch returns it.
	ErrOutdated = errors.New("webhook: the endpoints have changed")
	// ErrNoQueue says that a stored policy was asked for without Config.Queue.
	ErrNoQueue = errors.New("webhook: a stored policy needs Config.Queue")
	// ErrUnsupported says that a store lacks an optional interface.
	ErrUnsupported = errors.New("webhook: the store does not support this")
	// ErrNoSample says that Config.Catalog has no sample of an event type.
	ErrNoSample = errors.New("webhook: no sample of this event type is registered")
	// ErrRate says that samples are sent too often.
	ErrRate = errors.New("webhook: too many samples")
	// ErrInvalidScope marks a scope that is zero or misspelt.
	ErrInvalidScope = errors.New("webhook: invalid scope")
	// ErrInvalidEvent marks an event that cannot be dispatched.
	ErrInvalidEvent = errors.New("webhook: invalid event")
	// ErrPanic marks a panic of the host's code (a hook, an encoder, a judge)
	// that cost one delivery.
	ErrPanic = errors.New("webhook: panic")
	// ErrRedacted marks a secret that was read back in its redacted form.
	ErrRedacted = payload.ErrRedacted
)

// OutdatedError is an ErrOutdated of an EnqueueAll that tells which batches it is
// about.
type OutdatedError struct {
	Batches []int // indices of those whose Recalled does not hold any more
}

// Error is that of ErrOutdated.
func (*OutdatedError) Error() string { return ErrOutdated.Error() }

// Is reports whether target is ErrOutdated.
func (*OutdatedError) Is(target error) bool { return target == ErrOutdated }

// URLError says which rule a URL breaks, and how to mend it. It does not
// repeat the URL's query, userinfo or path.
type URLError = netguard.URLError

// ConfigError is one fault of a Config. New joins them.
type ConfigError struct {
	Field string // as "Policies[2].Timeout"
	Err   error
}

// Error implements error.
func (e *ConfigError) Error() string { return "webhook: Config." + e.Field + ": " + e.Err.Error() }

// Unwrap returns what is wrong with the field.
func (e *ConfigError) Unwrap() error { return e.Err }

// EndpointError is what is wrong with one endpoint.
type EndpointError struct {
	ID  string
	Err error
}

// Error implements error.
func (e *EndpointError) Error() string {
	return fmt.Sprintf("webhook: endpoint %q: %v", clip(e.ID), e.Err)
}

// Unwrap returns what is wrong.
func (e *EndpointError) Unwrap() error { return e.Err }

// SendError is why an attempt brought no success. Its text holds no secret
// and no part of the URL but its host; Err is for operators.
type SendError struct {
	Outcome retry.Outcome
	Class   Class
	Status  int
	Err     error // nil when there was an answer
}

// Error implements error.
func (e *SendError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("webhook: answered %d (%v)", e.Status, e.Outcome)
	}
	return "webhook: " + e.Class.String() + ": " + redact.Error(e.Err)
}

// Unwrap returns the cause, which may hold more than a log should.
func (e *SendError) Unwrap() error { return e.Err }
