package sqltest_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/sqlstore"
)

// pair stores and claims two deliveries to endpoints of their own.
func pair(t *testing.T, s *sqlstore.Store) (one, other webhook.Settlement) {
	t.Helper()
	ctx := context.Background()
	load(t, s, 2, 1, func(i int) string { return []string{"one", "other"}[i] }, nil)
	got, err := s.Claim(ctx, webhook.Claim{Limit: 2, Lease: time.Minute})
	if err != nil || len(got) != 2 {
		t.Fatalf("Claim = %d deliveries, %v, want 2", len(got), err)
	}
	for _, it := range settlements(got) {
		if it.EndpointID == "one" {
			one = it
		} else {
			other = it
		}
	}
	one.State, one.Health = webhook.Failed, webhook.Failing
	return one, other
}

// hold holds what a statement locks for d.
func hold(t *testing.T, db *sql.DB, d time.Duration, statement string) {
	t.Helper()
	tx, err := db.BeginTx(context.Background(), &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(context.Background(), statement); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	time.AfterFunc(d, func() { done <- tx.Commit() })
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A Settle that waits for a lane has a stale item in it. Whoever has that item's
// delivery now settles it meanwhile. MySQL locks what it looks at.
func TestStaleItemsHoldNobodyUp(t *testing.T) {
	s, db, _ := store(t, sqlstore.PostgreSQL)
	ctx := context.Background()
	mine, others := pair(t, s)
	const held = time.Second
	hold(t, db, held, "UPDATE outhook_lane SET hold = hold + 0 WHERE endpoint_id = 'one'")
	stale := others
	stale.Token++
	waits := make(chan error, 1)
	go func() {
		res, err := s.Settle(ctx, []webhook.Settlement{mine, stale})
		if err == nil && len(res.Stale) != 1 {
			t.Errorf("Settle = %v, want one stale item", res)
		}
		waits <- err
	}()
	time.Sleep(held / 4)
	start := time.Now()
	others.State, others.Health = webhook.Failed, webhook.NoSign
	if res, err := s.Settle(ctx, []webhook.Settlement{others}); err != nil || len(res.Stale) > 0 {
		t.Errorf("Settle = %v, %v", res, err)
	}
	if took := time.Since(start); took > held/2 {
		t.Errorf("the settlement of another's delivery took %v", took)
	}
	if err := <-waits; err != nil {
		t.Error(err)
	}
}

// What failed while a Settle waited for its row failed before it: the time for
// which an endpoint has been failing never goes back.
func TestHealthGoesOn(t *testing.T) {
	for _, d := range []sqlstore.Dialect{sqlstore.PostgreSQL, sqlstore.MySQL} {
		t.Run(d.String(), func(t *testing.T) {
			s, db, _ := store(t, d)
			ctx := context.Background()
			load(t, s, 2, 1, func(int) string { return "one" }, nil)
			got, err := s.Claim(ctx, webhook.Claim{Limit: 2, Lease: time.Minute})
			if err != nil || len(got) != 2 {
				t.Fatalf("Claim = %d deliveries, %v, want 2", len(got), err)
			}
			items := settlements(got)
			for i := range items {
				items[i].State, items[i].Health = webhook.Failed, webhook.Failing
			}
			hold(t, db, time.Second, "UPDATE outhook_queue SET size = size + 0 WHERE seq = (SELECT d.seq FROM outhook_delivery d WHERE d.id = '"+items[0].ID+"')")
			waits := make(chan webhook.Settled, 1)
			go func() {
				res, err := s.Settle(ctx, items[:1])
				if err != nil {
					t.Error(err)
				}
				waits <- res
			}()
			time.Sleep(time.Second / 2)
			res, err := s.Settle(ctx, items[1:])
			if err != nil {
				t.Fatal(err)
			}
			for _, res := range []webhook.Settled{res, <-waits} {
				if len(res.Failing) != 1 {
					t.Fatalf("Failing = %v, want the endpoint", res.Failing)
				}
				if h := res.Failing[0]; h.FailingFor < 0 || h.WasFailingFor < 0 || h.FailingFor < h.WasFailingFor {
					t.Errorf("failing for %v, before that for %v", h.FailingFor, h.WasFailingFor)
				}
			}
		})
	}
}

// The statistics know nothing of what is claimed, and a claim has one token: a
// settlement finds its rows by their ids all the same, whatever else waits.
func TestSettleReadsItsOwn(t *testing.T) {
	s, db, _ := store(t, sqlstore.PostgreSQL)
	db.SetMaxOpenConns(1) // whose counters are read
	ctx := context.Background()
	load(t, s, 10_000, 1, func(i int) string { return []string{"one", "other"}[i%2] }, nil)
	run(t, db, "ANALYZE")
	for range 3 { // plans are made for the first calls
		got, err := s.Claim(ctx, webhook.Claim{Limit: 500, MaxBytes: 1 << 30, Lease: time.Minute})
		if err != nil || len(got) != 500 {
			t.Fatalf("Claim = %d deliveries, %v, want 500", len(got), err)
		}
		before := rowsRead(t, db, sqlstore.PostgreSQL)
		if res, err := s.Settle(ctx, settlements(got)); err != nil || len(res.Stale) > 0 {
			t.Fatalf("Settle = %v, %v", res, err)
		}
		if n := rowsRead(t, db, sqlstore.PostgreSQL) - before; n > 4*500 {
			t.Errorf("a settlement of 500 read %d rows, want 2,000 at most", n)
		}
	}
}
