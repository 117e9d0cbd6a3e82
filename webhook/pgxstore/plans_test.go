package pgxstore_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/pgxstore"
)

// TestEnqueueKeepsItsPlan dispatches by what the store remembers, as most do, on
// one connection. The statement is long, and to plan it takes three times as long
// as to run it: after the five plans that PostgreSQL makes to compare, it must
// find the one for all arguments no worse.
func TestEnqueueKeepsItsPlan(t *testing.T) {
	for _, endpoints := range []int{1, 3} { // of one event: each form has a statement
		t.Run(fmt.Sprintf("%d endpoints", endpoints), func(t *testing.T) {
			p := pool(t, place(t), func(c *pgxpool.Config) { c.MaxConns = 1 })
			tables(t, p)
			s := open(t, p, pgxstore.Options{NotifyEvery: -1})
			d, err := webhook.New(webhook.Config{Endpoints: s, Queue: s})
			if err != nil {
				t.Fatal(err)
			}
			scope := webhook.In("plan", "1")
			register(t, s, endpoints, scope)
			const n = 30
			for range n {
				r, err := d.Dispatch(t.Context(), added{ID: "1"}, scope)
				if err != nil || len(r.Deliveries) != endpoints {
					t.Fatalf("Dispatch = %+v, %v, want %d deliveries", r, err, endpoints)
				}
			}
			if err := d.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			const kept = `SELECT generic_plans, custom_plans FROM pg_prepared_statements
				WHERE statement LIKE '%INSERT INTO outhook_delivery%' ORDER BY generic_plans + custom_plans DESC LIMIT 1`
			var generic, custom int
			if err := p.QueryRow(t.Context(), kept).Scan(&generic, &custom); err != nil {
				t.Fatalf("how often the Enqueue was planned, which PostgreSQL 14 and later tell: %v", err)
			}
			if custom > 6 || generic+custom < n/2 {
				t.Errorf("of %d Enqueues %d were planned each for itself, and %d not, want at most 6", n, custom, generic)
			}
		})
	}
}
