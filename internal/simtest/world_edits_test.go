package simtest_test

import (
	"context"
	"strings"
	"time"

	"github.com/outhook/outhook/webhook"
)

// edit changes endpoints while the world is alive.
func (w *world) edit() {
	n := 2 + w.seed.below(5, "edits")
	for i := range n {
		time.Sleep(w.seed.between(0, 2*chaosFor/time.Duration(n+1), "edit", i))
		w.editOne(&w.plan[w.seed.below(len(w.plan), "edited", i)], i)
	}
	time.Sleep(time.Until(w.oracle.start.Add(chaosFor)))
	for i := range w.plan {
		w.resume(&w.plan[i], i)
	}
}

// editOne changes one endpoint. What is active again stays so.
func (w *world) editOne(ep *webhook.Endpoint, i int) {
	w.oracle.mu.Lock()
	defer w.oracle.mu.Unlock()
	ctx := context.Background()
	defer func() { w.oracle.registered(w.base.all(ctx)) }()
	found, _ := w.base.Endpoints(ctx, []string{ep.ID})
	if len(found) == 0 {
		return
	}
	now := *found[0]
	switch w.seed.below(8, "how", i) {
	case 0:
		w.oracle.seen["edits: disabled"]++
		w.oracle.edited(ep.ID, false, hostIn(&now))
		_ = w.base.SetStatus(ctx, ep.ID, webhook.Disabled, "the host's wish")
	case 1:
		w.oracle.seen["edits: removed"]++
		w.oracle.edited(ep.ID, false, hostIn(&now))
		_ = w.base.Remove(ctx, ep.ID)
	case 2, 3, 4:
		if now.Status != webhook.Disabled {
			w.oracle.seen["edits: paused"]++
			w.oracle.edited(ep.ID, false, hostIn(&now))
			_ = w.base.SetStatus(ctx, ep.ID, webhook.Paused, "")
		}
	default:
		w.oracle.seen["edits: moved"]++
		now.URL = urlOf(ep.ID, i%2)
		w.oracle.edited(ep.ID, now.Status <= webhook.Active, hostIn(&now))
		_, _ = w.base.Set(ctx, &now)
	}
}

func hostIn(ep *webhook.Endpoint) string {
	return strings.TrimSuffix(strings.TrimPrefix(ep.URL, "http://"), "/hook")
}

// resume opens an endpoint that is paused, sometimes with a word to a worker.
func (w *world) resume(ep *webhook.Endpoint, i int) {
	ctx := context.Background()
	paused := false
	w.oracle.locked(func() {
		found, _ := w.base.Endpoints(ctx, []string{ep.ID})
		if len(found) == 1 && found[0].Status == webhook.Paused {
			paused = true
			w.oracle.edited(ep.ID, true, hostIn(found[0]))
			_ = w.base.SetStatus(ctx, ep.ID, webhook.Active, "")
			w.oracle.registered(w.base.all(ctx))
		}
	})
	if x := w.someWorker(i, 0); paused && x != nil && i%2 == 0 {
		_ = x.d.Release(ctx, ep.ID)
	}
}

// guest comes and goes, so that what is remembered is mostly out of date.
func guest() webhook.Endpoint {
	return webhook.Endpoint{ID: "guest", Scope: webhook.Everywhere, Types: []string{"sim.*"}}
}

// visit lets the guest go and come again while the world is alive.
func (w *world) visit() {
	ctx, ep := context.Background(), &w.plan[len(w.plan)-1]
	for i := 0; ; i++ {
		pause := w.seed.between(100*time.Millisecond, 3*time.Second, "visit", i)
		if time.Since(w.oracle.start)+pause > chaosFor {
			return
		}
		time.Sleep(pause)
		w.oracle.locked(func() {
			if found, _ := w.base.Endpoints(ctx, []string{ep.ID}); len(found) > 0 {
				w.oracle.edited(ep.ID, false, hostIn(found[0]))
				_ = w.base.Remove(ctx, ep.ID)
			} else {
				w.oracle.seen["edits: added"]++
				w.oracle.edited(ep.ID, true, hostIn(ep))
				_, _ = w.base.Set(ctx, ep)
			}
			w.oracle.registered(w.base.all(ctx))
		})
	}
}
