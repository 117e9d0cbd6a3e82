// Command leadform is a reference integration: a lead platform that tells its
// advertisers of each new lead by a form, and is not paid for those that they
// had already.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/outhook/outhook/examples/internal/kit"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

func main() { kit.Main(run) }

func run(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("leadform", flag.ContinueOnError)
	path := fs.String("leads", "", "`file` that notes which leads do not count; by default one that is removed at the end")
	opts, err := kit.Parse(fs, args)
	if err != nil {
		return err
	}
	if *path == "" {
		dir, err := os.MkdirTemp("", "leadform-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir) //nolint:errcheck // the system empties it some day
		*path = filepath.Join(dir, "leads.jsonl")
	}
	book, err := openBook(*path)
	if err != nil {
		return err
	}
	defer book.Close() //nolint:errcheck // each note was synced to the disk
	story := opts.Story(out)
	leads := examples()
	if opts.Standalone {
		server, err := kit.Serve(ctx, &advertiser{story: story, busy: 2, emails: make(map[string]bool)})
		if err != nil {
			return err
		}
		defer server.Close()
		opts.To = []string{server.URL + "/leads"}
		// Another publisher brings the same person once more.
		leads = append(leads, Lead{ID: "lead-4", AdID: "72", Email: leads[0].Email})
	}
	p := &platform{store: memstore.New(memstore.Options{}), ended: make(chan webhook.Delivery, 64), story: story}
	p.billing = &billing{history: p.store, book: book}
	leadPolicy := policy()
	leadPolicy.Schedule = opts.Schedule(leadPolicy.Schedule)
	if p.d, err = webhook.New(p.config(leadPolicy, opts.Transport(out))); err != nil {
		return err
	}
	if err := p.register(ctx, "72", opts.To); err != nil {
		return err
	}
	ran := make(chan error, 1)
	go func() { ran <- p.d.Run(ctx) }()
	sent := p.send(ctx, leads)
	if err := errors.Join(sent, p.d.Shutdown(context.WithoutCancel(ctx)), <-ran); err != nil {
		return err
	}
	for _, lead := range leads {
		fmt.Fprintf(story, "%s counts: %t\n", lead.ID, book.Counts(lead.ID))
	}
	return nil
}

// policy is what the platform promises: an answer below 300 is a success, 400
// means that the advertiser knows the lead, and everything else is tried again,
// 410 and redirects too.
func policy() retry.Policy {
	p := retry.AtLeastOnce()
	p.Name = "leads"
	p.Judge = retry.KnownOn(retry.SuccessBelow(http.StatusMultipleChoices), http.StatusBadRequest)
	return p
}

// platform is the host.
type platform struct {
	d       *webhook.Dispatcher
	store   *memstore.Store // a real platform has a database: see sqlstore
	billing *billing
	ended   chan webhook.Delivery
	story   io.Writer
}

func (p *platform) config(policy retry.Policy, way webhook.Transport) webhook.Config {
	return webhook.Config{
		Endpoints:   p.store,
		Queue:       p.store,
		Policies:    []retry.Policy{policy},
		Transports:  []webhook.Transport{way},
		AnswerBytes: -1, // what advertisers answer is nobody's business
		Hooks: webhook.Hooks{
			AttemptDone: func(_ context.Context, a webhook.Attempt) {
				fmt.Fprintf(p.story, "attempt %d: %v %s\n", a.Number, a.Outcome, a.Error)
			},
			Ended: func(_ context.Context, d webhook.Delivery) { p.ended <- d },
		},
	}
}

// register sets the URLs of the advertisers of one campaign.
func (p *platform) register(ctx context.Context, campaign string, urls []string) error {
	for i, url := range urls {
		name := fmt.Sprintf("advertiser-%d", i+1)
		endpoint := webhook.Endpoint{
			ID: campaign + "-" + name, Name: name, Scope: webhook.In("campaign", campaign), URL: url, Encoder: "form",
		}
		if err := p.d.Check(&endpoint); err != nil {
			return err
		}
		if _, err := p.store.Set(ctx, &endpoint); err != nil {
			return err
		}
	}
	return nil
}

// send dispatches leads one after the other, each once the one before it has
// ended, so that the story can be read. A real platform does not wait.
func (p *platform) send(ctx context.Context, leads []Lead) error {
	for _, lead := range leads {
		receipt, err := p.d.Dispatch(ctx, lead, webhook.In("campaign", lead.AdID))
		if err != nil {
			return err
		}
		fmt.Fprintf(p.story, "\n%s is dispatched as %s\n", lead.ID, receipt.MessageID)
		for range receipt.Deliveries {
			select {
			case d := <-p.ended:
				fmt.Fprintf(p.story, "%s is %v after %d attempts\n", lead.ID, d.State, d.Attempts)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := p.billing.settle(ctx); err != nil {
			return err
		}
	}
	return nil
}
