package storetest

import (
	"context"
	"fmt"
	"strconv"

	"github.com/outhook/outhook/webhook"
)

func matchCases() []testCase {
	return []testCase{
		{
			name:        "match/never-fewer",
			explanation: "Match may return more than what wants an event, the dispatcher filters again; one that it leaves out never hears of the event",
			needs:       EndpointStore,
			run:         matchNeverFewer,
		},
		{
			name:        "match/none",
			explanation: "an event that nobody wants is no error",
			needs:       EndpointStore,
			run:         matchNone,
		},
		{
			name:        "match/many",
			explanation: "an event with many scopes and many endpoints finds them all",
			needs:       EndpointStore,
			run:         matchMany,
		},
	}
}

func matchNeverFewer(ctx context.Context, e *env) {
	scopes := []webhook.Scope{webhook.In("link", "1"), webhook.In("link", "2"), webhook.In("workspace", "1"), webhook.Everywhere}
	types := [][]string{nil, {"contact.created"}, {"contact.*"}, {"contact.updated", "QR_CODE_SCANNED"}}
	sources := [][]string{nil, {"api"}, {"admin", "system"}}
	var all []*webhook.Endpoint
	for i, scope := range scopes {
		for j := range types {
			for k := range sources {
				ep := e.endpoint(fmt.Sprintf("ep-%d-%d-%d", i, j, k), scope)
				ep.Types, ep.Sources = types[j], sources[k]
				ep.Status = webhook.Status(1 + (i+j+k)%3)
				all = append(all, e.register(ctx, ep))
			}
		}
	}
	for _, asked := range [][]webhook.Scope{
		nil, {scopes[0]}, {scopes[1]}, {scopes[2], scopes[0]}, {webhook.In("link", "3"), scopes[2]}, {webhook.In("user", "u")},
	} {
		for _, name := range []string{"contact.created", "contact.updated", "contact", "QR_CODE_SCANNED", "qr_code_scanned", "other"} {
			for _, source := range []string{"", "api", "system"} {
				e.matches(ctx, all, webhook.Query{Scopes: asked, Type: name, Source: source})
			}
		}
	}
}

// matches asks for q, of which all are the endpoints that there are.
func (e *env) matches(ctx context.Context, all []*webhook.Endpoint, q webhook.Query) {
	got := map[string]bool{}
	for _, ep := range e.match(ctx, e.Endpoints, q) {
		got[ep.ID] = true
	}
	for _, ep := range all {
		if ep.Matches(q) && !got[ep.ID] {
			e.errorf("Match(%d scopes, type %q, source %q) left out endpoint %s, with scope %s, types %q, sources %q, %v",
				len(q.Scopes), q.Type, q.Source, ep.ID, ep.Scope, ep.Types, ep.Sources, ep.Status)
		}
	}
}

func matchNone(ctx context.Context, e *env) {
	q := webhook.Query{Scopes: []webhook.Scope{webhook.In("link", "1")}, Type: "contact.created", Source: "api"}
	e.match(ctx, e.Endpoints, q)
	e.register(ctx, e.endpoint("elsewhere", webhook.In("link", "2")))
	e.match(ctx, e.Endpoints, q)
}

func matchMany(ctx context.Context, e *env) {
	const n = 300
	var all []*webhook.Endpoint
	var scopes []webhook.Scope
	for i := range n {
		scope := webhook.In("link", strconv.Itoa(i))
		scopes = append(scopes, scope)
		all = append(all, e.register(ctx, e.endpoint(fmt.Sprintf("ep-%d", i), scope)))
	}
	e.matches(ctx, all, webhook.Query{Scopes: scopes, Type: "contact.created", Source: "api"})
}
