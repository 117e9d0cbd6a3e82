package simtest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/outhook/outhook/webhook"
)

// recalled is what Match brought once, and what a worker's store remembers.
type recalled struct {
	q     webhook.Query
	found []*webhook.Endpoint
}

// stillSo reports whether Match would bring the same endpoints now, none of them
// changed since: then memstore has others in their places. The caller holds the
// oracle's lock, and so does who changes one.
func (b *base) stillSo(r *recalled) bool {
	found, err := b.Match(context.Background(), r.q)
	inOrderOfID(found)
	return err == nil && slices.Equal(found, r.found)
}

func inOrderOfID(found []*webhook.Endpoint) {
	slices.SortFunc(found, func(a, b *webhook.Endpoint) int { return strings.Compare(a.ID, b.ID) })
}

// checkAll refuses what is out of date.
func (b *base) checkAll(batches ...*webhook.Batch) error {
	for _, batch := range batches {
		if r, ok := batch.Recalled.(*recalled); ok && !b.holds(r) {
			return fmt.Errorf("simtest: %w", webhook.ErrOutdated)
		}
	}
	return nil
}

// enqueueOne checks and stores.
func (b *base) enqueueOne(ctx context.Context, batch *webhook.Batch) ([]webhook.Existing, error) {
	if err := b.check(batch); err != nil {
		return nil, err
	}
	return b.enqueue(ctx, batch)
}

// all returns the endpoints that there are.
func (b *base) all(ctx context.Context) []*webhook.Endpoint {
	found, _ := b.Endpoints(context.WithoutCancel(ctx), b.ids) // memstore has no other error
	return found
}

// store is a gate as a worker's dispatcher gets it.
type store interface {
	webhook.Queue
	webhook.EndpointStore
}

// gateRecall is a gate to a store that remembers what it matched, and
// gateAllRecall one that shares commits as well.
type (
	gateRecall    struct{ *gate }
	gateAllRecall struct{ *gateAll }
)

// Recall implements webhook.Recaller.
func (g *gateRecall) Recall(_ webhook.Queue, q webhook.Query) ([]*webhook.Endpoint, any) {
	return g.recall(q)
}

// Recall implements webhook.Recaller.
func (g *gateAllRecall) Recall(_ webhook.Queue, q webhook.Query) ([]*webhook.Endpoint, any) {
	return g.recall(q)
}

// open returns the gate to a store of some kind.
func (g *gate) open(shared, recalls bool) store { //nolint:ireturn // a store of some kind
	switch {
	case shared && recalls:
		return &gateAllRecall{&gateAll{g}}
	case shared:
		return &gateAll{g}
	case recalls:
		return &gateRecall{g}
	}
	return g
}

// keep remembers what a Match brought that the worker heard of.
func (g *gate) keep(q webhook.Query, found []*webhook.Endpoint) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := fmt.Sprint(q)
	g.kept[key] = append(g.kept[key], &recalled{q: q, found: found})
}

// recall gives what was kept last, and sometimes what was kept before, or
// nothing.
func (g *gate) recall(q webhook.Query) ([]*webhook.Endpoint, any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := fmt.Sprint(q)
	kept := g.kept[key]
	if len(kept) == 0 {
		return nil, nil
	}
	r := kept[len(kept)-1]
	switch p := g.seed.share("recall", g.name, key, g.slot()); {
	case p < 0.05:
		return nil, nil
	case p < 0.15:
		r = kept[g.seed.below(len(kept), "kept", g.name, key, g.slot())]
	}
	if g.mixes {
		return kept[0].found, kept[len(kept)-1]
	}
	return r.found, r
}
