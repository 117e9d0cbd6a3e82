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

// BenchmarkDrain claims and settles a backlog over 1,000 endpoints, 500 a time.
func BenchmarkDrain(b *testing.B) {
	for _, d := range dialects {
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("%v/workers=%d", d, workers), func(b *testing.B) {
				s, _, _ := store(b, d)
				ctx := context.Background()
				n := 20000
				var busy time.Duration
				for b.Loop() {
					b.StopTimer()
					start := time.Now()
					load(b, s, n, 1, func(i int) string { return fmt.Sprintf("ep-%d", i%1000) }, nil)
					b.ReportMetric(float64(n)/time.Since(start).Seconds(), "enqueued/s")
					b.StartTimer()
					start = time.Now()
					drain(b, ctx, s, n, workers)
					busy += time.Since(start)
				}
				b.ReportMetric(float64(n*b.N)/busy.Seconds(), "deliveries/s")
			})
		}
	}
}

func drain(tb testing.TB, ctx context.Context, s *sqlstore.Store, n, workers int) {
	tb.Helper()
	var wg sync.WaitGroup
	var done atomic.Int64
	for range workers {
		wg.Go(func() {
			for int(done.Load()) < n {
				got, err := s.Claim(ctx, webhook.Claim{Limit: 500, MaxBytes: 1 << 30, PerEndpoint: 500, Lease: time.Minute})
				if err != nil {
					tb.Error(err)
					return
				}
				if len(got) == 0 {
					continue
				}
				res, err := s.Settle(ctx, settlements(got))
				if err != nil || len(res.Stale) > 0 {
					tb.Errorf("Settle = %v, %v", res, err)
					return
				}
				done.Add(int64(len(got)))
			}
		})
	}
	wg.Wait()
}
