// Command crm is a reference integration: an e-mail marketing platform whose
// accounts register named webhooks on one list or on all, and choose among 25
// event types and four sources.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/outhook/outhook/examples/internal/kit"
	"github.com/outhook/outhook/webhook"
)

func main() { kit.Main(run) }

func run(ctx context.Context, args []string, out io.Writer) error {
	opts, err := kit.Parse(flag.NewFlagSet("crm", flag.ContinueOnError), args)
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
		opts.To = []string{server.URL + "/crm"}
	}
	ended := make(chan webhook.Delivery, 64)
	host, err := newCRM(webhook.Config{
		Transports: []webhook.Transport{opts.Transport(out)},
		Hooks:      webhook.Hooks{Ended: func(_ context.Context, d webhook.Delivery) { ended <- d }},
	})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	ran := make(chan error, 1)
	go func() { ran <- host.d.Run(running) }()
	var errs []error
	for i, url := range opts.To { // each URL is another account's
		t := &tale{a: &account{crm: host, id: fmt.Sprintf("acct%d", i+1), lists: []int{1, 2}}, url: url, ended: ended, out: story}
		errs = append(errs, t.tell(ctx))
	}
	stop()
	return errors.Join(append(errs, <-ran, host.d.Shutdown(context.WithoutCancel(ctx)))...)
}

// tale is what the example tells.
type tale struct {
	a     *account
	url   string
	ended chan webhook.Delivery
	out   io.Writer
}

// tell lets one account live through everything.
func (t *tale) tell(ctx context.Context) error {
	for _, part := range []func(context.Context) error{t.everything, t.leavers, t.note, t.sample, t.automation} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// everything is a webhook on all lists, for all events of all sources.
func (t *tale) everything(ctx context.Context) error {
	w := Webhook{Name: "everything", URL: t.url, Sources: []Source{Public, Admin, API, System}}
	for _, name := range t.a.crm.catalog.Names() {
		w.Events = append(w.Events, Type(name))
	}
	if _, err := t.a.Create(ctx, w); err != nil {
		return err
	}
	for _, event := range w.Events {
		sample, _ := t.a.crm.catalog.Sample(string(event))
		e, ok := sample.(Event)
		if !ok {
			return fmt.Errorf("the sample of %s is no event", event)
		}
		if err := t.fire(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// leavers is a webhook on one list, for those who leave it by themselves.
func (t *tale) leavers(ctx context.Context) error {
	_, err := t.a.Create(ctx, Webhook{
		Name: "leavers", List: 2, URL: t.url, Events: []Type{Unsubscribe}, Sources: []Source{Public},
	})
	if err != nil {
		return err
	}
	e := ContactEvent{Head: head(Unsubscribe), Contact: sampleContact()}
	fmt.Fprintln(t.out, "\nan administrator removes a contact from two lists: leavers does not hear of it")
	if err := t.fire(ctx, e); err != nil {
		return err
	}
	e.InitiatedFrom, e.InitiatedBy = Public, Public
	fmt.Fprintln(t.out, "\na contact leaves two lists: each webhook is called once")
	return t.fire(ctx, e)
}

// note is a long one.
func (t *tale) note(ctx context.Context) error {
	fmt.Fprintln(t.out, "\na note of 1 MB")
	return t.fire(ctx, NoteEvent{Head: head(SubscriberNote), Note: longNote(), Contact: sampleContact()})
}

// longNote returns a note of 1 MiB.
func longNote() string {
	const line = "Perché no? 100% of it arrives & nothing is cut.\n"
	return strings.Repeat(line, 1<<20/len(line)+1)[:1<<20]
}

// sample tries a webhook before it is saved.
func (t *tale) sample(ctx context.Context) error {
	fmt.Fprintln(t.out, "\nsample data for a webhook that is not saved yet")
	w := Webhook{Name: "new", URL: t.url, Events: []Type{Update}, Sources: []Source{Admin}}
	attempt, err := t.a.SendSample(ctx, w, Update)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "the URL answers %d: %v\n", attempt.Status, attempt.Outcome)
	return nil
}

// automation calls a URL that stands in a step of an automation alone.
func (t *tale) automation(ctx context.Context) error {
	fmt.Fprintln(t.out, "\na contact comes to a webhook inside an automation")
	receipt, err := t.a.RunStep(ctx, t.url, Step{Contact: sampleContact(), SeriesID: 11})
	if err != nil {
		return err
	}
	return t.end(ctx, receipt)
}

// fire fires an event and waits until all its deliveries have ended, so that
// the story can be read. A real platform does not wait.
func (t *tale) fire(ctx context.Context, e Event) error {
	receipt, err := t.a.Fire(ctx, e)
	if err != nil {
		return err
	}
	return t.end(ctx, receipt)
}

func (t *tale) end(ctx context.Context, receipt webhook.Receipt) error {
	for range receipt.Deliveries {
		select {
		case d := <-t.ended:
			fmt.Fprintf(t.out, "%s is %v\n", d.EndpointID, d.State)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
