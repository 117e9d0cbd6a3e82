// Command quickstart shows one delivery from its event to its end: a signed
// event is dispatched, refused twice with 503, delivered on the third attempt,
// and verified by the receiver. It ends by itself.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"

	"github.com/outhook/outhook/examples/internal/kit"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/signer"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

// OrderPaid is an event: the host's own struct, which says its type.
type OrderPaid struct {
	Order string `json:"order" webhook:"required"`
	Cents int    `json:"cents"`
}

// EventType implements webhook.Event.
func (OrderPaid) EventType() string { return "order.paid" }

func main() { kit.Main(run) }

func run(ctx context.Context, _ []string, stdout io.Writer) error {
	out := new(kit.Options).Story(stdout) // several goroutines write to it

	// A customer: somebody else's server, which is busy at first.
	secret := signer.GenerateSecret()
	receiver, err := startReceiver(ctx, out, secret)
	if err != nil {
		return err
	}
	defer receiver.Close()

	// The host: a dispatcher over its storage, which is memory here.
	store := memstore.New(memstore.Options{})
	policy := retry.AtLeastOnce()
	policy.Schedule = retry.Fixed(200*time.Millisecond, 400*time.Millisecond) // instead of 5 s, 5 m, ...
	ended := make(chan webhook.Delivery, 1)
	d, err := webhook.New(webhook.Config{
		Endpoints: store,
		Queue:     store,
		Policies:  []retry.Policy{policy},
		// Without this, requests reach public addresses only.
		Transports: []webhook.Transport{{Name: "loopback", Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}},
		Hooks: webhook.Hooks{
			AttemptDone: func(_ context.Context, a webhook.Attempt) {
				fmt.Fprintf(out, "attempt %d     %d, %v\n", a.Number, a.Status, a.Outcome)
			},
			Ended: func(_ context.Context, d webhook.Delivery) { ended <- d },
		},
	})
	if err != nil {
		return err
	}

	// The customer registers a URL; the host stores it.
	endpoint := webhook.Endpoint{
		ID: "ep_1", Scope: webhook.In("shop", "42"), URL: receiver.URL + "/hook", Secrets: []signer.Key{secret},
	}
	if err := d.Check(&endpoint); err != nil {
		return err
	}
	if _, err := store.Set(ctx, &endpoint); err != nil {
		return err
	}

	// Something happens. Dispatch stores the deliveries and returns; it works
	// before Run, beside it, and in another process.
	receipt, err := d.Dispatch(ctx, OrderPaid{Order: "A-1001", Cents: 4990}, webhook.In("shop", "42"))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "dispatched    %s, an order.paid for %d endpoint\n", receipt.MessageID, len(receipt.Deliveries))

	// Run sends what waits, until its context ends or Shutdown is called.
	ran := make(chan error, 1)
	go func() { ran <- d.Run(ctx) }()

	var last webhook.Delivery
	select {
	case last = <-ended:
	case <-ctx.Done():
	}
	if err := d.Shutdown(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	if err := <-ran; err != nil {
		return err
	}
	if last.State != webhook.Delivered {
		return fmt.Errorf("the delivery is %v: %s", last.State, last.Reason)
	}
	fmt.Fprintf(out, "%v     after %d attempts, all with the same message id\n", last.State, last.Attempts)
	return nil
}

// startReceiver starts the customer's server. It verifies each request with
// the secret that it shares with the host, and is busy for the first two.
func startReceiver(ctx context.Context, out io.Writer, secret signer.Key) (*kit.Server, error) {
	verifier, err := signer.NewVerifier(signer.VerifierOptions{Keys: []signer.Key{secret}})
	if err != nil {
		return nil, err
	}
	busy := make(chan int, 2)
	busy <- http.StatusServiceUnavailable
	busy <- http.StatusServiceUnavailable
	return kit.Serve(ctx, verifier.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		verified, body, _ := signer.FromContext(r.Context())
		select {
		case status := <-busy:
			fmt.Fprintf(out, "  receiver    %s is signed by the host, but I am busy: %d\n", verified.ID, status)
			w.WriteHeader(status)
		default:
			fmt.Fprintf(out, "  receiver    %s is signed by the host: %s\n", verified.ID, body)
		}
	})))
}
