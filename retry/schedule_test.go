package retry_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/outhook/outhook/retry"
)

// delays returns what the schedule says until it ends, at most limit delays.
func delays(s retry.Schedule, limit int) []time.Duration {
	var all []time.Duration
	for n := 1; n <= limit; n++ {
		d, more := s.Next(n)
		if !more {
			return all
		}
		all = append(all, d)
	}
	return all
}

func TestSchedules(t *testing.T) {
	const s, m, h = time.Second, time.Minute, time.Hour
	constant := func() backoff.BackOff { return backoff.NewConstantBackOff(3 * s) }
	for _, tt := range []struct {
		name     string
		schedule retry.Schedule
		want     []time.Duration
	}{
		{
			name:     "standard webhooks",
			schedule: retry.AtLeastOnce().Schedule,
			want:     []time.Duration{5 * s, 5 * m, 30 * m, 2 * h, 5 * h, 10 * h, 14 * h, 20 * h, 24 * h},
		},
		{name: "at most once", schedule: retry.AtMostOnce().Schedule},
		{name: "fire and forget", schedule: retry.FireAndForget().Schedule},
		{name: "fixed", schedule: retry.Fixed(s, 0, m), want: []time.Duration{s, 0, m}},
		{name: "fixed without delays", schedule: retry.Fixed()},
		{name: "fixed negative", schedule: retry.Fixed(-s, s), want: []time.Duration{0, s}},
		{
			name:     "exponential",
			schedule: retry.Exponential{Base: s, Factor: 3, Max: 10 * s, Attempts: 6},
			want:     []time.Duration{s, 3 * s, 9 * s, 10 * s, 10 * s},
		},
		{name: "exponential constant", schedule: retry.Exponential{Base: m, Factor: 1, Attempts: 3}, want: []time.Duration{m, m}},
		{name: "exponential base over the default max", schedule: retry.Exponential{Base: 2 * h, Attempts: 3}, want: []time.Duration{2 * h, 2 * h}},
		{name: "exponential one attempt", schedule: retry.Exponential{Attempts: 1}},
		{
			name: "exponential default", schedule: retry.Exponential{},
			want: append([]time.Duration{5 * s, 10 * s, 20 * s, 40 * s, 80 * s, 160 * s, 320 * s, 640 * s, 1280 * s, 2560 * s}, slices.Repeat([]time.Duration{h}, 9)...),
		},
		{name: "backoff constant", schedule: retry.FromBackOff(constant, 4), want: []time.Duration{3 * s, 3 * s, 3 * s}},
		{name: "backoff one attempt", schedule: retry.FromBackOff(constant, 1)},
		{
			name: "backoff stop",
			schedule: retry.FromBackOff(func() backoff.BackOff {
				return backoff.WithMaxRetries(backoff.NewConstantBackOff(s), 2)
			}, 10),
			want: []time.Duration{s, s},
		},
		{
			name: "backoff exponential, elapsed limit and randomization off",
			schedule: retry.FromBackOff(func() backoff.BackOff {
				return backoff.NewExponentialBackOff(
					backoff.WithInitialInterval(s),
					backoff.WithMultiplier(2),
					backoff.WithMaxInterval(5*s),
					backoff.WithMaxElapsedTime(s),
					backoff.WithRandomizationFactor(0.9))
			}, 6),
			want: []time.Duration{s, 2 * s, 4 * s, 5 * s, 5 * s},
		},
		{
			name: "backoff literal without clock",
			schedule: retry.FromBackOff(func() backoff.BackOff {
				return &backoff.ExponentialBackOff{InitialInterval: s, Multiplier: 2, MaxInterval: m}
			}, 4),
			want: []time.Duration{s, 2 * s, 4 * s},
		},
		{name: "backoff nil", schedule: retry.FromBackOff(nil, 3)},
		{name: "backoff returning nil", schedule: retry.FromBackOff(func() backoff.BackOff { return nil }, 3)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := delays(tt.schedule, 100)
			if !slices.Equal(got, tt.want) {
				t.Errorf("delays = %v, want %v", got, tt.want)
			}
			// Pure: asked again and out of order, it says the same.
			for n := len(got); n >= 1; n-- {
				if d, more := tt.schedule.Next(n); !more || d != got[n-1] {
					t.Errorf("Next(%d) again = %v, %v, want %v", n, d, more, got[n-1])
				}
			}
			for _, n := range []int{0, -1, math.MinInt} {
				d, more := tt.schedule.Next(n)
				if d1, more1 := tt.schedule.Next(1); d != d1 || more != more1 {
					t.Errorf("Next(%d) = %v, %v, want %v, %v as for 1", n, d, more, d1, more1)
				}
			}
			if d, more := tt.schedule.Next(math.MaxInt); more {
				t.Errorf("Next(MaxInt) = %v, want the end", d)
			}
		})
	}
}

// The table of the Standard Webhooks specification, as instants after the
// first attempt: 10 attempts over 75 h 35 m 5 s.
func TestStandardInstants(t *testing.T) {
	p := retry.AtLeastOnce()
	p.Jitter = -1
	want := []string{"5s", "5m5s", "35m5s", "2h35m5s", "7h35m5s", "17h35m5s", "31h35m5s", "51h35m5s", "75h35m5s"}
	var at time.Duration
	for i, w := range want {
		d, more := p.Delay("dlv_1", i+1)
		at += d
		if instant, err := time.ParseDuration(w); err != nil || !more || at != instant {
			t.Errorf("attempt %d at %v (more %v), want %v", i+2, at, more, w)
		}
	}
	if d, more := p.Delay("dlv_1", 10); more || d != 0 {
		t.Errorf("Delay(10) = %v, %v, want the end", d, more)
	}
}

func TestExponentialNeverOverflowsOrShrinks(t *testing.T) {
	for _, e := range []retry.Exponential{
		{Attempts: math.MaxInt},
		{Base: 1, Factor: 1e300, Max: math.MaxInt64, Attempts: math.MaxInt},
		{Base: math.MaxInt64, Factor: 2, Max: math.MaxInt64, Attempts: math.MaxInt},
		{Base: time.Hour, Factor: 1.0000001, Max: math.MaxInt64, Attempts: math.MaxInt},
		{Base: 1, Factor: 10, Max: math.MaxInt64 - 1, Attempts: math.MaxInt},
	} {
		var last time.Duration
		for _, n := range []int{1, 2, 3, 10, 18, 19, 20, 62, 63, 64, 1000, 1 << 40, math.MaxInt - 1} {
			d, more := e.Next(n)
			if !more || d < last || d < e.Base || (e.Max != 0 && d > e.Max) {
				t.Errorf("%v: Next(%d) = %v, %v after %v", e, n, d, more, last)
			}
			last = d
		}
	}
}
