package retry

import (
	"math"
	"net/http"
	"strings"
	"time"
)

// After returns how long the receiver asked to be left alone, by the
// Retry-After header (RFC 9110 section 10.2.3, seconds or an HTTP date) of a
// 429 or a 503, bounded by MaxRetryAfter; 0 when it asked for nothing, for a
// time that has passed, or for something that cannot be read. now is when the
// answer came, and only dates are compared with it.
//
// It only ever delays: the next attempt comes after the longer of it and
// [Policy.Delay].
func (p Policy) After(r Response, now time.Time) time.Duration {
	if r.Status != http.StatusTooManyRequests && r.Status != http.StatusServiceUnavailable {
		return 0
	}
	limit := p.WithDefaults().MaxRetryAfter
	if limit < 0 {
		return 0
	}
	return min(parseRetryAfter(r.Header.Get("Retry-After"), now), limit)
}

// parseRetryAfter returns 0 for what is no Retry-After, and never a negative
// duration. More seconds than a duration holds are the longest duration.
func parseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.Trim(value, " \t")
	if value == "" {
		return 0
	}
	if isDigits(value) {
		return seconds(value)
	}
	if t, err := http.ParseTime(value); err == nil {
		return max(t.Sub(now), 0)
	}
	return 0
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func seconds(digits string) time.Duration {
	const limit = math.MaxInt64 / int64(time.Second)
	var n int64
	for i := range len(digits) {
		n = n*10 + int64(digits[i]-'0')
		if n > limit {
			return math.MaxInt64
		}
	}
	return time.Duration(n) * time.Second
}
