package simtest_test

import (
	"strconv"
	"time"
)

// seed decides everything that chance decides in one world. A decision depends
// on the seed and on what it is about, never on how many others were made
// before: the order in which goroutines ask changes nothing.
type seed uint64

// bits hashes the seed and what is decided: FNV-1a, then the finalizer of
// SplitMix64.
func (s seed) bits(about ...any) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset) ^ uint64(s)*0x9e3779b97f4a7c15
	text := func(t string) {
		for i := range len(t) {
			h = (h ^ uint64(t[i])) * prime
		}
		h = (h ^ 0xff) * prime
	}
	for _, a := range about {
		switch a := a.(type) {
		case string:
			text(a)
		case int:
			text(strconv.Itoa(a))
		default:
			panic("simtest: decisions are about strings and numbers")
		}
	}
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// share returns a number in [0, 1).
func (s seed) share(about ...any) float64 { return float64(s.bits(about...)>>11) / (1 << 53) }

// below returns a number in [0, n).
func (s seed) below(n int, about ...any) int { return int(s.bits(about...) % uint64(n)) }

// between returns a duration in [from, to), in whole microseconds.
func (s seed) between(from, to time.Duration, about ...any) time.Duration {
	span := int((to - from) / time.Microsecond)
	return from + time.Duration(s.below(span, about...))*time.Microsecond
}
