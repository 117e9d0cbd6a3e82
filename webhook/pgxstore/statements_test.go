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
		{name: "Claim of 500", most: 6, run: func() {
			if got := claim(); len(got) != 500 {
				t.Errorf("Claim returned %d deliveries, want 500", len(got))
			}
		}},
		{name: "Settle of 500", most: 1, run: func() {
			items := settlements(claim())
			for i := range items {
				items[i].Attempt = &webhook.Attempt{Number: 1}
			}
			c.reset()
			if res, err := s.Settle(ctx, items); err != nil || len(res.Stale) > 0 {
				t.Errorf("Settle = %v, %v", res, err)
			}
		}},
		{name: "Claim of what this process just stored", most: 3, run: func() {
			claimOne(t, s, c, func() { enqueue(1, 1) })
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

// claimOne claims what store stores, counting, in at most 3 round trips: while a
// transaction runs anywhere on the server, a claim looks once more for what it may
// have hidden, so that not each of them takes the least.
func claimOne(t *testing.T, s *pgxstore.Store, c *tracer, store func()) {
	t.Helper()
	claim := func() int {
		got, err := s.Claim(context.Background(), webhook.Claim{Limit: 500, Lease: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		return len(got)
	}
	for tries, trips := 0, 4; tries < 10 && trips > 3; tries++ {
		for claim() > 0 { // the last of them finds out that nothing is left
		}
		store()
		c.reset()
		if n := claim(); n != 1 {
			t.Errorf("Claim returned %d deliveries, want 1", n)
		}
		_, trips = c.counts()
	}
}

// TestRoundTripsHeard is what a claim costs after a notification: it need not ask
// whether there is something.
func TestRoundTripsHeard(t *testing.T) {
	p, c := traced(t)
	ctx := context.Background()
	from, to := open(t, p, pgxstore.Options{NotifyEvery: time.Millisecond}), open(t, p, pgxstore.Options{NotifyEvery: 20 * time.Millisecond})
	heard := make(chan struct{}, 1)
	stop := listen(t, to, func() {
		select {
		case heard <- struct{}{}:
		default:
		}
	})
	n := 0
	claimOne(t, to, c, func() {
		for { // what was heard last may be of before
			select {
			case <-heard:
				continue
			case <-time.After(60 * time.Millisecond):
			}
			break
		}
		n++
		if _, err := from.Enqueue(ctx, batch(fmt.Sprintf("h%d", n), "e")); err != nil {
			t.Fatal(err)
		}
		select {
		case <-heard:
		case <-time.After(10 * time.Second):
			t.Fatal("no notification within 10 s")
		}
	})
	if _, trips := c.counts(); trips > 3 {
		t.Errorf("a claim after a notification took %d round trips, want at most 3", trips)
	}
	if err := stop(); err != nil {
		t.Errorf("Listen = %v at the end of its context, want nil", err)
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
