package pgxstore_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outhook/outhook/payload"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/pgxstore"
)

// tracer counts statements and round trips.
type tracer struct {
	mu         sync.Mutex
	statements []string
	trips      int
}

func (c *tracer) add(text string, trips int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if text != "" {
		c.statements = append(c.statements, text)
	}
	c.trips += trips
}

func (c *tracer) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statements, c.trips = nil, 0
}

func (c *tracer) counts() (statements, trips int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.statements), c.trips
}

func (c *tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	c.add(d.SQL, 1)
	return ctx
}
func (c *tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (c *tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	for _, q := range d.Batch.QueuedQueries {
		c.add(q.SQL, 0)
	}
	c.add("", 1)
	return ctx
}
func (c *tracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (c *tracer) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

func traced(t *testing.T) (*pgxpool.Pool, *tracer) {
	t.Helper()
	c := new(tracer)
	p := pool(t, place(t), func(cfg *pgxpool.Config) { cfg.ConnConfig.Tracer = c })
	tables(t, p)
	return p, c
}

type added struct {
	ID string `json:"id"`
}

func (added) EventType() string { return "contact.added" }

func register(tb testing.TB, s *pgxstore.Store, n int, scope webhook.Scope) {
	tb.Helper()
	for i := range n {
		_, err := s.Set(context.Background(), &webhook.Endpoint{
			ID: fmt.Sprintf("%s-%d", scope, i), Name: strconv.Itoa(i), Scope: scope,
			URL: "https://receiver.example/hook", Encoder: "json", Status: webhook.Active,
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// TestStatements counts what DispatchTx costs in a host's transaction.
func TestStatements(t *testing.T) {
	p, c := traced(t)
	for _, tt := range []struct {
		name              string
		options           pgxstore.Options
		endpoints         int
		statements, trips int
	}{
		{name: "one endpoint", options: pgxstore.Options{NotifyEvery: -1}, endpoints: 1, statements: 2, trips: 2},
		{name: "1,000 endpoints", options: pgxstore.Options{NotifyEvery: -1}, endpoints: 1000, statements: 2, trips: 2},
		{name: "with a notification", options: pgxstore.Options{NotifyEvery: time.Microsecond}, endpoints: 10, statements: 3, trips: 2},
		{name: "no endpoint", endpoints: 0, statements: 1, trips: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, p, tt.options)
			scope := webhook.In("list", strconv.Itoa(tt.endpoints))
			register(t, s, tt.endpoints, scope)
			d, err := webhook.New(webhook.Config{Endpoints: s, Queue: s})
			if err != nil {
				t.Fatal(err)
			}
			ctx := context.Background()
			for range 2 { // the lanes are asleep, then awake
				tx, err := p.Begin(ctx)
				if err != nil {
					t.Fatal(err)
				}
				c.reset()
				receipt, err := d.DispatchTx(ctx, s.InTx(tx), added{ID: "1"}, scope)
				if err != nil {
					t.Fatal(err)
				}
				statements, trips := c.counts()
				if len(receipt.Deliveries) != tt.endpoints || statements != tt.statements || trips != tt.trips {
					t.Errorf("DispatchTx = %d deliveries by %d statements in %d round trips, want %d by %d in %d",
						len(receipt.Deliveries), statements, trips, tt.endpoints, tt.statements, tt.trips)
				}
				if err := tx.Commit(ctx); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestRoundTrips holds what one call costs the database's distance.
func TestRoundTrips(t *testing.T) {
	p, c := traced(t)
	ctx := context.Background()
	s := open(t, p, pgxstore.Options{NotifyEvery: -1})
	enqueue := func(n, endpoints int) {
		var batches []*webhook.Batch
		for i := range n {
			batches = append(batches, batch(fmt.Sprintf("m%d-%d", time.Now().UnixNano(), i), fmt.Sprintf("e%d", i%endpoints)))
		}
		if _, err := s.EnqueueAll(ctx, batches); err != nil {
			t.Fatal(err)
		}
	}
	enqueue(500, 50)
	claim := func() []webhook.Claimed {
		got, err := s.Claim(ctx, webhook.Claim{Limit: 500, MaxBytes: 1 << 20, PerEndpoint: 100, Lease: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	claim() // its first sweep
	enqueue(500, 50)
	for _, step := range []struct {
		name string
		most int
		run  func()
	}{
		{name: "EnqueueAll of 500", most: 1, run: func() { enqueue(500, 50) }},
		{name: "Claim of 500", most: 10, run: func() {
			if got := claim(); len(got) != 500 {
				t.Errorf("Claim returned %d deliveries, want 500", len(got))
			}
		}},
		{name: "Settle of 500", most: 2, run: func() {
			items := settlements(claim())
			for i := range items {
				items[i].Attempt = &webhook.Attempt{Number: 1}
			}
			c.reset()
			if res, err := s.Settle(ctx, items); err != nil || len(res.Stale) > 0 {
				t.Errorf("Settle = %v, %v", res, err)
			}
		}},
		{name: "Claim of what this process just stored", most: 6, run: func() {
			// While a transaction runs anywhere on the server, a claim looks once
			// more for what it may have hidden: not each of them takes the least.
			for tries, trips := 0, 7; tries < 10 && trips > 6; tries++ {
				for len(claim()) > 0 { // the last of them finds out that nothing is left
				}
				enqueue(1, 1)
				c.reset()
				if got := claim(); len(got) != 1 {
					t.Errorf("Claim returned %d deliveries, want 1", len(got))
				}
				_, trips = c.counts()
			}
		}},
	} {
		c.reset()
		step.run()
		statements, trips := c.counts()
		t.Logf("%s: %d statements, %d round trips", step.name, statements, trips)
		if trips > step.most {
			t.Errorf("%s took %d round trips, want at most %d", step.name, trips, step.most)
		}
	}
}

func batch(id string, endpoints ...string) *webhook.Batch {
	b := &webhook.Batch{Message: &webhook.Message{
		ID: "msg_" + id, Type: "contact.added", Time: time.Now(),
		Bodies: []webhook.Body{{Variant: "json", Body: payload.Body{ContentType: "application/json", Data: make([]byte, 240), Tail: 1}}},
	}}
	for _, e := range endpoints {
		b.Deliveries = append(b.Deliveries, webhook.Delivery{
			ID: "dlv_" + id + "_" + e, MessageID: b.Message.ID, EndpointID: e, Policy: "at-least-once", State: webhook.Pending,
		})
	}
	return b
}

func settlements(got []webhook.Claimed) []webhook.Settlement {
	items := make([]webhook.Settlement, len(got))
	for i, c := range got {
		items[i] = webhook.Settlement{
			ID: c.Delivery.ID, EndpointID: c.Delivery.EndpointID, Token: c.Token, State: webhook.Delivered, Health: webhook.Healthy,
		}
	}
	return items
}
