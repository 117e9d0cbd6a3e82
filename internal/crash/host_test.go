package crash_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
)

// event is what a host dispatches.
type event struct {
	N    int64  `json:"n"`
	Kind string `json:"kind"` // plain, committed or undone
	Key  string `json:"key"`
}

func (event) EventType() string  { return "order.placed" }
func (e event) EventKey() string { return e.Key }

var (
	_ webhook.Event = event{}
	_ webhook.Keyed = event{}
)

const (
	inFlight   = 32
	claimBatch = 64
	// bound is what Config allows a crash to repeat.
	bound = inFlight + 2*claimBatch

	timeout = 900 * time.Millisecond
	lease   = 11 * time.Second
)

// config is that of all processes here.
func config(endpoints webhook.EndpointStore, queue webhook.Queue) webhook.Config {
	policy := retry.AtLeastOnce()
	policy.Timeout = timeout
	policy.Schedule = retry.Exponential{Base: 50 * time.Millisecond, Factor: 2, Max: time.Second, Attempts: 10_000}
	return webhook.Config{
		Endpoints: endpoints, Queue: queue, Policies: []retry.Policy{policy},
		Transports:  []webhook.Transport{{Name: "loopback", Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}},
		Concurrency: 16, MaxInFlight: inFlight, ClaimBatch: claimBatch, Lease: lease,
		StoreTimeout: 5 * time.Second, DrainTimeout: 5 * time.Second,
		Failing: webhook.FailingRules{OpenAfter: -1, DisableAfter: -1},
		Hooks: webhook.Hooks{
			StoreFailed: func(_ context.Context, op string, err error) { say("store %s: %v", op, err) },
		},
	}
}

func scope() webhook.Scope { return webhook.In("shop", "1") }

func env(name string) string { return os.Getenv("OUTHOOK_CRASH_" + name) }

// playHost is a host that dispatches by all ways and delivers, until it is
// killed. Numbers of one life begin at OUTHOOK_CRASH_FROM; without a PACE it
// only delivers.
func playHost() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	b, err := openBackend(ctx, env("KIND"), env("DSN"))
	if err != nil {
		return err
	}
	defer b.close()
	if env("CALM") == "true" {
		b.store = telling{b.store}
	}
	b.store = withFault(b.store, env("FAULT"))
	c := config(b.store, b.store)
	if env("FAULT") == "hoard" {
		c.ClaimBatch, c.MaxInFlight = 1000, 1000
	}
	d, err := webhook.New(c)
	if err != nil {
		return err
	}
	from, err := strconv.ParseInt(env("FROM"), 10, 64)
	if err != nil {
		return err
	}
	say("ready")
	var next atomic.Int64
	next.Store(from)
	var wg sync.WaitGroup
	if pace, err := time.ParseDuration(env("PACE")); err == nil {
		for range 4 {
			wg.Go(func() {
				for ctx.Err() == nil {
					dispatch(ctx, d, b, next.Add(1))
					time.Sleep(pace)
				}
			})
		}
	}
	err = d.Run(ctx)
	wg.Wait()
	return err
}

// telling is a store that says what is taken.
type telling struct{ allOf }

func (s telling) EnqueueAll(ctx context.Context, all []*webhook.Batch) ([][]webhook.Existing, error) {
	found, err := s.allOf.EnqueueAll(ctx, all)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, b := range all {
		if b.Take != nil {
			n += len(b.Take.Taken)
		}
	}
	say("took %d", n)
	return found, nil
}

// dispatch says what it knows to be done.
func dispatch(ctx context.Context, d *webhook.Dispatcher, b *backend, n int64) {
	e := event{N: n, Kind: [...]string{"plain", "committed", "plain", "undone"}[n%4], Key: fmt.Sprint("k", n%5)}
	var receipt webhook.Receipt
	var err error
	if e.Kind == "plain" {
		receipt, err = d.Dispatch(ctx, e, scope())
	} else {
		err = b.inTx(ctx, n, e.Kind == "committed", func(o webhook.Outbox) (err error) {
			if env("FAULT") == "leak" {
				o = b.store
			}
			receipt, err = d.DispatchTx(ctx, o, e, scope())
			return err
		})
	}
	switch {
	case err != nil:
		say("refused %d %v", n, err)
	case e.Kind == "undone":
	default:
		d.Wake()
		say("accepted %d %s", n, receipt.MessageID)
	}
}
