package retry

import (
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// FromBackOff returns a schedule of at most maxAttempts attempts whose delays
// are those of a [backoff.BackOff]. The schedule must be pure in the attempt
// number while a BackOff counts its own calls, so that each Next replays: it
// calls newBackOff for a fresh BackOff and takes its n-th delay. What a BackOff
// measures or rolls itself therefore does not apply:
//
//   - An elapsed-time limit sees the microseconds of the replay, not the hours
//     of the delivery. On a *backoff.ExponentialBackOff it is turned off;
//     maxAttempts and [Policy].MaxAge end a delivery instead.
//   - The randomization of a *backoff.ExponentialBackOff is turned off;
//     [Policy].Jitter spreads the delays, the same after a restart.
//   - Inside a wrapper (backoff.WithMaxRetries, backoff.WithContext) both stay
//     on, out of reach. Set RandomizationFactor and MaxElapsedTime to 0 yourself
//     there, and use no context that ends.
//
// A backoff.Stop ends the schedule early. newBackOff is called concurrently and
// must return a new value each time. A nil newBackOff and a maxAttempts below 1
// are errors in [Policy.Validate].
func FromBackOff(newBackOff func() backoff.BackOff, maxAttempts int) Schedule {
	return replay{newBackOff: newBackOff, maxAttempts: maxAttempts}
}

type replay struct {
	newBackOff  func() backoff.BackOff
	maxAttempts int
}

func (r replay) Next(n int) (time.Duration, bool) {
	n = max(n, 1)
	if n >= r.maxAttempts || r.newBackOff == nil {
		return 0, false
	}
	b := r.newBackOff()
	if b == nil {
		return 0, false
	}
	if e, ok := b.(*backoff.ExponentialBackOff); ok {
		e.RandomizationFactor = 0
		e.MaxElapsedTime = 0
		if e.Clock == nil { // a literal that did not come from NewExponentialBackOff
			e.Clock = backoff.SystemClock
		}
	}
	b.Reset()
	var d time.Duration
	for range n {
		// Every negative delay counts as the end, not Stop alone: a negative
		// delay has no other meaning.
		if d = b.NextBackOff(); d < 0 {
			return 0, false
		}
	}
	return d, true
}

func (r replay) String() string {
	return fmt.Sprintf("BackOff, at most %d attempts", r.maxAttempts)
}

func (r replay) validate() error {
	var errs []error
	if r.newBackOff == nil {
		errs = append(errs, errors.New("FromBackOff needs a function that returns a BackOff, not nil"))
	}
	if r.maxAttempts < 1 {
		errs = append(errs, fmt.Errorf("FromBackOff's maxAttempts is %d: must be at least 1", r.maxAttempts))
	}
	return errors.Join(errs...)
}
