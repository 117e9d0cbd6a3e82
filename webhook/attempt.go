package webhook

import (
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
)

// Attempt is one HTTP request of a delivery, as it is recorded: secrets are
// masked, the answer is cut to Config.AnswerBytes.
type Attempt struct {
	DeliveryID string
	MessageID  string
	EndpointID string
	Number     int // 1 for the first
	Outcome    retry.Outcome
	Status     int       // of the answer; 0 when there was none
	Start      time.Time // by the clock of the process that sent it
	Duration   time.Duration
	// Error says why there was no answer, or what was wrong with it; no URL
	// query, no userinfo and no secret is in it.
	Error string
	// Class is the coarse kind of failure that a customer may be shown.
	Class Class

	Method string
	// URL is where the request went, without userinfo and with the values of
	// its query masked.
	URL string
	// Header is the request's header as it was set, credentials and
	// signatures masked.
	Header []payload.Header
	// Answer is the beginning of the answer's body, the endpoint's own
	// secrets masked in it.
	Answer []byte
}

// Class is a coarse kind of failure that may be shown to a customer: it tells
// nothing of the network behind the sender.
type Class uint8

// The classes of failure.
const (
	// NoFailure is the class of an accepted or known delivery.
	NoFailure Class = iota + 1
	// BadStatus is an answer whose status is no success.
	BadStatus
	// TimedOut is an attempt whose time ended first.
	TimedOut
	// Unreachable is a name that does not resolve, or a host that does not
	// connect or breaks off.
	Unreachable
	// TLSFailure is a failed handshake or certificate.
	TLSFailure
	// Forbidden is a target that the guard refuses. To a customer it shows
	// like Unreachable.
	Forbidden
	// Internal is a fault on our own side: nothing was sent.
	Internal
)

// String returns the class as a customer may see it.
func (c Class) String() string {
	switch c {
	case NoFailure:
		return "none"
	case BadStatus:
		return "bad status"
	case TimedOut:
		return "timeout"
	case Unreachable, Forbidden:
		return "unreachable"
	case TLSFailure:
		return "tls"
	case Internal:
		return "internal"
	}
	return "unknown"
}
