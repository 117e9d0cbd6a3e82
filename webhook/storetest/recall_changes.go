package storetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/outhook/outhook/webhook"
)

// registry is where the endpoints are changed: by this process, or by a peer.
type registry interface {
	webhook.EndpointStore
	webhook.EndpointAdmin
}

func (e *env) registry(s Store) registry {
	r, ok := s.Endpoints.(registry)
	if !ok {
		e.fatalf("Store.Endpoints is no webhook.EndpointAdmin")
	}
	return r
}

// stage is a scope with endpoints, which were matched, and what the store has to
// check that by.
type stage struct {
	q                  webhook.Query
	first, second, not *webhook.Endpoint // not does not want the event
	check              any
}

func (e *env) stage(ctx context.Context) *stage {
	scope := webhook.In("stage", e.id("n"))
	at := func(name string) *webhook.Endpoint { return e.endpoint(name+"-"+string(scope), scope) }
	s := &stage{
		q:     webhook.Query{Scopes: []webhook.Scope{scope}, Type: "contact.created", Source: "api"},
		first: at("first"), second: at("second"), not: at("not"),
	}
	s.not.Types = []string{"another.type"}
	for _, ep := range []*webhook.Endpoint{s.first, s.second, s.not} {
		e.set(ctx, ep)
	}
	s.check = e.remembered(ctx, s.q)
	return s
}

// batch is an event for the stage, to be checked.
func (s *stage) batch(e *env) *webhook.Batch {
	b := e.batch(s.first.ID, s.second.ID)
	b.Recalled = s.check
	return b
}

// change is something after which Match returns something else.
type change struct {
	name string
	make func(ctx context.Context, at registry, s *stage) error
}

func changes() []change {
	set := func(ctx context.Context, at registry, like *webhook.Endpoint, alter func(ep *webhook.Endpoint)) error {
		ep := *like
		alter(&ep)
		_, err := at.Set(ctx, &ep)
		return err
	}
	return []change{
		{"an endpoint was added to the scope", func(ctx context.Context, at registry, s *stage) error {
			return set(ctx, at, s.first, func(ep *webhook.Endpoint) { ep.ID, ep.Name = "added-"+ep.ID, "added" })
		}},
		{"an endpoint was added to Everywhere", func(ctx context.Context, at registry, s *stage) error {
			return set(ctx, at, s.first, func(ep *webhook.Endpoint) {
				ep.ID, ep.Name, ep.Scope = "everywhere", "everywhere", webhook.Everywhere
			})
		}},
		{"the endpoint of Everywhere was paused", func(ctx context.Context, at registry, _ *stage) error {
			return at.SetStatus(ctx, "everywhere", webhook.Paused, "")
		}},
		{"the endpoint of Everywhere was removed", func(ctx context.Context, at registry, _ *stage) error {
			return at.Remove(ctx, "everywhere")
		}},
		{"an endpoint got another URL", func(ctx context.Context, at registry, s *stage) error {
			return set(ctx, at, s.first, func(ep *webhook.Endpoint) { ep.URL = "https://hooks.example.com/moved" })
		}},
		{"an endpoint got other headers", func(ctx context.Context, at registry, s *stage) error {
			return set(ctx, at, s.second, func(ep *webhook.Endpoint) { ep.Headers = []webhook.Header{{Name: "X-Key", Value: "secret"}} })
		}},
		{"an endpoint was set again under another id", func(ctx context.Context, at registry, s *stage) error {
			if err := at.Remove(ctx, s.first.ID); err != nil {
				return err
			}
			return set(ctx, at, s.first, func(ep *webhook.Endpoint) { ep.ID += "-again" })
		}},
		{"an endpoint selected other types", func(ctx context.Context, at registry, s *stage) error {
			return set(ctx, at, s.second, func(ep *webhook.Endpoint) { ep.Types = []string{"another.type"} })
		}},
		{"an endpoint selected this type", func(ctx context.Context, at registry, s *stage) error {
			return set(ctx, at, s.not, func(ep *webhook.Endpoint) { ep.Types = []string{"contact.*"} })
		}},
		{"SetStatus", func(ctx context.Context, at registry, s *stage) error {
			return at.SetStatus(ctx, s.second.ID, webhook.Paused, "plan expired")
		}},
		{"Disable", func(ctx context.Context, at registry, s *stage) error {
			return at.Disable(ctx, s.first.ID, "gone: 410")
		}},
		{"Remove", func(ctx context.Context, at registry, s *stage) error {
			return at.Remove(ctx, s.first.ID)
		}},
		{"Remove of all", func(ctx context.Context, at registry, s *stage) error {
			return errors.Join(at.Remove(ctx, s.second.ID), at.Remove(ctx, s.first.ID))
		}},
	}
}

// changing plays every change, made at the given place.
func (e *env) changing(ctx context.Context, at registry) {
	for _, c := range changes() {
		s := e.stage(ctx)
		b := s.batch(e)
		e.enqueue(ctx, e.Queue, b)
		e.finishAll(ctx, deliveryIDs(b))
		b = s.batch(e)
		e.ok(c.make(ctx, at, s), c.name)
		e.outdated(ctx, b, c.name)
		e.outdated(ctx, b, c.name+", again")
		b.Recalled = nil
		e.enqueue(ctx, e.Queue, b)
		e.finishAll(ctx, deliveryIDs(b))
		e.honest(ctx, s.q)
	}
}

func recallOutdated(ctx context.Context, e *env) { e.changing(ctx, e.registry(e.Store)) }

func recallPeer(ctx context.Context, e *env) {
	peer := e.peer()
	e.changing(ctx, e.registry(peer))
	s := e.stage(ctx)
	e.match(ctx, peer.Endpoints, s.q)
	_, theirs := e.recall(peer, s.q)
	e.ok(e.registry(e.Store).Remove(ctx, s.first.ID), "Remove")
	b := s.batch(e)
	b.Recalled = theirs
	if _, err := peer.Queue.Enqueue(ctx, b); !errors.Is(err, webhook.ErrOutdated) {
		e.errorf("Enqueue by the other process after Remove by this one: error %v, want %v", err, webhook.ErrOutdated)
	}
	e.absent(ctx, b)
}

func recallFirst(ctx context.Context, e *env) {
	for _, scope := range []webhook.Scope{webhook.In("link", "1"), webhook.Everywhere} {
		q := webhook.Query{Scopes: []webhook.Scope{webhook.In("link", "1")}, Type: "contact.created", Source: "api"}
		e.match(ctx, e.Endpoints, q)
		_, check := e.recall(e.Store, q)
		e.set(ctx, e.endpoint("first-"+string(scope), scope))
		if b := e.batch("a"); check != nil {
			b.Recalled = check
			e.outdated(ctx, b, "the first endpoint was added to "+string(scope))
		}
		e.honest(ctx, q)
		b := e.batch("a")
		b.Recalled = e.remembered(ctx, q)
		e.enqueue(ctx, e.Queue, b)
		e.finishAll(ctx, deliveryIDs(b))
	}
}

func recallAnew(ctx context.Context, e *env) {
	s := e.stage(ctx)
	old := []any{s.check}
	for i := range 4 {
		next := *s.first
		next.URL = fmt.Sprintf("https://hooks.example.com/%d", i)
		e.set(ctx, &next)
		e.outdated(ctx, s.batch(e), "an endpoint got another URL")
		s.check = e.remembered(ctx, s.q)
		found, _ := e.recall(e.Store, s.q)
		e.sameEndpoint(&next, found[0])
		for _, s.check = range old {
			e.outdated(ctx, s.batch(e), "an endpoint got another URL, and was matched anew")
		}
		s.check = e.remembered(ctx, s.q)
		b := s.batch(e)
		e.enqueue(ctx, e.Queue, b)
		e.finishAll(ctx, deliveryIDs(b))
		old = append(old, s.check)
	}
}
