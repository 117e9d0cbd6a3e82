package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/webhooktest"
)

func TestStandardScheduleAtExactInstants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config) {
			p := retry.AtLeastOnce()
			p.Jitter = -1
			c.Policies = []retry.Policy{p}
			c.PollInterval = time.Second // fewer polls over 75 hours; the instants are whole seconds
		})
		recv := r.net.Receiver("a.example", webhooktest.Answer{Status: 500})
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		r.run()
		synctest.Wait()
		start := time.Now()
		r.dispatch(leadCreated{Email: "x@example.com"}, link1)
		if d := r.end(); d.State != webhook.Failed || d.Attempts != 10 {
			t.Errorf("ended %v after %d attempts, want failed after 10", d.State, d.Attempts)
		}
		at := time.Duration(0)
		want := []time.Duration{0}
		for _, delay := range []time.Duration{
			5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
			10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
		} {
			at += delay
			want = append(want, at)
		}
		for i, req := range recv.Requests() {
			if got := req.At.Sub(start); got != want[i] {
				t.Errorf("attempt %d after %v, want %v", i+1, got, want[i])
			}
		}
	})
}

func TestRetryAfterOnlyDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config) {
			c.Policies = []retry.Policy{{Name: "p", Schedule: retry.Fixed(10*time.Second, 10*time.Second), Jitter: -1}}
		})
		recv := r.net.Receiver("a.example",
			webhooktest.Answer{Status: 429, Header: http.Header{"Retry-After": {"120"}}},
			webhooktest.Answer{Status: 503, Header: http.Header{"Retry-After": {"1"}}},
			webhooktest.Answer{})
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		r.run()
		r.dispatch(leadCreated{Email: "x@example.com"}, link1)
		r.end()
		reqs := recv.Requests()
		if got := reqs[1].At.Sub(reqs[0].At); got < 2*time.Minute || got > 2*time.Minute+time.Second {
			t.Errorf("after Retry-After: 120 the next attempt came after %v, want 2m", got)
		}
		if got := reqs[2].At.Sub(reqs[1].At); got < 10*time.Second {
			t.Errorf("after Retry-After: 1 the next attempt came after %v, want the schedule's 10s", got)
		}
	})
}

// tokens is a signer that keeps a credential; fresh says how it was when it was
// refused.
type tokens struct{ fresh bool }

func (*tokens) Sign(context.Context, *signer.Request) error { return nil }

func (s *tokens) Rejected(*signer.Request) bool { return !s.fresh }

// TestRejectedCredential tries again at once where a credential had ended, and
// goes by the schedule where a new one fared no better, so that a receiver which
// answers 401 to everything does not use the schedule up in one go.
func TestRejectedCredential(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fresh  bool
		second time.Duration // from the second attempt to the third
	}{{name: "had served", fresh: false, second: 0}, {name: "was new", fresh: true, second: 10 * time.Second}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *webhook.Config) {
					c.Policies = []retry.Policy{{Name: "p", Schedule: retry.Fixed(10*time.Second, 10*time.Second), Jitter: -1}}
					c.Signers = []webhook.NamedSigner{{Name: "tokens", Signer: &tokens{fresh: tt.fresh}}}
				})
				recv := r.net.Receiver("a.example", webhooktest.Answer{Status: 401}, webhooktest.Answer{Status: 401}, webhooktest.Answer{})
				r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/", Signer: "tokens"})
				r.run()
				r.dispatch(leadCreated{Email: "x@example.com"}, link1)
				if d := r.end(); d.State != webhook.Delivered {
					t.Fatalf("ended %v, want delivered", d.State)
				}
				reqs := recv.Requests()
				if got := reqs[1].At.Sub(reqs[0].At); got > time.Second {
					t.Errorf("after the first 401 the next attempt came after %v, want at once", got)
				}
				if got := reqs[2].At.Sub(reqs[1].At); got < tt.second || got > tt.second+time.Second {
					t.Errorf("after the second 401 the next attempt came after %v, want %v", got, tt.second)
				}
			})
		})
	}
}

func TestPanicsCostOneDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wheres []string
		r := newRig(t, func(c *webhook.Config) {
			bad := retry.FireAndForget()
			bad.Name = "bad"
			bad.Judge = func(retry.Response) retry.Outcome { panic("whsec_canary") }
			c.Policies = []retry.Policy{retry.FireAndForget(), bad}
			c.Encoders = map[string]payload.Encoder{"panics": panics{payload.JSON(payload.JSONOptions{})}}
			ended := c.Hooks.Ended
			c.Hooks.Ended = func(ctx context.Context, d webhook.Delivery) { ended(ctx, d); panic("hook") }
			c.Hooks.Panicked = func(_ context.Context, where string, _ any, _ []byte) { wheres = append(wheres, where) }
			c.Concurrency = 1
		})
		r.net.Receiver("a.example")
		r.set(webhook.Endpoint{ID: "good", Scope: link1, URL: "http://a.example/"})
		r.set(webhook.Endpoint{ID: "judge", Name: "j", Scope: link1, URL: "http://a.example/", Policy: "bad"})
		r.set(webhook.Endpoint{ID: "encoder", Name: "e", Scope: link1, URL: "http://a.example/", Encoder: "panics"})
		receipt := r.dispatch(leadCreated{Email: "x@example.com"}, link1)
		_ = r.d.Shutdown(context.Background())
		states := map[string]webhook.State{}
		for len(r.ended) > 0 {
			d := <-r.ended
			states[d.EndpointID] = d.State
		}
		if states["good"] != webhook.Delivered || states["judge"] != webhook.Failed || states["encoder"] != webhook.Failed {
			t.Errorf("ended %v, want good delivered, judge and encoder failed", states)
		}
		text := fmt.Sprintf("%+v %v", receipt, wheres)
		if !strings.Contains(text, "judge") || !strings.Contains(text, "hook") || strings.Contains(text, "canary") {
			t.Errorf("reported %s, want judge and hook, and not the panic's value", text)
		}
		r.net.Close()
	})
}

type panics struct{ payload.Encoder }

func (panics) Encode([]byte, *payload.Event) (payload.Body, error) { panic("encoder") }

func TestBadInputIsAnErrorAtOnce(t *testing.T) {
	r := newRig(t, nil)
	r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
	ctx := context.Background()
	for _, tt := range []struct {
		name   string
		event  webhook.Event
		scopes []webhook.Scope
		want   string
	}{
		{name: "missing field, nobody listens", event: leadCreated{}, want: "email"},
		{name: "blank field", event: leadCreated{Email: " \t"}, scopes: []webhook.Scope{link1}, want: "email"},
		{name: "zero scope", event: leadCreated{Email: "x"}, scopes: []webhook.Scope{""}, want: "scope is empty"},
		{name: "misspelt scope", event: leadCreated{Email: "x"}, scopes: []webhook.Scope{"Link:1"}, want: "kind"},
		{name: "everywhere", event: leadCreated{Email: "x"}, scopes: []webhook.Scope{webhook.Everywhere}, want: "Everywhere"},
		{name: "nil", event: nil, want: "nil"},
		{name: "type with a space", event: named("a b"), want: "event type"},
		{name: "kind that nothing carries", event: channel{C: make(chan int)}, scopes: []webhook.Scope{link1}, want: "chan"},
		{name: "too large", event: leadCreated{Email: strings.Repeat("x", 70_000)}, scopes: []webhook.Scope{link1}, want: "large"},
		{name: "event id with a newline", event: leadCreated{Email: "x", ID: "a\nb"}, want: "EventID"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			receipt, err := r.d.Dispatch(ctx, tt.event, tt.scopes...)
			if err == nil || !strings.Contains(err.Error(), tt.want) || receipt.MessageID != "" {
				t.Errorf("Dispatch = %+v, %v; want an error with %q", receipt, err, tt.want)
			}
		})
	}
	if c, err := r.store.Counts(ctx); err != nil || c.Pending != 0 {
		t.Errorf("the store has %+v, %v; want nothing", c, err)
	}
	_ = r.d.Shutdown(ctx)
}

type named string

func (n named) EventType() string { return string(n) }

type channel struct{ C chan int }

func (channel) EventType() string { return "channel" }

func TestNewReportsEveryFault(t *testing.T) {
	_, err := webhook.New(webhook.Config{
		Policies:   []retry.Policy{{Name: "p", Timeout: -1}, {Name: "p"}},
		Signers:    []webhook.NamedSigner{{Name: "s"}},
		Transports: []webhook.Transport{{}},
		ReadLimit:  -1, UserAgent: "a\nb",
	})
	if err == nil {
		t.Fatal("New = nil error, want all faults")
	}
	for _, want := range []string{"Policies[0]", "Policies[1].Name", "Queue", "Signers[0]", "Transports[0]", "ReadLimit", "UserAgent"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("New's error lacks %s: %v", want, err)
		}
	}
	var ce *webhook.ConfigError
	if !errors.As(err, &ce) {
		t.Errorf("New's error holds no *ConfigError")
	}
}

func TestOrderedKeysStayInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config) {
			c.Policies = []retry.Policy{{Name: "p", Schedule: retry.Fixed(time.Second, time.Second), Jitter: -1}}
		})
		recv := r.net.Receiver("a.example", webhooktest.Statuses(500, 200, 500, 500, 500, 200)...)
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/", Ordered: true})
		r.run()
		for i := range 20 {
			r.dispatch(leadCreated{Email: fmt.Sprintf("%02d", i), Key: strconv.Itoa(i % 2)}, link1)
		}
		for range 20 {
			r.end()
		}
		last := map[byte]string{}
		seen := map[string]bool{}
		for _, req := range recv.Requests() {
			email := strings.Split(string(req.Body), `"`)[3]
			if seen[email] {
				continue // a late repeat
			}
			seen[email] = true
			key := (email[1] - '0') % 2
			if email < last[key] {
				t.Errorf("%s arrived first after %s", email, last[key])
			}
			last[key] = email
		}
		if len(seen) != 20 {
			t.Errorf("%d events arrived, want 20", len(seen))
		}
	})
}

func TestRateUsesUpNoAttempts(t *testing.T) {
	for _, policy := range []string{"at-least-once", "fire-and-forget"} {
		t.Run(policy, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *webhook.Config) {
					p := retry.FireAndForget()
					p.MaxAge = time.Hour
					c.Policies = []retry.Policy{retry.AtLeastOnce(), p}
				})
				recv := r.net.Receiver("a.example")
				r.set(webhook.Endpoint{
					ID: "a", Scope: link1, URL: "http://a.example/", Policy: policy,
					Rate: webhook.Rate{Limit: 5, Per: time.Minute},
				})
				r.run()
				for range 23 {
					r.dispatch(leadCreated{Email: "x"}, link1)
				}
				for range 23 {
					if d := r.end(); d.State != webhook.Delivered || d.Attempts != 1 {
						t.Errorf("ended %v after %d attempts, want delivered after 1", d.State, d.Attempts)
					}
				}
				reqs := recv.Requests()
				for i := 5; i < len(reqs); i++ {
					if gap := reqs[i].At.Sub(reqs[i-5].At); gap < time.Minute {
						t.Errorf("request %d came %v after the fifth before it, want a minute", i+1, gap)
					}
				}
				if took := reqs[22].At.Sub(reqs[0].At); took > 5*time.Minute {
					t.Errorf("23 requests at 5 a minute took %v", took)
				}
			})
		})
	}
}

func TestCircuitOpensAndOneProbeCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config) {
			c.Policies = []retry.Policy{{Name: "p", Schedule: retry.Exponential{Base: time.Second, Factor: 1, Max: time.Second, Attempts: 100}, Jitter: -1}}
			c.Failing.OpenAfter = 5
		})
		recv := r.net.Receiver("a.example", webhooktest.Answer{Status: 500})
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		r.run()
		start := time.Now()
		for range 20 {
			r.dispatch(leadCreated{Email: "x"}, link1)
		}
		time.Sleep(30 * time.Minute)
		before := len(recv.Requests())
		if before > 60 {
			t.Errorf("a failing endpoint got %d requests in 30 minutes, want the circuit to spare it", before)
		}
		recv.Script()
		for range 20 {
			r.end()
		}
		if took := time.Since(start); took > 50*time.Minute {
			t.Errorf("all done after %v, want soon after the receiver came back", took)
		}
	})
}

func TestFailingEndpointIsDisabledByDurationAndCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var percents []int
		disabled := make(chan struct{})
		r := newRig(t, func(c *webhook.Config) {
			c.Policies = []retry.Policy{{Name: "p", Schedule: retry.Exponential{Base: time.Minute, Factor: 1, Max: time.Minute, Attempts: 10_000}, Jitter: -1}}
			c.Failing = webhook.FailingRules{OpenAfter: -1, DisableAfter: 10 * time.Hour, DisableCount: 20}
			c.Hooks.EndpointFailing = func(_ context.Context, n webhook.FailingNotice) { percents = append(percents, n.Percent) }
			c.Hooks.EndpointDisabled = func(context.Context, string, string) { close(disabled) }
			c.PollInterval = time.Second
		})
		r.net.Receiver("a.example", webhooktest.Answer{Status: 500})
		r.set(webhook.Endpoint{ID: "a", Scope: link1, URL: "http://a.example/"})
		r.run()
		start := time.Now()
		r.dispatch(leadCreated{Email: "x"}, link1)
		<-disabled
		if took := time.Since(start); took < 10*time.Hour || took > 10*time.Hour+2*time.Minute {
			t.Errorf("disabled after %v, want 10h", took)
		}
		if fmt.Sprint(percents) != "[50 70 90 100]" {
			t.Errorf("notices at %v, want 50, 70, 90, 100 once each", percents)
		}
		if d := r.end(); d.State != webhook.Cancelled {
			t.Errorf("what was open ended %v, want cancelled", d.State)
		}
	})
}

func TestSecretsAreMaskedInTheHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const canary = "canary-0123456789abcdef"
		r := newRig(t, nil)
		key := signer.GenerateSecret()
		r.net.Receiver("a.example", webhooktest.Answer{Status: 500, Body: "echo " + key.Reveal() + " and " + canary})
		r.set(webhook.Endpoint{
			ID: "a", Scope: link1, URL: "http://a.example/" + canary + "?token=" + canary, Secrets: []signer.Key{key},
			Params:  []payload.Param{{Name: "secrettoken", Value: canary, Secret: true}},
			Headers: []webhook.Header{{Name: "Authorization", Value: "Bearer " + canary}},
			Policy:  "at-most-once",
		})
		r.run()
		r.dispatch(leadCreated{Email: "x"}, link1)
		d := r.end()
		attempts, err := r.store.Attempts(context.Background(), d.ID)
		if err != nil || len(attempts) != 1 {
			t.Fatalf("Attempts = %d, %v; want 1", len(attempts), err)
		}
		for _, text := range []string{fmt.Sprintf("%+v", attempts), string(attempts[0].Answer), fmt.Sprintf("%+v %+v", d, <-r.tries)} {
			if strings.Contains(text, canary) || strings.Contains(text, key.Reveal()) {
				t.Errorf("a secret is in %s", text)
			}
		}
		if !strings.Contains(string(attempts[0].Answer), "echo ***") {
			t.Errorf("answer %q, want it masked", attempts[0].Answer)
		}
	})
}
