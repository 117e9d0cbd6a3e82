package storetest

import (
	"context"
	"slices"

	"github.com/outhook/outhook/webhook"
)

func endpointCases() []testCase {
	return []testCase{
		{
			name:        "endpoints/by-id",
			explanation: "Endpoints returns those that are there, each once, and leaves out the others without an error: their deliveries are cancelled",
			needs:       EndpointStore,
			run:         endpointsByID,
		},
		{
			name:        "endpoints/disable",
			explanation: "Disable sets the status and the reason; an endpoint that is gone, or is disabled already, is no error",
			needs:       EndpointStore,
			run:         func(ctx context.Context, e *env) { e.disabling(ctx, e.Endpoints) },
		},
		{
			name:        "endpoints/peers",
			explanation: "an endpoint that one process registers or disables is so for all",
			needs:       EndpointStore | Peers,
			run:         func(ctx context.Context, e *env) { e.disabling(ctx, e.peer().Endpoints) },
		},
	}
}

// endpoint returns a plain endpoint.
func (e *env) endpoint(id string, scope webhook.Scope) *webhook.Endpoint {
	return &webhook.Endpoint{ID: id, Name: id, Scope: scope, URL: "https://hooks.example.com/" + id, Status: webhook.Active}
}

// register stores ep and returns it as it is stored.
func (e *env) register(ctx context.Context, ep *webhook.Endpoint) *webhook.Endpoint {
	register := e.Register
	if register == nil {
		register = e.admin().Set
	}
	stored, err := register(ctx, ep)
	e.ok(err, "registering an endpoint")
	if stored == nil || stored.ID == "" {
		e.fatalf("registering an endpoint returned %v, want it as it is stored, with its id", stored)
	}
	return stored
}

// contains reports endpoints that are not in found.
func (e *env) contains(found []*webhook.Endpoint, want ...*webhook.Endpoint) {
	for _, w := range want {
		if !slices.ContainsFunc(found, func(g *webhook.Endpoint) bool { return g != nil && g.ID == w.ID }) {
			e.errorf("of %d endpoints that were found, none is %s", len(found), w.ID)
		}
	}
}

// lookup returns one endpoint, or nil.
func (e *env) lookup(ctx context.Context, s webhook.EndpointStore, id string) *webhook.Endpoint {
	found, err := s.Endpoints(ctx, []string{id})
	e.ok(err, "Endpoints")
	if len(found) == 0 {
		return nil
	}
	if len(found) > 1 || found[0].ID != id {
		e.errorf("Endpoints(%q) returned %d endpoints, the first %q", id, len(found), found[0].ID)
	}
	return found[0]
}

func endpointsByID(ctx context.Context, e *env) {
	var want []string
	for _, name := range []string{"one", "two", "three"} {
		want = append(want, e.register(ctx, e.endpoint(name, webhook.In("link", "1"))).ID)
	}
	for _, ask := range [][]string{nil, {"no such id"}} {
		found, err := e.Endpoints.Endpoints(ctx, ask)
		e.ok(err, "Endpoints")
		if len(found) != 0 {
			e.errorf("Endpoints(%q) returned %d endpoints, want none", ask, len(found))
		}
	}
	found, err := e.Endpoints.Endpoints(ctx, []string{"no such id", want[2], want[0], "", want[1]})
	e.ok(err, "Endpoints")
	var got []string
	for _, ep := range found {
		got = append(got, ep.ID)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		e.errorf("Endpoints returned %q, want %q", got, want)
	}
	many, err := e.Endpoints.Endpoints(ctx, append(names("absent", 2000), want...))
	e.ok(err, "Endpoints with 2,003 ids")
	if len(many) != len(want) {
		e.errorf("Endpoints with 2,003 ids returned %d endpoints, want %d", len(many), len(want))
	}
}

func (e *env) disabling(ctx context.Context, other webhook.EndpointStore) {
	ep := e.register(ctx, e.endpoint("one", webhook.In("link", "1")))
	beside := e.register(ctx, e.endpoint("two", webhook.In("link", "1")))
	if got := e.lookup(ctx, other, ep.ID); got == nil || got.Status > webhook.Active {
		e.fatalf("Endpoints returned %v, want the endpoint as it was registered, active", got)
	}
	e.ok(e.Endpoints.Disable(ctx, ep.ID, "gone: 410"), "Disable")
	for _, s := range []webhook.EndpointStore{e.Endpoints, other} {
		got := e.lookup(ctx, s, ep.ID)
		if got == nil || got.Status != webhook.Disabled || got.StatusReason != "gone: 410" {
			e.errorf("after Disable Endpoints returned %+v, want it disabled, with the reason", got)
		}
		e.contains(e.match(ctx, s, webhook.Query{Scopes: []webhook.Scope{ep.Scope}, Type: "contact.created"}), ep, beside)
		for _, m := range e.match(ctx, s, webhook.Query{Scopes: []webhook.Scope{ep.Scope}, Type: "contact.created"}) {
			if m.ID == ep.ID && m.Status != webhook.Disabled {
				e.errorf("after Disable Match returned the endpoint as %v", m.Status)
			}
		}
	}
	e.ok(e.Endpoints.Disable(ctx, ep.ID, "gone: 410"), "Disable of an endpoint that is disabled")
	e.ok(e.Endpoints.Disable(ctx, "no such id", "gone"), "Disable of an endpoint that is not there")
	if got := e.lookup(ctx, other, beside.ID); got == nil || got.Status == webhook.Disabled {
		e.errorf("Disable of one endpoint left another as %v", got)
	}
}

func (e *env) match(ctx context.Context, s webhook.EndpointStore, q webhook.Query) []*webhook.Endpoint {
	found, err := s.Match(ctx, q)
	e.ok(err, "Match")
	return found
}
