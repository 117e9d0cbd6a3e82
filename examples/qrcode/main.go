// Command qrcode is a reference integration: a QR code platform whose users
// set one URL for each event type, and are called with a form that ends with
// their secret token.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/outhook/outhook/examples/internal/kit"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
)

func main() { kit.Main(run) }

func run(ctx context.Context, args []string, out io.Writer) error {
	opts, err := kit.Parse(flag.NewFlagSet("qrcode", flag.ContinueOnError), args)
	if err != nil {
		return err
	}
	story := opts.Story(out)
	if opts.Standalone {
		server, err := kit.Serve(ctx, kit.Answers(story))
		if err != nil {
			return err
		}
		defer server.Close()
		opts.To = []string{server.URL + "/qr"}
	}
	policy := retry.AtLeastOnce()
	policy.Schedule = opts.Schedule(policy.Schedule)
	t := &tale{out: story, ended: make(chan webhook.Delivery, 64)}
	t.p, err = newPlatform(webhook.Config{
		Policies:   []retry.Policy{policy},
		Transports: []webhook.Transport{opts.Transport(out)},
		Hooks:      webhook.Hooks{Ended: func(_ context.Context, d webhook.Delivery) { t.ended <- d }},
	})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	ran := make(chan error, 1)
	go func() { ran <- t.p.d.Run(running) }()
	var errs []error
	for i, url := range opts.To { // each URL is another user's
		errs = append(errs, t.tell(ctx, names(i), url))
	}
	stop()
	return errors.Join(append(errs, <-ran, t.p.d.Shutdown(context.WithoutCancel(ctx)))...)
}

// tale is what the example tells.
type tale struct {
	p     *platform
	ended chan webhook.Delivery
	out   io.Writer
}

// pair is a user, and the one to whom the webhooks are copied.
type pair struct{ user, friend string }

func names(i int) pair {
	if i == 0 {
		return pair{user: "mario", friend: "lucia"}
	}
	return pair{user: fmt.Sprintf("mario-%d", i+1), friend: fmt.Sprintf("lucia-%d", i+1)}
}

// tell lets one user live through everything.
func (t *tale) tell(ctx context.Context, who pair, url string) error {
	t.p.AddUser(who.user, "s3cr+t")
	t.p.AddUser(who.friend, "lucia's own")
	for _, event := range t.p.catalog.Names() {
		if err := t.p.SetWebhook(ctx, who.user, Name(event), url); err != nil {
			return err
		}
	}
	events := samples(who.user)
	for _, e := range events.all() {
		if err := t.fire(ctx, e); err != nil {
			return err
		}
	}

	fmt.Fprintf(t.out, "\nthe plan of %s lapses\n", who.user)
	if err := t.p.Lapse(ctx, who.user); err != nil {
		return err
	}
	if err := pause(ctx, time.Second); err != nil { // by then it is known everywhere
		return err
	}
	receipt, err := t.p.Fire(ctx, events.scanned)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "%s happens, and %s waits\n%s renews\n", events.scanned.Event, receipt.MessageID, who.user)
	if err := t.p.Renew(ctx, who.user); err != nil {
		return err
	}
	if err := t.end(ctx, receipt); err != nil {
		return err
	}

	fmt.Fprintf(t.out, "\nthe webhooks of %s are copied to %s\n", who.user, who.friend)
	if err := t.p.CopyWebhooks(ctx, who.user, who.friend); err != nil {
		return err
	}
	return t.fire(ctx, samples(who.friend).scanned)
}

// fire fires an event and waits until it is delivered, so that the story can
// be read. A real platform does not wait.
func (t *tale) fire(ctx context.Context, e Event) error {
	receipt, err := t.p.Fire(ctx, e)
	if err != nil {
		return err
	}
	return t.end(ctx, receipt)
}

// end waits for the end of what a receipt names.
func (t *tale) end(ctx context.Context, receipt webhook.Receipt) error {
	for range receipt.Deliveries {
		select {
		case d := <-t.ended:
			fmt.Fprintf(t.out, "%s is %v after %d attempts\n", d.EndpointID, d.State, d.Attempts)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
