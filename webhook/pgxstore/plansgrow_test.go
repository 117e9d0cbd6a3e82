package pgxstore_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/pgxstore"
)

// TestPlansServeWhatGrows analyzes the tables while they have a row each, lets the
// server keep its plans, and then fills them: nothing that a dispatcher does must
// read the whole queue for each of its rows, be what waits there due or not.
func TestPlansServeWhatGrows(t *testing.T) {
	for _, tt := range []struct {
		name    string
		waiting int // in how many lanes
		live    int // deliveries that are due besides, of another endpoint
		ordered bool
		claim   webhook.Claim
		want    int
	}{
		{name: "due", waiting: 100, claim: webhook.Claim{Limit: 500}, want: 500},
		{name: "due, a few of each", waiting: 1, claim: webhook.Claim{Limit: 500, PerEndpoint: 8}, want: 8},
		{name: "parked", waiting: 1, live: 30, claim: webhook.Claim{Limit: 500}, want: 30},
		{name: "skipped", waiting: 1, live: 30, claim: webhook.Claim{Limit: 500, Skip: []string{"w0"}}, want: 30},
		{name: "ordered", waiting: 100, live: 30, ordered: true, claim: webhook.Claim{Limit: 30}, want: 30},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGrowing(t, tt.ordered)
			if tt.name == "parked" {
				if err := g.s.Park(t.Context(), []webhook.Park{{EndpointID: "w0", For: time.Hour}}); err != nil {
					t.Fatal(err)
				}
			}
			g.burst(50_000, tt.waiting)
			g.counted(50_000)
			time.Sleep(time.Second) // a claim looks for growth once a second
			g.round(tt.live, tt.claim, tt.want)
			before := g.rounds(tt.live, tt.claim, tt.want)
			g.analyze()
			after := g.rounds(tt.live, tt.claim, tt.want)
			for what, took := range before {
				t.Logf("%s: %v, and %v once the tables are analyzed", what, took, after[what])
				if took > 5*after[what]+30*time.Millisecond {
					t.Errorf("%s took %v, and %v once the tables are analyzed: its plan is of when they were small", what, took, after[what])
				}
			}
		})
	}
}

// TestPlansOfWhoOnlyDispatches is the same for a process that claims nothing.
func TestPlansOfWhoOnlyDispatches(t *testing.T) {
	g := newGrowing(t, true)
	g.burst(50_000, 1)
	g.counted(50_000)
	time.Sleep(3 * time.Second) // longer than it goes without a look
	best := func() time.Duration {
		t.Helper()
		took := time.Hour
		for range 4 {
			start := time.Now()
			g.enqueue(30)
			took = min(took, time.Since(start))
		}
		return took
	}
	before := best()
	g.analyze()
	after := best()
	t.Logf("an Enqueue of 30: %v, and %v once the tables are analyzed", before, after)
	if before > 5*after+30*time.Millisecond {
		t.Errorf("an Enqueue of 30 took %v, and %v once the tables are analyzed", before, after)
	}
}

// growing is a store whose plans were made while its tables had a row each.
type growing struct {
	t       *testing.T
	p       *pgxpool.Pool
	s       *pgxstore.Store
	ordered bool
	n       int
}

func newGrowing(t *testing.T, ordered bool) *growing {
	t.Helper()
	p := pool(t, place(t), func(c *pgxpool.Config) {
		c.MaxConns = 1
		c.ConnConfig.RuntimeParams["synchronous_commit"] = "off" // what a disk takes says nothing of plans
	})
	g := &growing{t: t, p: p, ordered: ordered}
	tables(t, g.p)
	for _, table := range []string{"queue", "delivery", "message", "lane", "mark"} { // it must not be the server that mends it
		if _, err := g.p.Exec(t.Context(), "ALTER TABLE outhook_"+table+" SET (autovacuum_enabled = off)"); err != nil {
			t.Fatal(err)
		}
	}
	g.s = open(t, g.p, pgxstore.Options{NotifyEvery: -1})
	g.enqueue(1)
	g.claim(webhook.Claim{Limit: 1}, 1) // it stays, so that no table is empty
	g.analyze()
	for range 15 {
		g.round(1, webhook.Claim{Limit: 10}, 1)
		g.round(3, webhook.Claim{Limit: 10}, 3)
	}
	return g
}

func (g *growing) analyze() {
	g.t.Helper()
	if _, err := g.p.Exec(g.t.Context(), "ANALYZE outhook_queue, outhook_delivery, outhook_message, outhook_lane, outhook_mark"); err != nil {
		g.t.Fatal(err)
	}
}

// burst stores n deliveries of so many endpoints as Enqueue does, of which the
// claims see nothing before it is over.
func (g *growing) burst(n, endpoints int) {
	g.t.Helper()
	for _, text := range []string{
		`INSERT INTO outhook_message (id, type, happened, event_id, source, bodies, data)
			SELECT 'msg_w' || i, 'contact.added', 0, '', '', (SELECT bodies FROM outhook_message LIMIT 1), '{}' FROM generate_series(1, $1::int) i WHERE $2::int > 0`,
		`INSERT INTO outhook_delivery (id, message_id, endpoint_id, body, policy, ordered, lane_key, of_id, dedup, inline, created)
			SELECT 'dlv_w' || i, 'msg_w' || i, 'w' || i % $2::int, 0, 'p', 0, '', '', NULL, NULL, 1 FROM generate_series(1, $1::int) i`,
		`INSERT INTO outhook_queue (seq, endpoint_id, lane, state, unsure, attempts, due, ready, size)
			SELECT seq, endpoint_id, NULL, 1, 0, 0, 1, 1, 2 FROM outhook_delivery WHERE id LIKE 'dlv_w%' AND $1::int + $2::int > 0`,
		`INSERT INTO outhook_mark (endpoint_id, due, level, horizon) SELECT 'w' || i, 1, 0, 0 FROM generate_series(0, $2::int - 1) i WHERE $1::int > 0`,
	} {
		if _, err := g.p.Exec(g.t.Context(), text, n, endpoints); err != nil {
			g.t.Fatal(err)
		}
	}
}

// counted waits until the server's counters say that a table has so many rows.
func (g *growing) counted(rows int) {
	g.t.Helper()
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		var n int
		err := g.p.QueryRow(g.t.Context(), `SELECT pg_stat_get_live_tuples('outhook_delivery'::regclass)`).Scan(&n)
		switch {
		case err == nil && n >= rows:
			return
		case err != nil || time.Since(start) > 30*time.Second:
			g.t.Fatalf("the server counted %d rows, %v, want %d", n, err, rows)
		}
	}
}

func (g *growing) enqueue(n int) {
	g.t.Helper()
	batches := make([]*webhook.Batch, n)
	for i := range batches {
		g.n++
		batches[i] = batch(fmt.Sprintf("g%d", g.n), "live")
		batches[i].Deliveries[0].Ordered, batches[i].Deliveries[0].Key = g.ordered, strconv.Itoa(g.n)
	}
	if _, err := g.s.EnqueueAll(g.t.Context(), batches); err != nil {
		g.t.Fatal(err)
	}
}

func (g *growing) claim(c webhook.Claim, want int) []webhook.Settlement {
	g.t.Helper()
	c.Lease = time.Minute
	got, err := g.s.Claim(g.t.Context(), c)
	if err != nil || len(got) != want {
		g.t.Fatalf("Claim(%+v) returned %d deliveries, %v, want %d", c, len(got), err, want)
	}
	return settlements(got)
}

func (g *growing) settle(items []webhook.Settlement) {
	g.t.Helper()
	if res, err := g.s.Settle(g.t.Context(), items); err != nil || len(res.Stale) > 0 {
		g.t.Fatalf("Settle = %v, %v", res, err)
	}
}

// round stores, claims and settles, and says how long each took.
func (g *growing) round(live int, c webhook.Claim, want int) map[string]time.Duration {
	g.t.Helper()
	took := map[string]time.Duration{}
	measure := func(what string, f func()) {
		start := time.Now()
		f()
		took[what] = time.Since(start)
	}
	if live > 0 {
		measure(fmt.Sprintf("an Enqueue of %d", live), func() { g.enqueue(live) })
	}
	var items []webhook.Settlement
	measure(fmt.Sprintf("a claim of %d", want), func() { items = g.claim(c, want) })
	if n := len(items) - 1; n > 0 {
		measure(fmt.Sprintf("a settlement of %d", n), func() { g.settle(items[1:]) })
	}
	measure("a settlement of 1", func() { g.settle(items[:1]) })
	return took
}

// rounds are the best of three.
func (g *growing) rounds(live int, c webhook.Claim, want int) map[string]time.Duration {
	g.t.Helper()
	best := g.round(live, c, want)
	for range 2 {
		for what, took := range g.round(live, c, want) {
			best[what] = min(best[what], took)
		}
	}
	return best
}
