// Package retry says what a delivery may cost: how an answer is judged, when
// it is tried again, and when it is over.
//
// A [Policy] is data with two seams. Its [Judge] turns a [Response] into an
// [Outcome]; its [Schedule] says how long to wait after the n-th failed attempt.
// Both are pure functions, so that a delivery goes on after a restart as if
// nothing had happened. Nothing in this package keeps state, reads a clock or
// does I/O, and everything in it may be used concurrently.
//
// Start from [AtLeastOnce], [AtMostOnce] or [FireAndForget] and change fields.
package retry

import (
	"fmt"
	"strconv"
)

// Outcome is the verdict on one attempt. Its zero value is no outcome.
type Outcome uint8

// The outcomes. A [Judge] returns one of the first five; Refused and
// Interrupted are found by the dispatcher itself.
const (
	// Accepted: the receiver has the message. The delivery is done.
	Accepted Outcome = iota + 1
	// Known: the receiver had the message before. The delivery is a duplicate.
	Known
	// Retryable: not this time. The delivery is tried again while its schedule
	// and its age allow.
	Retryable
	// Rejected: the receiver will never take this message. The delivery failed.
	Rejected
	// Gone: the receiver wants no message at all. The delivery failed and its
	// endpoint is disabled.
	Gone
	// Refused: a guard on our side said no; nothing was sent.
	Refused
	// Interrupted: nobody knows whether the receiver has the message.
	Interrupted
)

// Valid reports whether o is one of the outcomes of this package.
func (o Outcome) Valid() bool { return o >= Accepted && o <= Interrupted }

// String returns the lower-case name of the outcome, as in "accepted".
func (o Outcome) String() string {
	switch o {
	case Accepted:
		return "accepted"
	case Known:
		return "known"
	case Retryable:
		return "retryable"
	case Rejected:
		return "rejected"
	case Gone:
		return "gone"
	case Refused:
		return "refused"
	case Interrupted:
		return "interrupted"
	}
	return "Outcome(" + strconv.Itoa(int(o)) + ")"
}

// MarshalText returns what String returns. An outcome that is not valid is an
// error.
func (o Outcome) MarshalText() ([]byte, error) {
	if !o.Valid() {
		return nil, fmt.Errorf("retry: %v is not an outcome", o)
	}
	return []byte(o.String()), nil
}

// UnmarshalText accepts exactly the words that MarshalText writes and leaves o
// as it was on any other.
func (o *Outcome) UnmarshalText(text []byte) error {
	for k := Accepted; k.Valid(); k++ {
		if k.String() == string(text) {
			*o = k
			return nil
		}
	}
	return fmt.Errorf("retry: unknown outcome %q", text)
}
