package retry_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/outhook/outhook/retry"
)

// delivery prints how long the delivery dlv_1 waits between its attempts.
func delivery(p retry.Policy) {
	for n := 1; ; n++ {
		d, more := p.Delay("dlv_1", n)
		if !more {
			fmt.Println("over after", n, "attempts")
			return
		}
		fmt.Println(d.Round(time.Second))
	}
}

func ExamplePolicy() {
	p := retry.AtLeastOnce()
	p.Name = "leads"
	p.Timeout = 5 * time.Second
	p.Schedule = retry.Fixed(time.Minute, time.Hour)
	p.Judge = retry.KnownOn(retry.SuccessBelow(300), http.StatusBadRequest)

	fmt.Println(p)
	fmt.Println(p.Validate())
	// Output:
	// leads: stored, timeout 5s, schedule (after 1m0s, 1h0m0s), jitter 0.1, at most 168h0m0s old, Retry-After up to 1h0m0s, own judge
	// <nil>
}

func ExamplePolicy_Validate() {
	p := retry.Policy{Name: "slow", Timeout: -time.Second, Jitter: 10}
	fmt.Println(p.Validate())
	// Output:
	// retry: policy "slow": Timeout is -1s: must be positive, or 0 for 15s
	// retry: policy "slow": Jitter is 10: must be at most 1, 0 for 0.1, negative for none
}

func ExamplePolicy_WithDefaults() {
	p := retry.Policy{Name: "plain"}.WithDefaults()
	fmt.Println(p.Mode, p.Timeout, p.Jitter, p.MaxAge, p.MaxRetryAfter)
	// Output: stored 15s 0.1 168h0m0s 1h0m0s
}

func ExamplePolicy_Delay() {
	p := retry.AtLeastOnce() // spread by up to a tenth
	delivery(p)
	// Output:
	// 5s
	// 5m12s
	// 32m45s
	// 2h9m14s
	// 5h21m47s
	// 10h51m7s
	// 14h29m45s
	// 20h13m17s
	// 25h8m0s
	// over after 10 attempts
}

func ExamplePolicy_Judged() {
	p := retry.AtLeastOnce()
	for _, status := range []int{204, 302, 410, 500} {
		fmt.Println(status, p.Judged(retry.Response{Status: status, Attempt: 1}))
	}
	// Output:
	// 204 accepted
	// 302 retryable
	// 410 gone
	// 500 retryable
}

func ExamplePolicy_After() {
	p := retry.AtLeastOnce()
	r := retry.Response{Status: 429, Header: http.Header{"Retry-After": {"90"}}, Attempt: 1}

	delay, _ := p.Delay("dlv_1", r.Attempt)
	fmt.Println(max(delay, p.After(r, time.Now())))
	// Output: 1m30s
}

func ExampleAtLeastOnce() {
	p := retry.AtLeastOnce()
	p.Jitter = -1
	delivery(p)
	// Output:
	// 5s
	// 5m0s
	// 30m0s
	// 2h0m0s
	// 5h0m0s
	// 10h0m0s
	// 14h0m0s
	// 20h0m0s
	// 24h0m0s
	// over after 10 attempts
}

func ExampleAtMostOnce() {
	p := retry.AtMostOnce()
	fmt.Println(p.Mode, p.Timeout)
	delivery(p)
	// Output:
	// stored-once 15s
	// over after 1 attempts
}

func ExampleFireAndForget() {
	p := retry.FireAndForget()
	fmt.Println(p.Mode, p.Timeout)
	delivery(p)
	// Output:
	// volatile 5s
	// over after 1 attempts
}

func ExampleExponential() {
	s := retry.Exponential{Base: time.Second, Max: 10 * time.Second, Attempts: 6}
	delivery(retry.Policy{Schedule: s, Jitter: -1})
	// Output:
	// 1s
	// 2s
	// 4s
	// 8s
	// 10s
	// over after 6 attempts
}

func ExampleFixed() {
	s := retry.Fixed(10*time.Second, time.Minute)
	delivery(retry.Policy{Schedule: s, Jitter: -1})
	// Output:
	// 10s
	// 1m0s
	// over after 3 attempts
}

func ExampleFromBackOff() {
	s := retry.FromBackOff(func() backoff.BackOff {
		return backoff.NewExponentialBackOff(
			backoff.WithInitialInterval(2*time.Second),
			backoff.WithMultiplier(3))
	}, 4)
	delivery(retry.Policy{Schedule: s, Jitter: -1})
	// Output:
	// 2s
	// 6s
	// 18s
	// over after 4 attempts
}

func ExampleDefault() {
	fmt.Println(retry.Default(retry.Response{Status: 200}))
	fmt.Println(retry.Default(retry.Response{Status: 404}))
	// Output:
	// accepted
	// retryable
}

func ExampleSuccessBelow() {
	judge := retry.SuccessBelow(300)
	fmt.Println(judge(retry.Response{Status: 299}), judge(retry.Response{Status: 410}))
	// Output: accepted retryable
}

func ExampleKnownOn() {
	judge := retry.KnownOn(retry.SuccessBelow(300), 400)
	for _, status := range []int{200, 302, 400, 401} {
		fmt.Println(status, judge(retry.Response{Status: status}))
	}
	// Output:
	// 200 accepted
	// 302 retryable
	// 400 known
	// 401 retryable
}

func ExampleWord() {
	judge := retry.Word(retry.Default)
	stop := http.Header{"Webhook-Delivery": {"disable"}}
	skip := http.Header{"Webhook-Delivery": {"abort-message"}}
	fmt.Println(judge(retry.Response{Status: 500, Header: stop}))
	fmt.Println(judge(retry.Response{Status: 500, Header: skip}))
	fmt.Println(judge(retry.Response{Status: 500}))
	// Output:
	// gone
	// rejected
	// retryable
}
