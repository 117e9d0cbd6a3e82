package storetest

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/outhook/outhook/webhook"
)

func listenCases() []testCase {
	return []testCase{
		{
			name:        "listen/wakes",
			explanation: "Listen calls wake soon after another handle enqueued something, again and again, and returns when its context ends",
			needs:       Listener,
			run:         listenWakes,
		},
		{
			name:        "listen/commit",
			explanation: "what a transaction enqueued wakes listeners once it committed",
			needs:       Listener | Transactions,
			run:         listenCommit,
		},
	}
}

// listening runs Listen while body runs, and gives it the number of calls of
// wake.
func (e *env) listening(ctx context.Context, q webhook.Queue, body func(woken *atomic.Int64)) {
	inner, cancel := context.WithCancel(ctx)
	var woken atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		err := q.(webhook.Listener).Listen(inner, func() { woken.Add(1) }) //nolint:forcetypeassert // the cases need it
		if inner.Err() == nil {
			e.errorf("Listen returned %v before its context ended", err)
		}
	})
	defer wg.Wait() // for ever, where Listen does not return: the test's timeout tells
	defer cancel()
	body(&woken)
}

func listenWakes(ctx context.Context, e *env) {
	from := e.Queue
	if e.Peer != nil {
		from = e.peer().Queue
	}
	e.listening(ctx, e.Queue, func(woken *atomic.Int64) {
		for range 3 {
			was := woken.Load()
			// A listener that is not there yet misses what comes before it.
			e.eventually(ctx, "a call of wake", func() bool {
				e.enqueue(ctx, from, e.batch("a"))
				e.sleep(ctx, 0.5)
				return woken.Load() > was
			})
		}
	})
}

func listenCommit(ctx context.Context, e *env) {
	e.listening(ctx, e.Queue, func(woken *atomic.Int64) {
		e.eventually(ctx, "a call of wake after a commit", func() bool {
			tx := e.begin(ctx)
			e.enqueue(ctx, tx.Outbox, e.batch("a"))
			was := woken.Load()
			e.ok(tx.Commit(), "Tx.Commit")
			e.sleep(ctx, 1)
			return woken.Load() > was
		})
	})
}
