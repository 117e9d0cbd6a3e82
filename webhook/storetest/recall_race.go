package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outhook/outhook/webhook"
)

func recallRace(ctx context.Context, e *env) {
	const rounds, users = 60, 4
	stores := []Store{e.Store}
	if e.Peer != nil {
		stores = append(stores, e.peer())
	}
	ep := e.endpoint("a", webhook.In("link", "1"))
	ep.URL = versionURL(0)
	e.set(ctx, ep)
	var admins []registry
	for _, s := range stores {
		admins = append(admins, e.registry(s))
		e.recall(s, raceQuery())
	}
	v := &versions{}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer v.over.Store(true)
		start := time.Now()
		for n := int64(1); n <= rounds && time.Since(start) < 20*e.tick; n++ {
			next := *ep
			next.URL = versionURL(n)
			if _, err := admins[n%int64(len(admins))].Set(ctx, &next); err != nil {
				e.errorf("Set, with others at it: %v", err)
				return
			}
			v.acked.Store(n)
			e.sleep(ctx, float64(n%4)/10)
		}
	})
	for i := range users {
		wg.Go(func() {
			for n := i; !v.over.Load(); n++ {
				e.use(ctx, stores[i%len(stores)], v, n)
				e.sleep(ctx, 0.02)
			}
		})
	}
	wg.Wait()
	for n, s := range stores {
		e.use(ctx, s, v, 3*n)
	}
	if len(v.stored) == 0 {
		e.errorf("of what was remembered nothing held, not even after the last Set")
	}
	e.want(ctx, e.Queue, webhook.Claim{}, v.stored...)
}

// versions is what the callers of recallRace know together.
type versions struct {
	acked atomic.Int64 // the latest that Set has returned
	over  atomic.Bool

	mu     sync.Mutex
	stored []string
}

func versionURL(n int64) string { return fmt.Sprintf("https://hooks.example.com/v/%d", n) }

func versionOf(found []*webhook.Endpoint) (n int64, err error) {
	if len(found) != 1 {
		return 0, fmt.Errorf("%d endpoints, want 1", len(found))
	}
	_, err = fmt.Sscanf(found[0].URL, "https://hooks.example.com/v/%d", &n)
	return n, err
}

func raceQuery() webhook.Query {
	return webhook.Query{Scopes: []webhook.Scope{webhook.In("link", "1")}, Type: "contact.created", Source: "api"}
}

// use matches now and then, and enqueues by what is remembered.
func (e *env) use(ctx context.Context, s Store, v *versions, n int) {
	q := raceQuery()
	if n%3 == 0 {
		if _, err := s.Endpoints.Match(ctx, q); err != nil {
			e.errorf("Match, with others at it: %v", err)
			return
		}
	}
	found, check := e.recall(s, q)
	if check == nil {
		return
	}
	version, err := versionOf(wanting(found, q))
	if err != nil {
		e.errorf("Recall, with others at it: %v", err)
		return
	}
	b := e.batch("a")
	b.Recalled = check
	acked := v.acked.Load()
	switch _, err := s.Queue.Enqueue(ctx, b); {
	case errors.Is(err, webhook.ErrOutdated):
		return
	case err != nil:
		e.errorf("Enqueue, with others at it: %v", err)
		return
	case version < acked:
		e.errorf("Enqueue took version %d of the endpoint for true, though Set had returned version %d before it began", version, acked)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.stored = append(v.stored, b.Deliveries[0].ID)
}
