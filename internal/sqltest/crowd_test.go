package sqltest_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/sqlstore"
)

// Where another transaction holds all lanes that are due, a claim does not
// stand in line for them: it comes back, and the next one finds them.
func TestClaimWaitsForNobody(t *testing.T) {
	for _, d := range []sqlstore.Dialect{sqlstore.PostgreSQL, sqlstore.MySQL} {
		t.Run(d.String(), func(t *testing.T) {
			s, db, _ := store(t, d)
			load(t, s, 40, 1, func(i int) string { return fmt.Sprintf("ep-%d", i%4) }, nil)
			ctx := context.Background()
			claim := webhook.Claim{Limit: 4, MaxBytes: 1 << 30, PerEndpoint: 1, Lease: time.Hour}
			if got, err := s.Claim(ctx, claim); err != nil || len(got) != 4 {
				t.Fatalf("Claim = %d deliveries, %v, want 4, nil", len(got), err)
			}
			run(t, db, "UPDATE outhook_lane SET due = 1")
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback() }()
			if _, err := tx.ExecContext(ctx, "UPDATE outhook_lane SET failures = 0 WHERE endpoint_id LIKE 'ep-%'"); err != nil {
				t.Fatal(err)
			}
			if _, err := tx.ExecContext(ctx, "SELECT endpoint_id FROM outhook_lane FOR UPDATE"); err != nil {
				t.Fatal(err)
			}
			bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			if got, err := s.Claim(bounded, claim); err != nil || len(got) != 0 {
				t.Errorf("Claim of what others hold = %d deliveries, %v, want none, nil", len(got), err)
			}
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Claim(ctx, claim); err != nil || len(got) == 0 {
				t.Errorf("Claim after they let go = %d deliveries, %v, want some, nil", len(got), err)
			}
		})
	}
}

// With more claimers than lanes, somebody always gets something as long as
// deliveries wait.
func TestCrowdedClaims(t *testing.T) {
	const (
		n        = 3000
		claimers = 12
		longest  = 5 * time.Second
	)
	for _, d := range dialects {
		t.Run(d.String(), func(t *testing.T) {
			s, db, _ := store(t, d)
			db.SetMaxOpenConns(claimers)
			load(t, s, n, 1, func(i int) string { return fmt.Sprintf("ep-%d", i%5) }, nil)
			ctx := context.Background()
			var taken, empty, slowest atomic.Int64
			var last atomic.Int64 // when somebody last got something
			var gap atomic.Int64
			start := time.Now()
			var wg sync.WaitGroup
			for range claimers {
				wg.Go(func() {
					for taken.Load() < n && time.Since(start) < time.Minute {
						began := time.Now()
						got, err := s.Claim(ctx, webhook.Claim{Limit: 10, MaxBytes: 1 << 30, PerEndpoint: 10, Lease: time.Hour})
						if err != nil {
							t.Error(err)
							return
						}
						if len(got) == 0 {
							empty.Add(1)
							atMost(&slowest, int64(time.Since(began)))
							time.Sleep(20 * time.Millisecond) // a dispatcher does not ask again at once
							continue
						}
						now := int64(time.Since(start))
						atMost(&gap, now-last.Swap(now))
						taken.Add(int64(len(got)))
					}
				})
			}
			wg.Wait()
			t.Logf("%d of %d claimed; %d claims came back empty, the slowest of them after %v; the longest time without a delivery was %v",
				taken.Load(), n, empty.Load(), time.Duration(slowest.Load()), time.Duration(gap.Load()))
			if taken.Load() != n {
				t.Errorf("%d deliveries were claimed, want %d", taken.Load(), n)
			}
			if g := time.Duration(gap.Load()); g > longest {
				t.Errorf("nobody got anything for %v while deliveries were due, want %v at most", g, longest)
			}
			if e := time.Duration(slowest.Load()); e > longest {
				t.Errorf("a claim came back empty after %v, want %v at most", e, longest)
			}
		})
	}
}

// atMost keeps the greatest value.
func atMost(keep *atomic.Int64, v int64) {
	for was := keep.Load(); v > was && !keep.CompareAndSwap(was, v); was = keep.Load() {
	}
}
