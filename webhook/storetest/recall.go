package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/outhook/outhook/webhook"
)

func recallCases() []testCase {
	return []testCase{
		{
			name: "recall/holds",
			explanation: "right after a Match, Recall remembers what it returned, and while nothing changes an Enqueue that is to check it stores, " +
				"or each Dispatch asks twice; what it remembers of a query that was never matched is true as well",
			needs: Recall,
			run:   recallHolds,
		},
		{
			name: "recall/outdated",
			explanation: "where Match would return something else by now, Enqueue stores nothing and returns ErrOutdated: " +
				"or an event goes to an endpoint that was removed or paused, or one that was added misses it, or it goes out twice",
			needs: Recall,
			run:   recallOutdated,
		},
		{
			name:        "recall/first",
			explanation: "what is remembered of a query that matched nothing is out of date once something is there",
			needs:       Recall,
			run:         recallFirst,
		},
		{
			name: "recall/anew",
			explanation: "after ErrOutdated a Match and a Recall give what is now, and that holds, while what was given before stays out of date: " +
				"a check belongs to what was found, not to the query",
			needs: Recall,
			run:   recallAnew,
		},
		{
			name:        "recall/take",
			explanation: "an Enqueue that is out of date takes nothing, and one that holds takes as any other",
			needs:       Recall | Take,
			run:         recallTake,
		},
		{
			name: "recall/dedup",
			explanation: "an Enqueue that is out of date is ErrOutdated whatever is there already, and one that holds reports what is: " +
				"or a new endpoint never gets the event",
			needs: Recall,
			run:   recallDedup,
		},
		{
			name:        "recall/batch",
			explanation: "EnqueueAll with one batch that is out of date stores nothing of any, and tells of no other instead: the dispatcher enqueues the rest then",
			needs:       Recall | BatchOutbox,
			run:         recallBatch,
		},
		{
			name:        "recall/scopes",
			explanation: "what is remembered of several scopes is out of date when one of them changes, in whatever order they are asked for",
			needs:       Recall,
			run:         recallScopes,
		},
		{
			name:        "recall/peer",
			explanation: "what another process changes is out of date here at once: endpoints are edited by one process and used by all",
			needs:       Recall | Peers,
			run:         recallPeer,
		},
		{
			name:        "recall/race",
			explanation: "an Enqueue that succeeds has used no version of an endpoint that is older than the one that Set had returned before it began",
			needs:       Recall,
			run:         recallRace,
		},
	}
}

// recall asks what s remembers.
func (e *env) recall(s Store, q webhook.Query) (found []*webhook.Endpoint, check any) {
	r, ok := s.Endpoints.(webhook.Recaller) // not the Queue, which may be wrapped
	self, is := s.Endpoints.(webhook.Queue)
	if !ok || !is {
		e.fatalf("Store.Endpoints is no webhook.Recaller and Queue")
	}
	found, check = r.Recall(self, q)
	return wanting(found, q), check
}

// wanting returns those of found that want the event, sorted.
func wanting(found []*webhook.Endpoint, q webhook.Query) []*webhook.Endpoint {
	found = slices.DeleteFunc(slices.Clone(found), func(ep *webhook.Endpoint) bool { return ep == nil || !ep.Matches(q) })
	slices.SortFunc(found, func(a, b *webhook.Endpoint) int { return strings.Compare(a.ID, b.ID) })
	return found
}

// same compares what Recall returned with what Match returns.
func (e *env) same(matched, recalled []*webhook.Endpoint) {
	if len(recalled) != len(matched) {
		e.fatalf("Recall returned %d endpoints that want the event, Match %d", len(recalled), len(matched))
	}
	for i := range matched {
		e.sameEndpoint(matched[i], recalled[i])
	}
}

// remembered matches q, and returns what to check that by, which must be there.
func (e *env) remembered(ctx context.Context, q webhook.Query) any {
	matched := wanting(e.match(ctx, e.Endpoints, q), q)
	found, check := e.recall(e.Store, q)
	if check == nil {
		e.fatalf("right after Match(scopes %v), Recall gave nothing to check by", q.Scopes)
	}
	e.same(matched, found)
	return check
}

// honest asks what is remembered of q, of which that may be nothing. What holds
// must be what Match returns.
func (e *env) honest(ctx context.Context, q webhook.Query) {
	found, check := e.recall(e.Store, q)
	if check == nil {
		return
	}
	b := e.batch("honest")
	b.Recalled = check
	switch _, err := e.Queue.Enqueue(ctx, b); {
	case errors.Is(err, webhook.ErrOutdated):
		e.absent(ctx, b)
	default:
		e.ok(err, "Enqueue with what Recall gave")
		e.same(wanting(e.match(ctx, e.Endpoints, q), q), found)
		e.finishAll(ctx, deliveryIDs(b))
	}
}

// outdated enqueues b, which must be refused.
func (e *env) outdated(ctx context.Context, b *webhook.Batch, why string) {
	if _, err := e.Queue.Enqueue(ctx, b); !errors.Is(err, webhook.ErrOutdated) {
		e.errorf("Enqueue with what was remembered before %s: error %v, want %v", why, err, webhook.ErrOutdated)
	}
	e.absent(ctx, b)
}

// absent reports what is there of batches that were refused. Nothing else may be
// due.
func (e *env) absent(ctx context.Context, batches ...*webhook.Batch) {
	e.none(ctx, e.Queue, "it was refused as out of date")
	h, ok := e.Queue.(webhook.History)
	if !ok {
		return
	}
	for _, id := range deliveryIDs(batches...) {
		_, _, err := h.Delivery(ctx, id)
		e.is(err, webhook.ErrNotFound, "Delivery of what was refused as out of date")
	}
}

func recallHolds(ctx context.Context, e *env) {
	e.set(ctx, e.endpoint("everywhere", webhook.Everywhere))
	s := e.stage(ctx)
	never := s.q
	never.Scopes = []webhook.Scope{webhook.In("never", "matched")}
	e.set(ctx, e.endpoint("never", never.Scopes[0]))
	e.honest(ctx, never)
	never.Scopes = []webhook.Scope{webhook.In("nothing", "there")}
	e.honest(ctx, never)
	s.check = e.remembered(ctx, s.q)
	other := s.q
	other.Type = "another.type"
	e.honest(ctx, other)
	all := []*webhook.Batch{s.batch(e), s.batch(e), s.batch(e)}
	for _, b := range all {
		e.enqueue(ctx, e.Queue, b)
	}
	got := e.want(ctx, e.Queue, webhook.Claim{}, deliveryIDs(all...)...)
	for _, b := range all {
		e.sameMessage(b.Message, got[b.Deliveries[0].ID].Message)
	}
	if found, check := e.recall(e.Store, s.q); check != nil {
		e.same(wanting(e.match(ctx, e.Endpoints, s.q), s.q), found)
	}
}

func recallTake(ctx context.Context, e *env) {
	s := e.stage(ctx)
	e.finish(ctx, e.Queue, e.takes(ctx, s.batch(e), never, 0, 1)...)
	e.ok(e.admin().SetStatus(ctx, s.second.ID, webhook.Unverified, ""), "SetStatus")
	b := asks(s.batch(e), e.tick, 0, 1)
	e.outdated(ctx, b, "SetStatus")
	e.sleep(ctx, 3)
	e.absent(ctx, b)
	b.Recalled = nil
	e.finish(ctx, e.Queue, e.takes(ctx, b, never, 0, 1)...)
	b = s.batch(e)
	b.Recalled = e.remembered(ctx, s.q)
	e.finish(ctx, e.Queue, e.takes(ctx, b, never, 1)...)
	e.finishAll(ctx, deliveryIDs(b)[:1])
	e.none(ctx, e.Queue, "all are delivered")
}

func recallDedup(ctx context.Context, e *env) {
	s := e.stage(ctx)
	event := func(more ...string) *webhook.Batch {
		b := e.event("event-1", append([]string{s.first.ID, s.second.ID}, more...)...)
		b.Recalled = s.check
		return b
	}
	old := e.event("event-1", s.first.ID)
	e.enqueue(ctx, e.Queue, old)
	e.finishAll(ctx, deliveryIDs(old))
	b := event()
	e.existing(e.enqueued(ctx, e.Queue, b), map[int]string{0: old.Deliveries[0].ID})
	e.finishAll(ctx, deliveryIDs(b)[1:])
	known := map[int]string{0: old.Deliveries[0].ID, 1: b.Deliveries[1].ID}
	e.existing(e.enqueued(ctx, e.Queue, event()), known)
	e.ok(e.Endpoints.Disable(ctx, s.second.ID, "gone"), "Disable")
	e.outdated(ctx, event(), "Disable, of an event that is there already")
	b = event("third")
	e.outdated(ctx, b, "Disable, of an event that is there already in part")
	b.Recalled = nil
	e.existing(e.enqueued(ctx, e.Queue, b), known)
	e.finishAll(ctx, deliveryIDs(b)[2:])
	s.check = e.remembered(ctx, s.q)
	e.existing(e.enqueued(ctx, e.Queue, event()), known)
	e.none(ctx, e.Queue, "the event ended at all its endpoints")
}

func recallBatch(ctx context.Context, e *env) {
	one, two := e.stage(ctx), e.stage(ctx)
	again := e.remembered(ctx, one.q)
	one.check, two.check = e.remembered(ctx, one.q), e.remembered(ctx, two.q)
	all := []*webhook.Batch{one.batch(e), one.batch(e), two.batch(e), e.batch("a"), one.batch(e)}
	all[4].Recalled = again
	for i, existing := range e.enqueueAll(ctx, all) {
		if len(existing) > 0 {
			e.errorf("EnqueueAll of what holds: batch %d is there already: %+v", i, existing)
		}
	}
	e.finishAll(ctx, deliveryIDs(all...))

	stale := one.check
	e.ok(e.admin().SetStatus(ctx, one.first.ID, webhook.Paused, ""), "SetStatus")
	two.check, one.check = e.remembered(ctx, two.q), e.remembered(ctx, one.q)
	good := func() []*webhook.Batch { return []*webhook.Batch{one.batch(e), two.batch(e), e.batch("a")} }
	for at := range len(good()) + 1 {
		b := one.batch(e)
		b.Recalled = stale
		all := slices.Insert(good(), at, b)
		e.refusesAll(ctx, all, at)
		e.refusesAll(ctx, []*webhook.Batch{b}, 0)
		e.outdated(ctx, b, "SetStatus")
		rest := slices.Delete(slices.Clone(all), at, at+1)
		for _, b := range rest {
			e.enqueue(ctx, e.Queue, b)
		}
		e.finishAll(ctx, deliveryIDs(rest...))
	}
}

// refusesAll enqueues batches together, of which the one with index stale is out of
// date. Where the error tells of some, it is one of them.
func (e *env) refusesAll(ctx context.Context, all []*webhook.Batch, stale int) {
	_, err := e.Queue.(webhook.BatchOutbox).EnqueueAll(ctx, all) //nolint:forcetypeassert // the case needs it
	e.is(err, webhook.ErrOutdated, "EnqueueAll with a batch that is out of date")
	var o *webhook.OutdatedError
	if errors.As(err, &o) && !slices.Contains(o.Batches, stale) {
		e.errorf("EnqueueAll: %v are told to be out of date, and %d is", o.Batches, stale)
	}
	e.absent(ctx, all...)
}

func recallScopes(ctx context.Context, e *env) {
	one, two := e.stage(ctx), e.stage(ctx)
	both := one.q
	both.Scopes = []webhook.Scope{one.q.Scopes[0], two.q.Scopes[0]}
	other := one.q
	other.Scopes = []webhook.Scope{two.q.Scopes[0], one.q.Scopes[0]}
	alter := []func() error{
		func() error { return e.admin().SetStatus(ctx, two.second.ID, webhook.Paused, "") },
		func() error { return e.admin().Remove(ctx, one.first.ID) },
		func() error { return e.admin().SetStatus(ctx, one.second.ID, webhook.Paused, "") },
		func() error { return e.admin().Remove(ctx, two.second.ID) },
	}
	for _, f := range alter {
		e.match(ctx, e.Endpoints, both)
		asked := []webhook.Query{both, other, one.q, two.q}
		for _, q := range asked {
			e.honest(ctx, q)
		}
		_, check := e.recall(e.Store, both)
		_, turned := e.recall(e.Store, other)
		e.ok(f(), "changing an endpoint")
		for _, c := range []any{check, turned} {
			if c == nil {
				continue
			}
			b := e.batch("a")
			b.Recalled = c
			e.outdated(ctx, b, "an endpoint of one of two scopes was changed")
		}
		for _, q := range asked {
			e.honest(ctx, q)
		}
	}
}
