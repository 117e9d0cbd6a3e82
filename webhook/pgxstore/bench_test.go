package pgxstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/pgxstore"
	"github.com/outhook/outhook/webhook/sqlstore"
)

type batchQueue interface {
	webhook.Queue
	webhook.BatchOutbox
}

// BenchmarkDrain claims and settles a backlog over 1,000 endpoints, 500 a time,
// beside sqlstore over the same driver.
func BenchmarkDrain(b *testing.B) {
	for _, kind := range []string{"pgxstore", "sqlstore"} {
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/workers=%d", kind, workers), func(b *testing.B) {
				dsn := place(b)
				p := pool(b, dsn, nil)
				tables(b, p)
				var s batchQueue = open(b, p, pgxstore.Options{})
				if kind == "sqlstore" {
					db, err := sql.Open("pgx", dsn)
					if err != nil {
						b.Fatal(err)
					}
					b.Cleanup(func() { _ = db.Close() })
					db.SetMaxIdleConns(8)
					if s, err = sqlstore.Open(context.Background(), db, sqlstore.Options{Dialect: sqlstore.PostgreSQL}); err != nil {
						b.Fatal(err)
					}
				}
				const n = 20000
				var in, out time.Duration
				rounds := 0
				for b.Loop() {
					start := time.Now()
					fill(b, s, n)
					in += time.Since(start)
					start = time.Now()
					drain(b, s, n, workers)
					out += time.Since(start)
					rounds++
				}
				b.ReportMetric(float64(n*rounds)/in.Seconds(), "enqueued/s")
				b.ReportMetric(float64(n*rounds)/out.Seconds(), "drained/s")
			})
		}
	}
}

func fill(b *testing.B, s webhook.BatchOutbox, n int) {
	b.Helper()
	stamp := time.Now().UnixNano()
	for from := 0; from < n; from += 500 {
		var batches []*webhook.Batch
		for i := from; i < from+500; i++ {
			batches = append(batches, batch(fmt.Sprintf("%d_%d", stamp, i), fmt.Sprintf("ep-%d", i%1000)))
		}
		if _, err := s.EnqueueAll(context.Background(), batches); err != nil {
			b.Fatal(err)
		}
	}
}

func drain(b *testing.B, s webhook.Queue, n, workers int) {
	b.Helper()
	var wg sync.WaitGroup
	var done atomic.Int64
	for range workers {
		wg.Go(func() {
			for int(done.Load()) < n {
				got, err := s.Claim(context.Background(), webhook.Claim{Limit: 500, MaxBytes: 1 << 30, PerEndpoint: 500, Lease: time.Minute})
				if err != nil {
					b.Error(err)
					return
				}
				if len(got) == 0 {
					continue
				}
				res, err := s.Settle(context.Background(), settlements(got))
				if err != nil || len(res.Stale) > 0 {
					b.Errorf("Settle = %v, %v", res, err)
					return
				}
				done.Add(int64(len(got)))
			}
		})
	}
	wg.Wait()
}

// BenchmarkDispatchTx is a host's transaction with one dispatch, 16 at a time,
// with notifications and without.
func BenchmarkDispatchTx(b *testing.B) {
	for _, every := range []time.Duration{-1, 10 * time.Millisecond, time.Nanosecond} {
		b.Run(fmt.Sprintf("NotifyEvery=%v", every), func(b *testing.B) {
			p := pool(b, place(b), nil)
			tables(b, p)
			s := open(b, p, pgxstore.Options{NotifyEvery: every})
			ctx := context.Background()
			var n atomic.Int64
			b.ReportAllocs()
			b.SetParallelism(8)
			start := time.Now()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					tx, err := p.Begin(ctx)
					if err == nil {
						_, err = s.InTx(tx).Enqueue(ctx, batch(fmt.Sprint("b", n.Add(1)), "ep"))
					}
					if err == nil {
						err = tx.Commit(ctx)
					}
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "transactions/s")
		})
	}
}

// BenchmarkEnqueue is one delivery at a time, without a wait for the disk.
func BenchmarkEnqueue(b *testing.B) {
	p := pool(b, place(b), func(c *pgxpool.Config) { c.ConnConfig.RuntimeParams["synchronous_commit"] = "off" })
	tables(b, p)
	s := open(b, p, pgxstore.Options{NotifyEvery: -1})
	ctx := context.Background()
	stamp, n := time.Now().UnixNano(), 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		if _, err := s.Enqueue(ctx, batch(fmt.Sprintf("%d_%d", stamp, n), "ep")); err != nil {
			b.Fatal(err)
		}
	}
}
