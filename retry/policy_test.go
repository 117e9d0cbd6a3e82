package retry_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/outhook/outhook/retry"
)

func TestStockPolicies(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   retry.Policy
		want string
	}{
		{
			name: "at least once", in: retry.AtLeastOnce(),
			want: "at-least-once: stored, timeout 15s, schedule (Standard Webhooks, 10 attempts over 75h35m5s), jitter 0.1, at most 168h0m0s old, Retry-After up to 1h0m0s",
		},
		{
			name: "at most once", in: retry.AtMostOnce(),
			want: "at-most-once: stored-once, timeout 15s, schedule (one attempt), jitter 0.1, at most 168h0m0s old, Retry-After up to 1h0m0s",
		},
		{
			name: "fire and forget", in: retry.FireAndForget(),
			want: "fire-and-forget: volatile, timeout 5s, schedule (one attempt), jitter 0.1, at most 1m0s old, Retry-After up to 1h0m0s",
		},
		{
			name: "everything off",
			in: retry.Policy{
				Name: "own", Jitter: -1, MaxAge: -1, MaxRetryAfter: -1, Judge: retry.Default,
				Schedule: retry.Fixed(time.Second, time.Minute),
			},
			want: "own: stored, timeout 15s, schedule (after 1s, 1m0s), own judge",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.in.Validate(); err != nil {
				t.Errorf("Validate() = %v, want nil", err)
			}
			if got := fmt.Sprint(tt.in); got != tt.want {
				t.Errorf("String() = %q, want %q", got, tt.want)
			}
			once := tt.in.WithDefaults()
			if tt.in.Judge == nil && !reflect.DeepEqual(once, once.WithDefaults()) {
				t.Errorf("WithDefaults() twice = %v, want %v", once.WithDefaults(), once)
			}
		})
	}
	if got, want := (retry.Policy{Name: "at-least-once"}).WithDefaults(), retry.AtLeastOnce(); !reflect.DeepEqual(got, want) {
		t.Errorf("defaults = %v, want %v", got, want)
	}
}

func TestValidateNamesEachField(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   retry.Policy
		want []string
	}{
		{name: "no name", in: retry.Policy{}, want: []string{"Name is blank"}},
		{name: "blank name", in: retry.Policy{Name: " \t"}, want: []string{"Name is blank"}},
		{name: "mode", in: retry.Policy{Name: "p", Mode: 9}, want: []string{`policy "p": Mode is Mode(9)`}},
		{name: "timeout", in: retry.Policy{Name: "p", Timeout: -1}, want: []string{`policy "p": Timeout is -1ns`}},
		{name: "jitter", in: retry.Policy{Name: "p", Jitter: 1.5}, want: []string{`policy "p": Jitter is 1.5`}},
		{name: "jitter NaN", in: retry.Policy{Name: "p", Jitter: math.NaN()}, want: []string{`policy "p": Jitter is NaN`}},
		{
			name: "at most once twice", in: retry.Policy{Name: "p", Mode: retry.StoredOnce, Schedule: retry.Fixed(1)},
			want: []string{"Schedule allows a second attempt: stored-once has one"},
		},
		{
			name: "volatile twice", in: retry.Policy{Name: "p", Mode: retry.Volatile, Schedule: retry.Exponential{}},
			want: []string{"Schedule allows a second attempt: volatile has one"},
		},
		{
			name: "fixed", in: retry.Policy{Name: "p", Schedule: retry.Fixed(1, -2)},
			want: []string{`policy "p": Schedule: delay 2 is -2ns`},
		},
		{
			name: "exponential",
			in:   retry.Policy{Name: "p", Schedule: retry.Exponential{Base: -1, Factor: 0.5, Attempts: -3}},
			want: []string{"Base is -1ns", "Factor is 0.5", "Attempts is -3"},
		},
		{
			name: "exponential max", in: retry.Policy{Name: "p", Schedule: retry.Exponential{Base: time.Hour, Max: time.Second}},
			want: []string{"Max is 1s: must be at least Base, which is 1h0m0s"},
		},
		{
			name: "exponential without end", in: retry.Policy{Name: "p", Schedule: retry.Exponential{Factor: math.Inf(1)}},
			want: []string{"Factor is +Inf"},
		},
		{
			name: "backoff", in: retry.Policy{Name: "p", Schedule: retry.FromBackOff(nil, 0)},
			want: []string{"needs a function that returns a BackOff", "maxAttempts is 0"},
		},
		{
			name: "all at once", in: retry.Policy{Mode: 7, Timeout: -5, Jitter: 2},
			want: []string{"Name is blank", "Mode is", "Timeout is", "Jitter is"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.in.Validate()
			if err == nil {
				t.Fatalf("Validate() = nil, want %q", tt.want)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Validate() = %q, want %q in it", err, want)
				}
			}
		})
	}
	good := retry.Policy{Name: "p", Schedule: retry.FromBackOff(func() backoff.BackOff { return &backoff.ZeroBackOff{} }, 3)}
	if err := good.Validate(); err != nil {
		t.Errorf("Validate() = %v, want nil", err)
	}
}

// at is a schedule that always says the same, for any n.
type at time.Duration

func (a at) Next(int) (time.Duration, bool) { return time.Duration(a), true }

func TestJitterOnlyAddsAndIsBounded(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		bare := time.Duration(rnd.Int64() >> rnd.IntN(63))
		n := 1 + rnd.IntN(1000)
		id := fmt.Sprintf("dlv_%x", rnd.Uint64())
		p := retry.Policy{Name: "p", Schedule: at(bare), Jitter: rnd.Float64()}
		d, more := p.Delay(id, n)
		limit := float64(bare) * (1 + p.WithDefaults().Jitter)
		if !more || d < bare || float64(d) > limit {
			t.Errorf("Delay(%s, %d) = %v with jitter %g, want from %v to %v", id, n, d, p.Jitter, bare, limit)
		}
		if again, _ := p.Delay(id, n); again != d {
			t.Errorf("Delay(%s, %d) again = %v, want %v", id, n, again, d)
		}
		p.Jitter = -1
		if d, _ := p.Delay(id, n); d != bare {
			t.Errorf("Delay(%s, %d) without jitter = %v, want %v", id, n, d, bare)
		}
	}
}

func TestDelaySaturates(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   retry.Policy
		want time.Duration
	}{
		{name: "overflow", in: retry.Policy{Schedule: at(math.MaxInt64), Jitter: 1}, want: math.MaxInt64},
		{name: "the longest delay without jitter", in: retry.Policy{Schedule: at(math.MaxInt64), Jitter: -1}, want: math.MaxInt64},
		{name: "negative schedule", in: retry.Policy{Schedule: at(-time.Hour), Jitter: 1}, want: 0},
		{name: "NaN is no jitter", in: retry.Policy{Schedule: at(time.Hour), Jitter: math.NaN()}, want: time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, more := tt.in.Delay("dlv_1", 1)
			if !more || d != tt.want {
				t.Errorf("Delay = %v, %v, want %v", d, more, tt.want)
			}
		})
	}
}

// Deliveries that failed together come back apart: over many ids the share of
// the jitter is spread evenly, also where ids differ in their last byte only.
func TestJitterSpreads(t *testing.T) {
	const ids, buckets = 10_000, 10
	p := retry.Policy{Schedule: at(time.Hour), Jitter: 1}
	for _, format := range []string{"dlv_%d", "%d", "018f-0000-%016x"} {
		var count [buckets]int
		for i := range ids {
			d, _ := p.Delay(fmt.Sprintf(format, i), 1)
			count[min(int((d-time.Hour)*buckets/time.Hour), buckets-1)]++
		}
		for b, got := range count {
			// Binomial: mean 1000, standard deviation 30.
			if got < 850 || got > 1150 {
				t.Errorf("%s: bucket %d holds %d of %d, want about %d", format, b, got, ids, ids/buckets)
			}
		}
	}
	one, _ := p.Delay("dlv_1", 1)
	two, _ := p.Delay("dlv_1", 2)
	if one == two {
		t.Errorf("Delay(1) = Delay(2) = %v, want them apart", one)
	}
}

// A stored delivery of a running system relies on these values; they must not
// change between versions.
func TestJitterNeverChanges(t *testing.T) {
	p := retry.Policy{Schedule: at(time.Hour), Jitter: 0.5}
	for _, tt := range []struct {
		id   string
		n    int
		want time.Duration
	}{
		{id: "", n: 1, want: 4_795_767_819_975},
		{id: "dlv_1", n: 1, want: 4_355_556_465_575},
		{id: "dlv_1", n: 2, want: 4_294_944_014_777},
		{id: "dlv_2", n: 1, want: 4_676_465_721_809},
		{id: "dlv_1", n: 300, want: 5_235_053_805_432},
	} {
		if got, _ := p.Delay(tt.id, tt.n); got != tt.want {
			t.Errorf("Delay(%q, %d) = %d, want %d", tt.id, tt.n, got, tt.want)
		}
	}
}

func TestJudgedKeepsToWhatAJudgeMaySay(t *testing.T) {
	for i := range 256 {
		said := retry.Outcome(i)
		want := retry.Retryable
		switch said {
		case retry.Accepted, retry.Known, retry.Rejected, retry.Gone:
			want = said
		case retry.Retryable, retry.Refused, retry.Interrupted:
		}
		p := retry.Policy{Judge: func(retry.Response) retry.Outcome { return said }}
		if got := p.Judged(retry.Response{Status: 200}); got != want {
			t.Errorf("Judged with a judge that says %v = %v, want %v", said, got, want)
		}
	}
	if got := (retry.Policy{}).Judged(retry.Response{Status: 410}); got != retry.Gone {
		t.Errorf("Judged(410) = %v, want %v", got, retry.Gone)
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	p := retry.AtLeastOnce()
	r := retry.Response{Status: 503}
	now := time.Now()
	got := testing.AllocsPerRun(100, func() {
		p.Judged(r)
		p.Delay("dlv_1", 3)
		p.After(r, now)
	})
	if got != 0 {
		t.Errorf("allocations = %v, want 0", got)
	}
}

func BenchmarkDelay(b *testing.B) {
	p := retry.AtLeastOnce()
	b.ReportAllocs()
	for b.Loop() {
		p.Delay("dlv_01HZ3K9V7Q2M4N6P8R0T", 3)
	}
}
