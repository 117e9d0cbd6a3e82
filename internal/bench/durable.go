package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outhook/outhook/webhook"
)

// inserter is a table into which one delivery at a time is written, each in a
// durable commit of its own.
type inserter interface {
	table
	insert(ctx context.Context, seq int, body []byte) error
	count(ctx context.Context) (int, error)
}

// durables are the scenarios of Dispatch that returns once its delivery is
// stored. Nothing is delivered.
func durables() []scenario {
	var out []scenario
	for _, g := range engines() {
		if g.name == "mariadb" {
			continue
		}
		for _, callers := range []int{1, 16} {
			n := 1_000 * min(callers, 5)
			out = append(out, scenario{
				Name: fmt.Sprintf("enqueue/%s/callers=%d", g.name, callers), N: n, Short: n / 10, Of: rate,
				About: fmt.Sprintf("Dispatch alone of 1 KB to one endpoint on %s, %d callers at a time", g.about, callers),
				Floor: "hand-written insert of the same rows by as many callers, a commit each",
				Open: func(_ context.Context, e *env) ([]arm, func() error, error) {
					arms := []arm{{Name: "floor", Run: insertAll(e, g.hand, callers)}}
					for _, s := range g.stores {
						arms = append(arms, arm{Name: s.name, Run: enqueueAll(e, s.open, callers)})
					}
					return arms, nil, nil
				},
			})
		}
	}
	return out
}

// call lets callers share n calls of one, and measures each of them.
func call(ctx context.Context, callers, n int, one func(i int) error) (sample, error) {
	took, errs := newClock(n), make([]error, callers)
	var next atomic.Int64
	var wg sync.WaitGroup
	m, err := startMeter(ctx)
	if err != nil {
		return sample{}, err
	}
	for c := range callers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && errs[c] == nil; i = int(next.Add(1)) - 1 {
				began := time.Now()
				errs[c] = one(i)
				took.took[i] = time.Since(began)
			}
		})
	}
	wg.Wait()
	s, err := m.stop(n)
	s.Latencies = took.sorted()
	return s, errors.Join(append(slices.Clone(errs), err)...)
}

func insertAll(e *env, open func(context.Context) (table, error), callers int) func(context.Context, load) (sample, error) {
	return func(ctx context.Context, l load) (_ sample, err error) {
		t, err := open(ctx)
		if err != nil {
			return sample{}, err
		}
		defer func() { err = errors.Join(err, t.end()) }()
		into, ok := t.(inserter)
		if !ok {
			return sample{}, fmt.Errorf("%T inserts no single rows", t)
		}
		w := newWire(e)
		body := w.prepared()
		s, err := call(ctx, callers, l.n, func(i int) error { return into.insert(ctx, i+1, body) })
		if err != nil {
			return s, err
		}
		n, err := into.count(ctx)
		return s, errors.Join(err, same(n, l.n))
	}
}

func same(got, want int) error {
	if got != want {
		return fmt.Errorf("%d are stored, want %d", got, want)
	}
	return nil
}

func enqueueAll(e *env, open opener, callers int) func(context.Context, load) (sample, error) {
	return func(ctx context.Context, l load) (_ sample, err error) {
		p := &product{wire: newWire(e), policy: stored, open: open}
		r, err := p.start(ctx, nil)
		if err != nil {
			return sample{}, err
		}
		defer func() { err = errors.Join(err, r.stop()) }()
		s, err := call(ctx, callers, l.n, func(i int) error {
			_, err := r.d.Dispatch(ctx, r.event, p.scope(i))
			return err
		})
		if err != nil {
			return s, err
		}
		counter, ok := r.queue.(webhook.Counter)
		if !ok {
			return s, fmt.Errorf("%T does not count", r.queue)
		}
		n, err := counter.Counts(ctx)
		return s, errors.Join(err, same(n.Pending, l.n))
	}
}

func (t *pgTable) insert(ctx context.Context, seq int, body []byte) error {
	_, err := t.pool.Exec(ctx, `
WITH m AS (INSERT INTO hand_message (id, type, happened, data) VALUES ($1, 'bench.event', $2, $3)),
 d AS (INSERT INTO hand_delivery (seq, id, message_id, endpoint_id, policy, created) VALUES ($4, $5, $1, 'ep', $6, $2))
INSERT INTO hand_queue (seq, endpoint_id, state, attempts, ready) VALUES ($4, 'ep', 1, 0, $2)`,
		messageID(seq), time.Now().UnixMicro(), body, int64(seq), fmt.Sprintf("dlv_%026d", seq), stored)
	return err
}

func (t *pgTable) count(ctx context.Context) (n int, err error) {
	err = t.pool.QueryRow(ctx, "SELECT count(*) FROM hand_queue").Scan(&n)
	return n, err
}

func (t *sqlTable) insert(ctx context.Context, seq int, body []byte) error {
	return t.tx(ctx, func(tx *sql.Tx) error { return t.fillSome(ctx, tx, seq, 1, body) })
}

func (t *sqlTable) count(ctx context.Context) (n int, err error) {
	err = t.db.QueryRowContext(ctx, "SELECT count(*) FROM hand_queue").Scan(&n)
	return n, err
}
