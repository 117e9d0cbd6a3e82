package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/outhook/outhook/webhook"
)

func adminCases() []testCase {
	return []testCase{
		{
			name:        "admin/round-trip",
			explanation: "every field of an endpoint comes back as it was set, secrets included, from Set, Endpoints, Match and List",
			needs:       EndpointAdmin,
			run:         adminRoundTrip,
		},
		{
			name:        "admin/replace",
			explanation: "Set replaces by id, or by scope, types and name, and keeps the place and the id: no second copy fires",
			needs:       EndpointAdmin,
			run:         adminReplace,
		},
		{
			name:        "admin/conflict",
			explanation: "an id that belongs to another scope is ErrConflict: nobody takes over a stranger's endpoint",
			needs:       EndpointAdmin,
			run:         adminConflict,
		},
		{
			name:        "admin/list",
			explanation: "List returns the endpoints of one scope in the order in which they were first set",
			needs:       EndpointAdmin,
			run:         adminList,
		},
		{
			name:        "admin/status",
			explanation: "SetStatus changes one endpoint, at once and for all readers; unknown is ErrNotFound",
			needs:       EndpointAdmin,
			run:         adminStatus,
		},
		{
			name:        "admin/remove",
			explanation: "a removed endpoint is gone for all readers at once; unknown is ErrNotFound",
			needs:       EndpointAdmin,
			run:         adminRemove,
		},
		{
			name:        "admin/fresh",
			explanation: "URL, secrets and headers are read at send: a reader sees the endpoint as it was set last, never an older one",
			needs:       EndpointAdmin,
			run:         adminFresh,
		},
		{
			name:        "admin/concurrent",
			explanation: "of callers that set the same scope, types and name at the same time one makes the endpoint, the others replace it",
			needs:       EndpointAdmin,
			run:         adminConcurrent,
		},
	}
}

func (e *env) admin() webhook.EndpointAdmin {
	a, ok := e.Endpoints.(webhook.EndpointAdmin)
	if !ok {
		e.fatalf("Store.Endpoints is no webhook.EndpointAdmin, and Store.Register is nil")
	}
	return a
}

func (e *env) set(ctx context.Context, ep *webhook.Endpoint) *webhook.Endpoint {
	got, err := e.admin().Set(ctx, ep)
	e.ok(err, "Set")
	if got == nil {
		e.fatalf("Set returned nil, want the endpoint as it is stored")
	}
	return got
}

func (e *env) list(ctx context.Context, scope webhook.Scope) []string {
	all, err := e.admin().List(ctx, scope)
	e.ok(err, "List")
	out := make([]string, len(all))
	for i := range all {
		out[i] = all[i].ID
	}
	return out
}

func (e *env) listsScope(ctx context.Context, scope webhook.Scope, want ...string) {
	if got := e.list(ctx, scope); !slices.Equal(got, want) {
		e.errorf("List(%s) = %q, want %q", scope, got, want)
	}
}

func adminRoundTrip(ctx context.Context, e *env) {
	want := fullEndpoint("Ende ü'\"\\%")
	bare := &webhook.Endpoint{ID: "bare", Scope: webhook.Everywhere, URL: "https://hooks.example.com/"}
	for _, ep := range []*webhook.Endpoint{want, bare} {
		e.sameEndpoint(ep, e.set(ctx, ep))
		e.sameEndpoint(ep, e.lookup(ctx, e.Endpoints, ep.ID))
		all, err := e.admin().List(ctx, ep.Scope)
		e.ok(err, "List")
		if len(all) != 1 {
			e.fatalf("List returned %d endpoints, want 1", len(all))
		}
		e.sameEndpoint(ep, all[0])
		for _, got := range e.match(ctx, e.Endpoints, webhook.Query{
			Scopes: []webhook.Scope{ep.Scope}, Type: "QR_CODE_SCANNED", Source: "admin",
		}) {
			if got.ID == ep.ID {
				e.sameEndpoint(ep, got)
			}
		}
	}
}

func adminReplace(ctx context.Context, e *env) {
	scope := webhook.In("user", "u9")
	first, second := e.endpoint("first", scope), e.endpoint("second", scope)
	first.Types = []string{"contact.*"}
	e.set(ctx, first)
	e.set(ctx, second)

	byID := *fullEndpoint("first")
	byID.Scope = scope
	e.sameEndpoint(&byID, e.set(ctx, &byID))
	e.sameEndpoint(&byID, e.lookup(ctx, e.Endpoints, "first"))

	byName := byID
	byName.ID, byName.URL, byName.Secrets, byName.Status = "another id", "https://other.example.com/", nil, webhook.Paused
	got := e.set(ctx, &byName)
	want := byName
	want.ID = "first"
	e.sameEndpoint(&want, got)
	e.sameEndpoint(&want, e.lookup(ctx, e.Endpoints, "first"))
	if ep := e.lookup(ctx, e.Endpoints, "another id"); ep != nil {
		e.errorf("Set of the same scope, types and name under another id left both")
	}
	e.listsScope(ctx, scope, "first", "second")

	other := byName
	other.ID, other.Types = "other types", []string{"QR_CODE_SCANNED"}
	e.set(ctx, &other)
	elsewhere := byName
	elsewhere.ID, elsewhere.Scope = "other scope", webhook.In("user", "u8")
	e.set(ctx, &elsewhere)
	e.listsScope(ctx, scope, "first", "second", "other types")
	e.listsScope(ctx, elsewhere.Scope, "other scope")
}

func adminConflict(ctx context.Context, e *env) {
	mine := e.endpoint("one", webhook.In("user", "mine"))
	e.set(ctx, mine)
	theirs := e.endpoint("one", webhook.In("user", "theirs"))
	theirs.URL = "https://evil.example.com/"
	_, err := e.admin().Set(ctx, theirs)
	e.is(err, webhook.ErrConflict, "Set of an id that belongs to another scope")
	e.sameEndpoint(mine, e.lookup(ctx, e.Endpoints, "one"))
	e.listsScope(ctx, theirs.Scope)
}

func adminList(ctx context.Context, e *env) {
	scope, other := webhook.In("link", "1"), webhook.In("link", "10")
	order := []string{"m", "z", "a", "k", "B"}
	for _, id := range order {
		e.set(ctx, e.endpoint(id, scope))
		e.set(ctx, e.endpoint(id+"-other", other))
		e.set(ctx, e.endpoint(id+"-all", webhook.Everywhere))
	}
	e.set(ctx, e.endpoint("z", scope))
	e.ok(e.admin().SetStatus(ctx, "m", webhook.Disabled, "off"), "SetStatus")
	e.listsScope(ctx, scope, order...)
	e.listsScope(ctx, webhook.In("link", "2"))
	e.listsScope(ctx, webhook.Everywhere, "m-all", "z-all", "a-all", "k-all", "B-all")
	e.ok(e.admin().Remove(ctx, "m"), "Remove")
	e.set(ctx, e.endpoint("m", scope))
	e.listsScope(ctx, scope, "z", "a", "k", "B", "m")
}

func adminStatus(ctx context.Context, e *env) {
	ep := e.set(ctx, fullEndpoint("one"))
	e.set(ctx, e.endpoint("two", ep.Scope))
	for _, step := range []struct {
		status webhook.Status
		reason string
	}{
		{status: webhook.Paused, reason: "plan läuft aus"}, {status: webhook.Disabled, reason: "gone"}, {status: webhook.Active},
	} {
		e.ok(e.admin().SetStatus(ctx, "one", step.status, step.reason), "SetStatus")
		want := *ep
		want.Status, want.StatusReason = step.status, step.reason
		e.sameEndpoint(&want, e.lookup(ctx, e.Endpoints, "one"))
	}
	if two := e.lookup(ctx, e.Endpoints, "two"); two == nil || two.Status > webhook.Active {
		e.errorf("SetStatus of one endpoint left another as %v", two)
	}
	e.is(e.admin().SetStatus(ctx, "no such id", webhook.Paused, ""), webhook.ErrNotFound, "SetStatus of an unknown endpoint")
}

func adminRemove(ctx context.Context, e *env) {
	scope := webhook.In("link", "1")
	e.set(ctx, e.endpoint("one", scope))
	e.set(ctx, e.endpoint("two", scope))
	e.ok(e.admin().Remove(ctx, "one"), "Remove")
	if got := e.lookup(ctx, e.Endpoints, "one"); got != nil {
		e.errorf("Endpoints returned an endpoint that was removed")
	}
	for _, got := range e.match(ctx, e.Endpoints, webhook.Query{Scopes: []webhook.Scope{scope}, Type: "contact.created"}) {
		if got.ID == "one" {
			e.errorf("Match returned an endpoint that was removed")
		}
	}
	e.listsScope(ctx, scope, "two")
	e.is(e.admin().Remove(ctx, "one"), webhook.ErrNotFound, "Remove, again")
	e.is(e.admin().SetStatus(ctx, "one", webhook.Active, ""), webhook.ErrNotFound, "SetStatus of a removed endpoint")
	e.ok(e.Endpoints.Disable(ctx, "one", "gone"), "Disable of a removed endpoint")
	other := e.endpoint("one", webhook.In("link", "2"))
	e.sameEndpoint(other, e.set(ctx, other))
}

func adminFresh(ctx context.Context, e *env) {
	readers := []webhook.EndpointStore{e.Endpoints}
	if e.Peer != nil {
		readers = append(readers, e.peer().Endpoints)
	}
	ep := fullEndpoint("one")
	for i := range 5 {
		next := *ep
		next.URL = fmt.Sprintf("https://hooks.example.com/%d", i)
		next.Types = []string{fmt.Sprintf("type.%d", i)}
		next.Secrets = next.Secrets[i%2:]
		e.set(ctx, &next)
		for _, r := range readers {
			e.sameEndpoint(&next, e.lookup(ctx, r, "one"))
			e.contains(e.match(ctx, r, webhook.Query{
				Scopes: []webhook.Scope{ep.Scope}, Type: next.Types[0], Source: "api",
			}), ep)
		}
	}
}

func adminConcurrent(ctx context.Context, e *env) {
	const callers, rounds = 4, 10
	scope := webhook.In("link", "1")
	admins := []webhook.EndpointAdmin{e.admin()}
	if e.Peer != nil {
		if a, ok := e.peer().Endpoints.(webhook.EndpointAdmin); ok {
			admins = append(admins, a)
		}
	}
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for n := range rounds {
				same := e.endpoint(fmt.Sprintf("same-%d-%d", n, c), scope)
				same.Name = fmt.Sprintf("same %d", n)
				own := e.endpoint(fmt.Sprintf("own-%d-%d", n, c), scope)
				for _, ep := range []*webhook.Endpoint{same, own} {
					if _, err := admins[c%len(admins)].Set(ctx, ep); err != nil {
						e.errorf("Set, with others at it: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
	if got := e.list(ctx, scope); len(got) != rounds+callers*rounds {
		e.errorf("List has %d endpoints, want %d: one for each name, and each caller's own", len(got), rounds+callers*rounds)
	}
}
