// Command tasks is a reference integration: a source of contacts that starts
// tasks on a platform where each task has a URL of its own. It holds both
// sides, the one that sends and the one that receives.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/outhook/outhook/examples/internal/kit"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

func main() { kit.Main(run) }

func run(ctx context.Context, args []string, out io.Writer) error {
	opts, err := kit.Parse(flag.NewFlagSet("tasks", flag.ContinueOnError), args)
	if err != nil {
		return err
	}
	story := opts.Story(out)
	if opts.Standalone {
		platform := newTasks(story)
		call := platform.add("call {{full_name}}, who is {{extra_fields.eta}} and lives in {{extra_fields.citta}}")
		write := platform.add("write to {{email}} about: {{extra_fields.interesse}}")
		server, err := kit.Serve(ctx, platform)
		if err != nil {
			return err
		}
		defer server.Close()
		opts.To = []string{server.URL + call, server.URL + write}
	}
	s := &source{store: memstore.New(memstore.Options{}), ended: make(chan webhook.Delivery, 64), story: story}
	taskPolicy := policy()
	taskPolicy.Schedule = opts.Schedule(taskPolicy.Schedule)
	if s.d, err = webhook.New(s.config(taskPolicy, opts.Transport(out))); err != nil {
		return err
	}
	if err := s.register(ctx, opts.To); err != nil {
		return err
	}
	ran := make(chan error, 1)
	go func() { ran <- s.d.Run(ctx) }()
	sent := s.send(ctx, examples())
	return errors.Join(sent, s.d.Shutdown(context.WithoutCancel(ctx)), <-ran)
}

// policy takes the platform at its word: a body that it finds bad will not be
// better the next time. Whatever else fails is tried again.
func policy() retry.Policy {
	p := retry.AtLeastOnce()
	p.Name = "tasks"
	p.Judge = func(r retry.Response) retry.Outcome {
		switch r.Status {
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge,
			http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
			return retry.Rejected
		}
		return retry.Default(r)
	}
	return p
}

// source is the host: where contacts come from.
type source struct {
	d     *webhook.Dispatcher
	store *memstore.Store // a real source has a database: see sqlstore
	ended chan webhook.Delivery
	story io.Writer
	tasks []webhook.Scope // those that a contact starts
}

func (s *source) config(policy retry.Policy, way webhook.Transport) webhook.Config {
	return webhook.Config{
		Endpoints:  s.store,
		Queue:      s.store,
		Policies:   []retry.Policy{policy},
		Transports: []webhook.Transport{way},
		Hooks: webhook.Hooks{
			AttemptDone: func(_ context.Context, a webhook.Attempt) {
				fmt.Fprintf(s.story, "%s, attempt %d: %v %s\n", a.EndpointID, a.Number, a.Outcome, a.Error)
			},
			Ended: func(_ context.Context, d webhook.Delivery) { s.ended <- d },
		},
	}
}

// register sets the URLs, each for a task of its own.
func (s *source) register(ctx context.Context, urls []string) error {
	for i, url := range urls {
		id := strconv.Itoa(i + 1)
		endpoint := webhook.Endpoint{ID: "task-" + id, Scope: webhook.In("task", id), URL: url, Encoder: "json"}
		if err := s.d.Check(&endpoint); err != nil {
			return err
		}
		if _, err := s.store.Set(ctx, &endpoint); err != nil {
			return err
		}
		s.tasks = append(s.tasks, endpoint.Scope)
	}
	return nil
}

// send starts all tasks for each contact, one contact after the other, so that
// the story can be read. A real source does not wait.
func (s *source) send(ctx context.Context, contacts []Contact) error {
	for _, c := range contacts {
		receipt, err := s.d.Dispatch(ctx, c, s.tasks...)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.story, "\n%s is dispatched to %d tasks\n", c.FullName, len(receipt.Deliveries))
		for range receipt.Deliveries {
			select {
			case d := <-s.ended:
				fmt.Fprintf(s.story, "%s is %v\n", d.EndpointID, d.State)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	// What is missing is an error at once, here for a task that nobody has.
	_, err := s.d.Dispatch(ctx, Contact{FullName: "Ada Verdi", Phone: "+39333444555"}, webhook.In("task", "none"))
	fmt.Fprintf(s.story, "\nAda Verdi is not dispatched: %v\n", err)
	if err == nil {
		return errors.New("a contact without an email was dispatched")
	}
	return nil
}
