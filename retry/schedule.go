package retry

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Schedule says how long to wait between attempts.
type Schedule interface {
	// Next returns the delay after n failed attempts, n >= 1, counted from the
	// end of the n-th; false means that there is no further attempt.
	//
	// It must depend on n alone, so that it survives a restart, must not be
	// negative, and is called concurrently.
	Next(n int) (time.Duration, bool)
}

// Fixed returns a schedule with these delays: len(delays)+1 attempts in all.
// Without delays there is one attempt. A negative delay counts as zero and is
// an error in [Policy.Validate].
func Fixed(delays ...time.Duration) Schedule {
	return fixed(slices.Clone(delays))
}

type fixed []time.Duration

func (f fixed) Next(n int) (time.Duration, bool) {
	if n = max(n, 1); n > len(f) {
		return 0, false
	}
	return max(f[n-1], 0), true
}

func (f fixed) validate() error {
	for i, d := range f {
		if d < 0 {
			return fmt.Errorf("delay %d is %v: must not be negative", i+1, d)
		}
	}
	return nil
}

func (f fixed) String() string {
	if len(f) == 0 {
		return "one attempt"
	}
	words := make([]string, len(f))
	for i, d := range f {
		words[i] = d.String()
	}
	return "after " + strings.Join(words, ", ")
}

// Exponential is a schedule whose n-th delay is Base * Factor^(n-1), at most
// Max. Its zero value is 20 attempts, the last of them 10 h 25 m 15 s after
// the first.
type Exponential struct {
	// Base is the first delay.
	//
	// Defaults to 5 s.
	Base time.Duration
	// Factor is by how much each delay is longer than the one before; at least 1.
	//
	// Defaults to 2.
	Factor float64
	// Max is the longest delay; at least Base.
	//
	// Defaults to 1 h, or to Base when that is longer.
	Max time.Duration
	// Attempts is how many attempts there are in all, the first included. There
	// is no value for "without end"; [Policy].MaxAge ends a delivery as well.
	//
	// Defaults to 20.
	Attempts int
}

// Next returns the delay after n failed attempts. See [Schedule].
func (e Exponential) Next(n int) (time.Duration, bool) {
	e = e.withDefaults()
	if n = max(n, 1); n >= e.Attempts {
		return 0, false
	}
	d := float64(e.Base) * math.Pow(e.Factor, float64(n-1))
	// Written so that +Inf and NaN end here too, before they become an integer.
	if !(d < float64(e.Max)) {
		return max(e.Max, 0), true
	}
	return max(time.Duration(d), 0), true
}

// String describes the schedule with its defaults filled in.
func (e Exponential) String() string {
	e = e.withDefaults()
	return fmt.Sprintf("%v growing by %g to %v, %d attempts", e.Base, e.Factor, e.Max, e.Attempts)
}

func (e Exponential) withDefaults() Exponential {
	if e.Base == 0 {
		e.Base = 5 * time.Second
	}
	if e.Factor == 0 {
		e.Factor = 2
	}
	if e.Max == 0 {
		e.Max = max(time.Hour, e.Base)
	}
	if e.Attempts == 0 {
		e.Attempts = 20
	}
	return e
}

func (e Exponential) validate() error {
	e = e.withDefaults()
	var errs []error
	if e.Base < 0 {
		errs = append(errs, fmt.Errorf("exponential: Base is %v: must be positive, or 0 for 5s", e.Base))
	}
	if !(e.Factor >= 1) || math.IsInf(e.Factor, 0) {
		errs = append(errs, fmt.Errorf("exponential: Factor is %g: must be finite and at least 1, or 0 for 2", e.Factor))
	}
	if e.Max < e.Base {
		errs = append(errs, fmt.Errorf("exponential: Max is %v: must be at least Base, which is %v", e.Max, e.Base))
	}
	if e.Attempts < 1 {
		errs = append(errs, fmt.Errorf("exponential: Attempts is %d: must be at least 1, or 0 for 20", e.Attempts))
	}
	return errors.Join(errs...)
}
