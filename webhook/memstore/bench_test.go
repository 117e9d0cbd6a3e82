package memstore_test

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

// message returns a message with one body of so many bytes.
func message(id string, size int) *webhook.Message {
	return &webhook.Message{ID: id, Type: "lead.created", Bodies: []webhook.Body{{
		Variant: "json", Body: payload.Body{ContentType: "application/json", Data: make([]byte, size)},
	}}}
}

func register(tb testing.TB, s *memstore.Store, n int) {
	tb.Helper()
	for i := range n {
		e := &webhook.Endpoint{
			ID: "ep" + strconv.Itoa(i), URL: "https://example.com/hook", Scope: webhook.In("link", strconv.Itoa(i)),
		}
		if _, err := s.Set(context.Background(), e); err != nil {
			tb.Fatal(err)
		}
	}
}

// fanOut is a batch for n endpoints, from the one with the number first on.
// Its ids are as long as those of a dispatcher.
func fanOut(number, first, n, size int, dedup string) *webhook.Batch {
	m := message(fmt.Sprintf("msg_%026d", number), size)
	m.EventID = dedup
	b := &webhook.Batch{Message: m, Deliveries: make([]webhook.Delivery, n)}
	for i := range b.Deliveries {
		b.Deliveries[i] = webhook.Delivery{
			ID: fmt.Sprintf("dlv_%015d%011d", number, i), MessageID: m.ID, EndpointID: "ep" + strconv.Itoa(first+i),
			Policy: "standard", State: webhook.Pending, Dedup: dedup,
		}
	}
	return b
}

func heapInUse() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// BenchmarkMatch looks up an event's two scopes among 100,000 endpoints.
func BenchmarkMatch(b *testing.B) {
	s := memstore.New(memstore.Options{})
	register(b, s, 100_000)
	q := webhook.Query{
		Scopes: []webhook.Scope{webhook.In("link", "77777"), webhook.In("workspace", "1")}, Type: "link.clicked", Source: "api",
	}
	ctx := context.Background()
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if found, err := s.Match(ctx, q); err != nil || len(found) != 1 {
				b.Fatal(found, err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if found, err := s.Match(ctx, q); err != nil || len(found) != 1 {
					b.Error(found, err)
				}
			}
		})
	})
}

// BenchmarkEnqueue stores one message for 10,000 endpoints.
func BenchmarkEnqueue(b *testing.B) {
	const n = 10_000
	for _, bm := range []struct {
		name, dedup string
	}{{"plain", ""}, {"dedup", "event"}} {
		b.Run(bm.name, func(b *testing.B) {
			s := memstore.New(memstore.Options{MaxPending: 1 << 30})
			register(b, s, n)
			b.ReportAllocs()
			number := 0
			var spent time.Duration
			least := time.Hour
			for b.Loop() {
				number++
				if number%100 == 0 {
					s = memstore.New(memstore.Options{MaxPending: 1 << 30})
					register(b, s, n)
				}
				dedup := ""
				if bm.dedup != "" {
					dedup = bm.dedup + strconv.Itoa(number)
				}
				batch := fanOut(number, 0, n, 1024, dedup)
				start := time.Now()
				if _, err := s.Enqueue(context.Background(), batch); err != nil {
					b.Fatal(err)
				}
				took := time.Since(start)
				spent += took
				least = min(least, took/n)
			}
			b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N)/n, "ns/delivery")
			b.ReportMetric(float64(least.Nanoseconds()), "least-ns/delivery")
		})
	}
}

// BenchmarkMemory holds 100,000 messages of 1 KB for 10 endpoints each, and
// one message for 10,000 endpoints.
func BenchmarkMemory(b *testing.B) {
	for _, bm := range []struct {
		name                         string
		messages, fan, spread, bytes int
		dedup                        bool
	}{
		{name: "million", messages: 100_000, fan: 10, spread: 1000, bytes: 1024},
		{name: "million dedup", messages: 100_000, fan: 10, spread: 1000, bytes: 1024, dedup: true},
		{name: "fan-out", messages: 1, fan: 10_000, spread: 1, bytes: 1024},
		{name: "fan-out dedup", messages: 1, fan: 10_000, spread: 1, bytes: 1024, dedup: true},
	} {
		b.Run(bm.name, func(b *testing.B) {
			for b.Loop() {
				s := memstore.New(memstore.Options{})
				register(b, s, 10_000)
				before := heapInUse()
				for i := range bm.messages {
					dedup := ""
					if bm.dedup {
						dedup = "event-" + strconv.Itoa(i)
					}
					batch := fanOut(i, i%bm.spread*bm.fan, bm.fan, bm.bytes, dedup)
					if _, err := s.Enqueue(context.Background(), batch); err != nil {
						b.Fatal(err)
					}
				}
				used := heapInUse() - before
				b.ReportMetric(float64(used)/1e6, "MB")
				b.ReportMetric(float64(used-bm.messages*bm.bytes)/float64(bm.messages*bm.fan), "B/delivery")
				runtime.KeepAlive(s)
			}
		})
	}
}

// BenchmarkClaim claims and settles batches of 100, and enqueues as many, so
// that the backlog stays as it is. Besides the time for all three it reports
// the least time that a claim and its settlement took, which says something
// also on a machine that others use.
func BenchmarkClaim(b *testing.B) {
	for _, bm := range []struct {
		name      string
		endpoints int
		backlog   int
		parked    int // of the endpoints
		skip      int
		ordered   bool
	}{
		{name: "10k of 1000", endpoints: 1000, backlog: 10_000},
		{name: "1M of 1000", endpoints: 1000, backlog: 1_000_000},
		{name: "1M of one", endpoints: 1, backlog: 1_000_000},
		{name: "1M of 100k, 99k parked", endpoints: 100_000, backlog: 1_000_000, parked: 99_000},
		{name: "1M of 1000, 100 skipped", endpoints: 1000, backlog: 1_000_000, skip: 100},
		{name: "1M of 1000 ordered", endpoints: 1000, backlog: 1_000_000, ordered: true},
	} {
		b.Run(bm.name, func(b *testing.B) {
			ctx := context.Background()
			s := memstore.New(memstore.Options{MaxPending: 1 << 30})
			fill(b, s, bm.endpoints, bm.backlog, bm.ordered)
			parks := make([]webhook.Park, 0, bm.parked)
			for i := range bm.parked {
				parks = append(parks, webhook.Park{EndpointID: "ep" + strconv.Itoa(i), For: time.Hour})
			}
			if err := s.Park(ctx, parks); err != nil {
				b.Fatal(err)
			}
			c := webhook.Claim{Limit: 100, MaxBytes: 1 << 20, PerEndpoint: 100, Lease: time.Minute}
			for i := range bm.skip {
				c.Skip = append(c.Skip, "ep"+strconv.Itoa(i))
			}
			b.ReportAllocs()
			deliveries, number, least := 0, bm.backlog, time.Hour
			for b.Loop() {
				start := time.Now()
				claimed, err := s.Claim(ctx, c)
				if err != nil || len(claimed) == 0 {
					b.Fatal(claimed, err)
				}
				items := make([]webhook.Settlement, len(claimed))
				for i := range claimed {
					items[i] = webhook.Settlement{ID: claimed[i].Delivery.ID, Token: claimed[i].Token, State: webhook.Delivered, Health: webhook.Healthy}
				}
				if res, err := s.Settle(ctx, items); err != nil || len(res.Stale) > 0 {
					b.Fatal(res, err)
				}
				least = min(least, time.Since(start)/time.Duration(len(claimed)))
				deliveries += len(claimed)
				number++
				more := fanOut(number, 0, len(claimed), 100, "")
				for i := range more.Deliveries {
					more.Deliveries[i].EndpointID, more.Deliveries[i].Ordered = claimed[i].Delivery.EndpointID, bm.ordered
				}
				if _, err := s.Enqueue(ctx, more); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(deliveries), "ns/delivery")
			b.ReportMetric(float64(least.Nanoseconds()), "least-ns/delivery")
		})
	}
}

// fill enqueues backlog deliveries, spread over so many endpoints.
func fill(tb testing.TB, s *memstore.Store, endpoints, backlog int, ordered bool) {
	tb.Helper()
	register(tb, s, endpoints)
	fan := min(endpoints, 1000)
	for i := range backlog / fan {
		batch := fanOut(i, i*fan%endpoints, fan, 100, "")
		for j := range batch.Deliveries {
			batch.Deliveries[j].Ordered = ordered
		}
		if _, err := s.Enqueue(context.Background(), batch); err != nil {
			tb.Fatal(err)
		}
	}
}
