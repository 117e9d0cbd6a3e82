package retry

import "time"

// standard is the schedule that the Standard Webhooks specification proposes
// ("Deliverability and reliability"): at once, then after 5 s, 5 m, 30 m, 2 h,
// 5 h, 10 h, 14 h, 20 h and 24 h, each counted from the attempt before. That is
// 10 attempts over 75 h 35 m 5 s.
type standard struct{}

func (standard) Next(n int) (time.Duration, bool) {
	delays := [...]time.Duration{
		5 * time.Second,
		5 * time.Minute,
		30 * time.Minute,
		2 * time.Hour,
		5 * time.Hour,
		10 * time.Hour,
		14 * time.Hour,
		20 * time.Hour,
		24 * time.Hour,
	}
	if n = max(n, 1); n > len(delays) {
		return 0, false
	}
	return delays[n-1], true
}

func (standard) String() string { return "Standard Webhooks, 10 attempts over 75h35m5s" }

// AtLeastOnce returns the policy "at-least-once" for what must arrive: stored,
// 15 s an attempt, the schedule of Standard Webhooks (10 attempts over 75 h
// 35 m 5 s), spread by a tenth. After a crash an attempt may be repeated; the
// receiver tells repeats by the message id.
func AtLeastOnce() Policy {
	return Policy{Name: "at-least-once", Mode: Stored}.WithDefaults()
}

// AtMostOnce returns the policy "at-most-once" for what must never arrive
// twice: stored, 15 s, one attempt. When nobody knows how that attempt ended,
// the delivery has failed and is not sent again.
func AtMostOnce() Policy {
	return Policy{Name: "at-most-once", Mode: StoredOnce}.WithDefaults()
}

// FireAndForget returns the policy "fire-and-forget" for what is worth one try
// now: kept in memory only, 5 s, one attempt. It is lost when the process ends
// and dropped when its lane is full.
func FireAndForget() Policy {
	return Policy{Name: "fire-and-forget", Mode: Volatile, Timeout: 5 * time.Second}.WithDefaults()
}
