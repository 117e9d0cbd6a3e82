package memstore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/outhook/outhook/webhook"
)

// registry holds the endpoints. The endpoints in it never change: a change
// puts another in its place.
type registry struct {
	mu         sync.RWMutex // guards byID and byIdentity; taken before a shard's
	byID       map[string]*webhook.Endpoint
	byIdentity map[identity]string // to the id
	seed       maphash.Seed
	shards     [64]shard
	everywhere atomic.Int64 // how many have the scope Everywhere
}

// shard holds the endpoints of some scopes, so that calls of Match for
// different scopes do not wait for one lock.
type shard struct {
	mu      sync.RWMutex
	byScope map[webhook.Scope][]*webhook.Endpoint // in the order in which they were set
	_       [32]byte                              // a shard each for the lines of a cache
}

// identity is what makes two endpoints the same without an id.
type identity struct {
	scope       webhook.Scope
	name, types string
}

func identityOf(e *webhook.Endpoint) identity {
	types := slices.Clone(e.Types)
	slices.Sort(types)
	return identity{scope: e.Scope, name: e.Name, types: strings.Join(slices.Compact(types), "\x00")}
}

func (g *registry) init() {
	g.byID = make(map[string]*webhook.Endpoint)
	g.byIdentity = make(map[identity]string)
	g.seed = maphash.MakeSeed()
	for i := range g.shards {
		g.shards[i].byScope = make(map[webhook.Scope][]*webhook.Endpoint)
	}
}

func (g *registry) shard(scope webhook.Scope) *shard {
	return &g.shards[maphash.String(g.seed, string(scope))%uint64(len(g.shards))]
}

// Match implements webhook.EndpointStore. It returns exactly those that match,
// each once, in the order in which they were first set within their scope. Its
// cost is that of the endpoints of the scopes in q, and of Everywhere.
func (s *Store) Match(ctx context.Context, q webhook.Query) ([]*webhook.Endpoint, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var found []*webhook.Endpoint
	for _, scope := range q.Scopes {
		found = s.registry.match(found, scope, q)
	}
	if s.registry.everywhere.Load() > 0 {
		found = s.registry.match(found, webhook.Everywhere, q)
	}
	return found, nil
}

func (g *registry) match(found []*webhook.Endpoint, scope webhook.Scope, q webhook.Query) []*webhook.Endpoint {
	h := g.shard(scope)
	h.mu.RLock()
	defer h.mu.RUnlock()
	list := h.byScope[scope]
	for i, e := range list {
		if !e.Matches(q) {
			continue
		}
		if len(found) == cap(found) {
			// As many as are left, or four times as many as there are.
			found = slices.Grow(found, min(len(list)-i, 16+3*len(found)))
		}
		found = append(found, e)
	}
	return found
}

// Endpoints implements webhook.EndpointStore.
func (s *Store) Endpoints(ctx context.Context, ids []string) ([]*webhook.Endpoint, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.registry.mu.RLock()
	defer s.registry.mu.RUnlock()
	found := make([]*webhook.Endpoint, 0, len(ids))
	for _, id := range ids {
		if e := s.registry.byID[id]; e != nil {
			found = append(found, e)
		}
	}
	return found, nil
}

// Disable implements webhook.EndpointStore.
func (s *Store) Disable(ctx context.Context, id, reason string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g := &s.registry
	g.mu.Lock()
	defer g.mu.Unlock()
	if e := g.byID[id]; e != nil && e.Status != webhook.Disabled {
		g.setStatus(e, webhook.Disabled, reason)
	}
	return nil
}

// List implements webhook.EndpointAdmin.
func (s *Store) List(ctx context.Context, scope webhook.Scope) ([]*webhook.Endpoint, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h := s.registry.shard(scope)
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Clone(h.byScope[scope]), nil
}

// Set implements webhook.EndpointAdmin. It copies e, and checks of it only
// what the store itself depends on, its ID and its Scope; the rest is for
// [webhook.Dispatcher.Check]. An endpoint whose id is one endpoint's, and whose
// scope, types and name are another's, is webhook.ErrConflict.
func (s *Store) Set(ctx context.Context, e *webhook.Endpoint) (*webhook.Endpoint, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if e == nil {
		return nil, errors.New("memstore: the endpoint is nil")
	}
	if err := e.Scope.Validate(); err != nil {
		return nil, &webhook.EndpointError{ID: e.ID, Err: err}
	}
	e = copyOf(e)
	g := &s.registry
	g.mu.Lock()
	defer g.mu.Unlock()
	old, err := g.replaced(e)
	if err != nil {
		return nil, err
	}
	if old != nil {
		e.ID = old.ID
		g.replace(old, e)
		return e, nil
	}
	if len(g.byID) >= s.opts.MaxEndpoints {
		return nil, fmt.Errorf("%w: it has %d endpoints, see Options.MaxEndpoints", webhook.ErrFull, len(g.byID))
	}
	g.add(e)
	s.register(e.ID)
	return e, nil
}

// replaced finds the endpoint whose place e takes; nil for a new one.
func (g *registry) replaced(e *webhook.Endpoint) (*webhook.Endpoint, error) {
	byID, same := g.byID[e.ID], g.byID[g.byIdentity[identityOf(e)]]
	switch {
	case e.ID == "" && same == nil:
		return nil, &webhook.EndpointError{Err: errors.New("a new endpoint needs an ID")}
	case byID == nil:
		return same, nil
	case byID.Scope != e.Scope:
		return nil, &webhook.EndpointError{ID: e.ID, Err: fmt.Errorf("%w, of another scope", webhook.ErrConflict)}
	case same != nil && same != byID:
		return nil, &webhook.EndpointError{ID: e.ID, Err: fmt.Errorf("its scope, types and name are those of %q: %w", same.ID, webhook.ErrConflict)}
	}
	return byID, nil
}

func (g *registry) add(e *webhook.Endpoint) {
	g.byID[e.ID] = e
	g.byIdentity[identityOf(e)] = e.ID
	h := g.shard(e.Scope)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.byScope[e.Scope] = append(h.byScope[e.Scope], e)
	if e.Scope == webhook.Everywhere {
		g.everywhere.Add(1)
	}
}

// replace puts e, of the same id and scope, in the place of old.
func (g *registry) replace(old, e *webhook.Endpoint) {
	delete(g.byIdentity, identityOf(old))
	g.byIdentity[identityOf(e)] = e.ID
	g.byID[e.ID] = e
	h := g.shard(e.Scope)
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.byScope[e.Scope]
	list[slices.Index(list, old)] = e
}

func (g *registry) setStatus(e *webhook.Endpoint, status webhook.Status, reason string) {
	changed := *e
	changed.Status, changed.StatusReason = status, reason
	g.replace(e, &changed)
}

// SetStatus implements webhook.EndpointAdmin.
func (s *Store) SetStatus(ctx context.Context, id string, status webhook.Status, reason string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g := &s.registry
	g.mu.Lock()
	defer g.mu.Unlock()
	e := g.byID[id]
	if e == nil {
		return &webhook.EndpointError{ID: id, Err: webhook.ErrNotFound}
	}
	g.setStatus(e, status, reason)
	return nil
}

// Remove implements webhook.EndpointAdmin.
func (s *Store) Remove(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g := &s.registry
	g.mu.Lock()
	defer g.mu.Unlock()
	e := g.byID[id]
	if e == nil {
		return &webhook.EndpointError{ID: id, Err: webhook.ErrNotFound}
	}
	delete(g.byID, id)
	delete(g.byIdentity, identityOf(e))
	g.drop(e)
	s.unregister(id)
	return nil
}

// drop takes e out of its scope.
func (g *registry) drop(e *webhook.Endpoint) {
	h := g.shard(e.Scope)
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.byScope[e.Scope]
	at := slices.Index(list, e)
	if list = slices.Delete(list, at, at+1); len(list) == 0 {
		delete(h.byScope, e.Scope)
	} else {
		h.byScope[e.Scope] = shrink(list)
	}
	if e.Scope == webhook.Everywhere {
		g.everywhere.Add(-1)
	}
}

// register lets the queue know an endpoint before its first delivery, so that
// Enqueue need not make anything but the delivery.
func (s *Store) register(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanesOf(id)
	l.registered = true
	s.release(l, s.now())
}

func (s *Store) unregister(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.known(id); l != nil {
		l.registered = false
		s.release(l, s.now())
	}
}

// copyOf returns a copy of e that shares nothing with it. What a key or a
// header holds is immutable by itself.
func copyOf(e *webhook.Endpoint) *webhook.Endpoint {
	c := *e
	c.Types = slices.Clone(e.Types)
	c.Sources = slices.Clone(e.Sources)
	c.Fields = slices.Clone(e.Fields)
	c.Secrets = slices.Clone(e.Secrets)
	c.Params = slices.Clone(e.Params)
	c.Headers = slices.Clone(e.Headers)
	c.Meta = maps.Clone(e.Meta)
	return &c
}
