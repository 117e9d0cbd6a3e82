package retry

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Mode says where a delivery lives and how often it may be tried.
type Mode uint8

// The modes. The zero value of a policy's Mode means Stored.
const (
	// Stored deliveries are as durable as the host's store makes them and are
	// tried at least once; only they are tried again.
	Stored Mode = iota + 1
	// StoredOnce deliveries are as durable, and are tried at most once.
	StoredOnce
	// Volatile deliveries live in memory, have one attempt, and may be dropped.
	Volatile
)

// String returns "stored", "stored-once" or "volatile".
func (m Mode) String() string {
	switch m {
	case Stored:
		return "stored"
	case StoredOnce:
		return "stored-once"
	case Volatile:
		return "volatile"
	}
	return "Mode(" + strconv.Itoa(int(m)) + ")"
}

// Policy says what an endpoint's deliveries may cost. It is plain data: copy it
// and change fields. Its methods take unset fields at their defaults, and may
// be called concurrently.
type Policy struct {
	// Name is what Endpoint.Policy names. It is needed, and is stored with each
	// delivery.
	Name string
	// Mode says where a delivery lives and how often it may be tried.
	//
	// Defaults to Stored.
	Mode Mode
	// Timeout bounds one attempt, from the look-up of the host to the last byte
	// read of the answer.
	//
	// Defaults to 15 s.
	Timeout time.Duration
	// Judge turns a response into an outcome. WithDefaults leaves a nil Judge
	// nil, so that policies can be compared; call Judged, not this field.
	//
	// Defaults to the function Default.
	Judge Judge
	// Schedule gives the bare delays between attempts. In the modes StoredOnce
	// and Volatile it must allow one attempt only.
	//
	// Defaults to the schedule of Standard Webhooks (10 attempts over 75 h 35 m
	// 5 s) for Stored, to one attempt for the other modes.
	Schedule Schedule
	// Jitter is the fraction, from 0 to 1, by which a delay is spread: it grows
	// by between nothing and this part of itself, never shrinks. How much is
	// fixed by delivery id and attempt number. Negative: none.
	//
	// Defaults to 0.1.
	Jitter float64
	// MaxAge is how old a delivery may be, counted from its dispatch, when an
	// attempt starts: an attempt that would start later is not made, and the
	// delivery is over. The first attempt of a stored delivery is made at any
	// age; that of a volatile one is not. Negative: no limit.
	//
	// Defaults to 168 h (the Standard Webhooks schedule fits in with any jitter
	// and any wait by the default MaxRetryAfter), and to 1 m for Volatile.
	MaxAge time.Duration
	// MaxRetryAfter bounds the wait that a receiver can ask for by Retry-After.
	// Negative: Retry-After is ignored.
	//
	// Defaults to 1 h.
	MaxRetryAfter time.Duration
}

// WithDefaults returns p with its defaults filled in, but for Judge. Values
// that are set stay as they are, also those that Validate refuses.
func (p Policy) WithDefaults() Policy {
	if p.Mode == 0 {
		p.Mode = Stored
	}
	if p.Timeout == 0 {
		p.Timeout = 15 * time.Second
	}
	if p.Schedule == nil {
		p.Schedule = fixed(nil)
		if p.Mode == Stored {
			p.Schedule = standard{}
		}
	}
	if p.Jitter == 0 {
		p.Jitter = 0.1
	}
	if p.MaxAge == 0 {
		p.MaxAge = 168 * time.Hour
		if p.Mode == Volatile {
			p.MaxAge = time.Minute
		}
	}
	if p.MaxRetryAfter == 0 {
		p.MaxRetryAfter = time.Hour
	}
	return p
}

// Validate returns all that is wrong with p as one joined error, each part
// naming the policy, the field and what would be right. Unset fields are taken
// at their defaults.
func (p Policy) Validate() error {
	d := p.WithDefaults()
	var errs []error
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("retry: policy %q: "+format, append([]any{p.Name}, args...)...))
	}
	if strings.TrimSpace(p.Name) == "" {
		wrong("Name is blank: endpoints and stored deliveries name a policy by it")
	}
	if d.Mode > Volatile {
		wrong("Mode is %v: must be Stored, StoredOnce or Volatile", d.Mode)
	}
	if d.Timeout < 0 {
		wrong("Timeout is %v: must be positive, or 0 for 15s", d.Timeout)
	}
	if d.Jitter > 1 || math.IsNaN(d.Jitter) {
		wrong("Jitter is %g: must be at most 1, 0 for 0.1, negative for none", d.Jitter)
	}
	if s, ok := d.Schedule.(interface{ validate() error }); ok {
		if err := s.validate(); err != nil {
			wrong("Schedule: %w", err)
		}
	}
	if _, more := d.Schedule.Next(1); more && d.Mode != Stored {
		wrong("Schedule allows a second attempt: %v has one; leave Schedule nil or take Stored", d.Mode)
	}
	return errors.Join(errs...)
}

// Delay returns how long to wait after n failed attempts before the next one,
// counted from the end of the n-th: what Schedule says, plus jitter. False
// means that there is no further attempt. An n below 1 counts as 1.
//
// The jitter is a pure function of delivery id and n: every process computes
// the same delay, today and after a restart, and two deliveries that failed
// together come back apart.
func (p Policy) Delay(deliveryID string, n int) (time.Duration, bool) {
	p = p.WithDefaults()
	n = max(n, 1)
	d, more := p.Schedule.Next(n)
	if !more {
		return 0, false
	}
	d = max(d, 0) // a host's own schedule may be wrong; time does not run back
	if !(p.Jitter > 0) {
		return d, true
	}
	extra := float64(d) * min(p.Jitter, 1) * fraction(deliveryID, n)
	if extra >= float64(math.MaxInt64-d) {
		return math.MaxInt64, true
	}
	return d + time.Duration(extra), true
}

// Judged returns the outcome that p's judge, or Default, gives r. What a judge
// has no say in (Refused, Interrupted) and what is no outcome at all, such as
// the zero value of a forgotten case, count as Retryable. A panic of the judge
// passes through: the caller contains it.
func (p Policy) Judged(r Response) Outcome {
	switch o := orDefault(p.Judge)(r); o {
	case Accepted, Known, Retryable, Rejected, Gone:
		return o
	case Refused, Interrupted:
		return Retryable
	}
	return Retryable
}

// String describes p in one line, with its defaults filled in.
func (p Policy) String() string {
	p = p.WithDefaults()
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v, timeout %v, schedule (%v)", p.Name, p.Mode, p.Timeout, p.Schedule)
	if p.Jitter > 0 {
		fmt.Fprintf(&b, ", jitter %g", p.Jitter)
	}
	if p.MaxAge >= 0 {
		fmt.Fprintf(&b, ", at most %v old", p.MaxAge)
	}
	if p.MaxRetryAfter >= 0 {
		fmt.Fprintf(&b, ", Retry-After up to %v", p.MaxRetryAfter)
	}
	if p.Judge != nil {
		b.WriteString(", own judge")
	}
	return b.String()
}

// fraction returns a number in [0, 1) that depends on id and n alone: FNV-1a
// over both, then the finalizer of SplitMix64, because FNV leaves its high bits
// alike for ids that differ at the end. It must never change: stored deliveries
// of running systems rely on it.
func fraction(id string, n int) float64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * prime
	}
	for k := n; k > 0; k >>= 8 {
		h = (h ^ uint64(k&0xff)) * prime
	}
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	h ^= h >> 31
	return float64(h>>11) / (1 << 53)
}
