package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/signer"
)

// Config is everything that a Dispatcher needs. The zero value of a field
// means its default; New validates all of them and joins the errors.
type Config struct {
	// Endpoints is where the host keeps its endpoints. It is required, unless
	// only DispatchTo and SendSample are used.
	Endpoints EndpointStore
	// Queue is where deliveries under stored policies wait. It is required
	// where any of Policies is stored.
	Queue Queue

	// Encoders adds encoders by name, or replaces "form" and "json".
	//
	// Defaults to payload.Form and payload.JSON, both with their defaults.
	Encoders map[string]payload.Encoder
	// Policies are what endpoints may ask for, by name; the first is the
	// default.
	//
	// Defaults to retry.AtLeastOnce, retry.AtMostOnce and
	// retry.FireAndForget, or to the last alone where Queue is nil.
	Policies []retry.Policy
	// Signers are what endpoints may ask for, by name; the first is the
	// default.
	//
	// Defaults to one named "standard": Standard Webhooks.
	Signers []NamedSigner
	// ResolveSigner is asked first for an endpoint's signer, where credentials
	// differ by customer; nil, nil means that Signers decides. It is called
	// for each attempt, concurrently, and bounded by the attempt's time.
	ResolveSigner func(ctx context.Context, e *Endpoint) (signer.Signer, error)
	// Transports are the ways out, by name; the first is the default.
	//
	// Defaults to one named "public", which reaches public addresses only.
	Transports []Transport
	// ResolveTransport is asked first for the name of an endpoint's
	// transport; "" means that the endpoint's field decides.
	ResolveTransport func(e *Endpoint) string
	// Catalog knows the types of events, so that New and Check find faults
	// before the first event, and SendSample has something to send.
	//
	// Defaults to none.
	Catalog *payload.Catalog

	// Hooks are called when something happens.
	Hooks Hooks
	// Logger gets a line for each final failure, each disabled endpoint and
	// each failure of a store; attempts at debug level.
	//
	// Defaults to discarding all.
	Logger *slog.Logger
	// UserAgent is sent with each request.
	//
	// Defaults to "outhook".
	UserAgent string

	// Concurrency is how many requests that make progress are under way at a
	// time. A request that takes longer than SlowAfter gives its place back;
	// one to an endpoint that has not answered yet, or not the last time, does
	// so as soon as one that has would wait for it, or ClaimBatch deliveries.
	//
	// Defaults to 64.
	Concurrency int
	// MaxInFlight bounds the requests under way in all, slow ones included. Those
	// to endpoints that have not answered yet, or not the last time, leave
	// Concurrency of them to the others, or half if that is less.
	//
	// Defaults to 4096.
	MaxInFlight int
	// SlowAfter is when a request counts as slow.
	//
	// Defaults to 100 ms.
	SlowAfter time.Duration
	// MaxPerEndpoint bounds the requests under way to one endpoint that does
	// not say otherwise. An endpoint starts with one and earns the rest by
	// answering.
	//
	// Defaults to 16.
	MaxPerEndpoint int
	// MaxWaiting bounds the volatile deliveries that wait in one lane; a
	// further one is dropped.
	//
	// Defaults to 1024.
	MaxWaiting int
	// MaxVolatile bounds the volatile deliveries that wait in all lanes.
	//
	// Defaults to 65536.
	MaxVolatile int
	// MaxFanOut bounds the endpoints of one event; more is ErrFanOut.
	//
	// Defaults to 16384.
	MaxFanOut int
	// MaxHops bounds the dispatches that follow from one another, where hosts
	// that hear of each other, or of themselves, dispatch with the context of
	// the verified request (signer.Verifier.Middleware); one more is ErrLoop.
	// The count travels in the header Webhook-Hops, which is not signed: it
	// stops accidents, and nobody who wants a loop.
	//
	// Defaults to 8; at most 999.
	MaxHops int

	// ClaimBatch is how many deliveries one claim asks for.
	//
	// Defaults to 500.
	ClaimBatch int
	// ClaimBytes bounds the bodies of one claim.
	//
	// Defaults to 16 MiB.
	ClaimBytes int
	// Lease is how long a claim hides a delivery from other processes. It is
	// lengthened, or the delivery let go, before a request that it would not
	// outlast.
	//
	// Defaults to 60 s, and must be at least 1 s.
	Lease time.Duration
	// PollInterval is how long an idle Run waits before it looks for new work
	// of which nothing told it.
	//
	// Defaults to 75 ms.
	PollInterval time.Duration
	// StoreTimeout bounds a call of a store whose context has no deadline.
	//
	// Defaults to 10 s.
	StoreTimeout time.Duration
	// DrainTimeout bounds how long Run, once it is to end, waits for requests
	// under way; then they are cancelled.
	//
	// Defaults to 20 s.
	DrainTimeout time.Duration

	// ReadLimit is how much of an answer is read at most, in bytes; what is
	// longer costs its connection.
	//
	// Defaults to 64 KiB.
	ReadLimit int
	// AnswerBytes is how much of an answer is kept and shown to the judge.
	// Negative: nothing is kept.
	//
	// Defaults to 4096.
	AnswerBytes int

	// Failing says when an endpoint counts as broken.
	Failing FailingRules
}

// FailingRules say what happens to an endpoint that fails again and again,
// counted over all processes. A single event never disables an endpoint,
// except its receiver's own 410.
type FailingRules struct {
	// OpenAfter is the number of failures in a row that opens the circuit:
	// the endpoint is parked, and then one probe decides. Negative: never.
	//
	// Defaults to 10.
	OpenAfter int
	// OpenFor is how long the circuit stays open the first time; each failed
	// probe doubles it, up to MaxOpenFor.
	//
	// Defaults to 30 s.
	OpenFor time.Duration
	// MaxOpenFor bounds that doubling.
	//
	// Defaults to 15 min.
	MaxOpenFor time.Duration
	// DisableAfter disables an endpoint that has failed for this long without
	// one success, if there were DisableCount failures. Negative: never.
	//
	// Defaults to 120 h.
	DisableAfter time.Duration
	// DisableCount is the least number of failures in a row to disable.
	//
	// Defaults to 20.
	DisableCount int
}

// NamedSigner is a signer that endpoints can ask for.
type NamedSigner struct {
	Name   string
	Signer signer.Signer
}

func withDefaults(c Config) Config {
	if len(c.Policies) == 0 {
		c.Policies = []retry.Policy{retry.FireAndForget()}
		if c.Queue != nil {
			c.Policies = []retry.Policy{retry.AtLeastOnce(), retry.AtMostOnce(), retry.FireAndForget()}
		}
	}
	policies := make([]retry.Policy, len(c.Policies))
	for i, p := range c.Policies {
		policies[i] = p.WithDefaults()
	}
	c.Policies = policies
	if len(c.Signers) == 0 {
		c.Signers = []NamedSigner{{Name: "standard", Signer: signer.Standard()}}
	}
	if len(c.Transports) == 0 {
		c.Transports = []Transport{{Name: "public"}}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.UserAgent == "" {
		c.UserAgent = "outhook"
	}
	defaultTo(&c.Concurrency, 64)
	defaultTo(&c.MaxInFlight, 4096)
	defaultTo(&c.SlowAfter, 100*time.Millisecond)
	defaultTo(&c.MaxPerEndpoint, 16)
	defaultTo(&c.MaxWaiting, 1024)
	defaultTo(&c.MaxVolatile, 65536)
	defaultTo(&c.MaxFanOut, 16384)
	defaultTo(&c.MaxHops, 8)
	defaultTo(&c.ClaimBatch, 500)
	defaultTo(&c.ClaimBytes, 16<<20)
	defaultTo(&c.Lease, time.Minute)
	defaultTo(&c.PollInterval, 75*time.Millisecond)
	defaultTo(&c.StoreTimeout, 10*time.Second)
	defaultTo(&c.DrainTimeout, 20*time.Second)
	defaultTo(&c.ReadLimit, 64<<10)
	defaultTo(&c.AnswerBytes, 4096)
	defaultTo(&c.Failing.OpenAfter, 10)
	defaultTo(&c.Failing.OpenFor, 30*time.Second)
	defaultTo(&c.Failing.MaxOpenFor, 15*time.Minute)
	defaultTo(&c.Failing.DisableAfter, 120*time.Hour)
	defaultTo(&c.Failing.DisableCount, 20)
	return c
}

func defaultTo[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// validate checks a Config that has its defaults.
func (c *Config) validate() error {
	return errors.Join(c.checkPolicies(), c.checkNames(), c.checkLimits())
}

func (c *Config) checkPolicies() error {
	var errs []error
	names := make(map[string]bool)
	for i, p := range c.Policies {
		field := fmt.Sprintf("Policies[%d]", i)
		if err := p.Validate(); err != nil {
			errs = append(errs, &ConfigError{field, err})
		}
		if names[p.Name] {
			errs = append(errs, &ConfigError{field + ".Name", fmt.Errorf("%q is there twice", p.Name)})
		}
		names[p.Name] = true
		if p.Mode != retry.Volatile && c.Queue == nil {
			errs = append(errs, &ConfigError{field, fmt.Errorf("%w: set it, or use volatile policies alone", ErrNoQueue)})
		}
		if p.Mode != retry.Volatile && p.Timeout+2*leaseMargin > c.Lease {
			errs = append(errs, &ConfigError{"Lease", fmt.Errorf("%v must outlast the timeout of policy %q by %v", c.Lease, p.Name, 2*leaseMargin)})
		}
	}
	return errors.Join(errs...)
}

func (c *Config) checkNames() error {
	var errs []error
	for name, enc := range c.Encoders {
		if name == "" || enc == nil {
			errs = append(errs, &ConfigError{fmt.Sprintf("Encoders[%q]", name), errors.New("needs a name and an encoder")})
			continue
		}
		if err := enc.Check(nil); err != nil {
			errs = append(errs, &ConfigError{fmt.Sprintf("Encoders[%q]", name), err})
		}
	}
	names := make(map[string]bool)
	for i, s := range c.Signers {
		if s.Name == "" || s.Signer == nil || names[s.Name] {
			errs = append(errs, &ConfigError{fmt.Sprintf("Signers[%d]", i), errors.New("needs a name of its own and a signer")})
		}
		names[s.Name] = true
	}
	if !isFieldValue(c.UserAgent) {
		errs = append(errs, &ConfigError{"UserAgent", errors.New("must have no control characters and no space at its ends")})
	}
	return errors.Join(errs...)
}

func (c *Config) checkLimits() error {
	var errs []error
	for _, l := range []struct {
		field string
		value int64
	}{
		{"Concurrency", int64(c.Concurrency)},
		{"MaxInFlight", int64(c.MaxInFlight)},
		{"SlowAfter", int64(c.SlowAfter)},
		{"MaxPerEndpoint", int64(c.MaxPerEndpoint)},
		{"MaxWaiting", int64(c.MaxWaiting)},
		{"MaxVolatile", int64(c.MaxVolatile)},
		{"MaxFanOut", int64(c.MaxFanOut)},
		{"MaxHops", int64(c.MaxHops)},
		{"ClaimBatch", int64(c.ClaimBatch)},
		{"ClaimBytes", int64(c.ClaimBytes)},
		{"Lease", int64(c.Lease / time.Second)},
		{"PollInterval", int64(c.PollInterval)},
		{"StoreTimeout", int64(c.StoreTimeout)},
		{"DrainTimeout", int64(c.DrainTimeout)},
		{"ReadLimit", int64(c.ReadLimit)},
		{"Failing.OpenFor", int64(c.Failing.OpenFor)},
		{"Failing.MaxOpenFor", int64(c.Failing.MaxOpenFor)},
		{"Failing.DisableCount", int64(c.Failing.DisableCount)},
	} {
		if l.value <= 0 {
			errs = append(errs, &ConfigError{l.field, errors.New("must be positive, or zero for its default")})
		}
	}
	if c.MaxInFlight < c.Concurrency {
		errs = append(errs, &ConfigError{"MaxInFlight", fmt.Errorf("%d must be at least Concurrency, which is %d", c.MaxInFlight, c.Concurrency)})
	}
	if c.MaxHops > signer.MaxHops {
		errs = append(errs, &ConfigError{"MaxHops", fmt.Errorf("must be at most %d", signer.MaxHops)})
	}
	return errors.Join(errs...)
}

// leaseMargin is how much longer than an attempt's time its lease must last,
// so that the outcome is settled while it is still ours. A new lease has twice
// that, so that there is time to wait and to be extended.
const leaseMargin = 5 * time.Second
