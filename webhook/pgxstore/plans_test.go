package pgxstore_test

import (
	"fmt"
	"testing"
	"time"

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

// TestClaimsKeepTheirPlans is the same for what brings a delivery from one state
// to the next, one at a time and some.
func TestClaimsKeepTheirPlans(t *testing.T) {
	for _, each := range []int{1, 20} {
		t.Run(fmt.Sprintf("%d at a time", each), func(t *testing.T) {
			p := pool(t, place(t), func(c *pgxpool.Config) { c.MaxConns = 1 })
			tables(t, p)
			s := open(t, p, pgxstore.Options{NotifyEvery: time.Nanosecond})
			const n = 30
			for i := range n {
				for k := range each {
					if _, err := s.Enqueue(t.Context(), batch(fmt.Sprintf("p%d-%d", i, k), fmt.Sprintf("e%d", k%3))); err != nil {
						t.Fatal(err)
					}
				}
				var got []webhook.Claimed
				for _, state := range []webhook.State{webhook.Pending, webhook.Delivered} {
					var err error
					if got, err = s.Claim(t.Context(), webhook.Claim{Limit: 100, Lease: time.Minute}); err != nil || len(got) != each {
						t.Fatalf("Claim = %d deliveries, %v, want %d", len(got), err, each)
					}
					leases := make([]webhook.Lease, each)
					items := settlements(got)
					for i := range items {
						leases[i] = webhook.Lease{ID: items[i].ID, Token: items[i].Token}
						items[i].State, items[i].Attempt = state, &webhook.Attempt{Number: 1}
					}
					if stale, err := s.Extend(t.Context(), leases, time.Minute); err != nil || len(stale) > 0 {
						t.Fatalf("Extend = %v, %v", stale, err)
					}
					if res, err := s.Settle(t.Context(), items); err != nil || len(res.Stale) > 0 {
						t.Fatalf("Settle = %v, %v", res, err)
					}
				}
			}
			rows, err := p.Query(t.Context(), `SELECT statement, custom_plans FROM pg_prepared_statements WHERE custom_plans > 6`)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				var text string
				var custom int
				if err := rows.Scan(&text, &custom); err != nil {
					t.Fatal(err)
				}
				t.Errorf("planned %d times, want at most 6: %s", custom, text)
			}
			if err := rows.Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestClaimsAreNotCompiled has the server compile whatever it is let: where much
// waits, a claim of some is estimated at much, and to compile it takes longer.
func TestClaimsAreNotCompiled(t *testing.T) {
	rounds := func(jit string) time.Duration {
		p := pool(t, place(t), func(c *pgxpool.Config) {
			c.MaxConns = 1
			for _, cost := range []string{"jit_above_cost", "jit_inline_above_cost", "jit_optimize_above_cost"} {
				c.ConnConfig.RuntimeParams[cost] = "10" // above that of what a transaction begins with
			}
			c.ConnConfig.RuntimeParams["jit"] = jit
		})
		tables(t, p)
		s := open(t, p, pgxstore.Options{NotifyEvery: -1})
		best := time.Hour
		for i := range 4 {
			if _, err := s.Enqueue(t.Context(), batch(fmt.Sprint("c", i), "e")); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			got, err := s.Claim(t.Context(), webhook.Claim{Limit: 10, Lease: time.Minute})
			if err != nil || len(got) != 1 {
				t.Fatalf("Claim = %d deliveries, %v, want 1", len(got), err)
			}
			if res, err := s.Settle(t.Context(), settlements(got)); err != nil || len(res.Stale) > 0 {
				t.Fatalf("Settle = %v, %v", res, err)
			}
			best = min(best, time.Since(start))
		}
		return best
	}
	off, on := rounds("off"), rounds("on")
	t.Logf("a claim and its settlement: %v, and %v where the server may compile", off, on)
	if on > 5*off+20*time.Millisecond {
		t.Errorf("a claim and its settlement take %v where the server may compile, and %v where not", on, off)
	}
}
