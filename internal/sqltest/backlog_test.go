package sqltest_test

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/sqlstore"
)

// backlogs are the queues in which a claim must cost the same at any size. A
// claim must bring something at once in each.
var backlogs = []struct {
	name string
	fill func(tb testing.TB, s *sqlstore.Store, n int)
}{
	{name: "even over 1000 endpoints", fill: func(tb testing.TB, s *sqlstore.Store, n int) {
		tb.Helper()
		load(tb, s, n, 100, func(i int) string { return fmt.Sprintf("ep-%d", i%1000) }, nil)
	}},
	{name: "one dead endpoint", fill: func(tb testing.TB, s *sqlstore.Store, n int) {
		tb.Helper()
		load(tb, s, n, 100, func(int) string { return "dead" }, nil)
		park(tb, s, 1, func(int) string { return "dead" })
	}},
	{name: "parked lanes", fill: func(tb testing.TB, s *sqlstore.Store, n int) {
		tb.Helper()
		name := func(i int) string { return fmt.Sprintf("parked-%06d", i%(n/10)) }
		load(tb, s, n, 100, name, nil)
		park(tb, s, n/10, name)
	}},
	{name: "one ordered key", fill: func(tb testing.TB, s *sqlstore.Store, n int) {
		tb.Helper()
		load(tb, s, n, 100, func(int) string { return "ordered" }, func(int) (string, bool) { return "k", true })
	}},
}

func park(tb testing.TB, s *sqlstore.Store, n int, endpoint func(i int) string) {
	tb.Helper()
	for from := 0; from < n; from += 5000 {
		var parks []webhook.Park
		for i := from; i < min(n, from+5000); i++ {
			parks = append(parks, webhook.Park{EndpointID: endpoint(i), For: time.Hour, Probe: true})
		}
		if err := s.Park(context.Background(), parks); err != nil {
			tb.Fatal(err)
		}
	}
}

// sizes are the backlog of the test and the one to compare with.
func sizes() (large, small int) {
	if os.Getenv("OUTHOOK_FULL") != "" {
		return 1_000_000, 10_000
	}
	return 20_000, 2_000
}

// dearest is what a claim may cost of what it costs with the small backlog. A
// claim whose cost grew with the backlog would cost ten times as much, or a
// hundred times.
func dearest(d sqlstore.Dialect) float64 {
	if d == sqlstore.MySQL {
		return 3 // 1.58 was seen; it purges what is deleted behind the claims
	}
	return 1.5
}

const (
	claimBatch = 100
	pairs      = 41
)

// subject is a store with a backlog.
type subject struct {
	s    *sqlstore.Store
	db   *sql.DB
	d    sqlstore.Dialect
	rows float64 // most that one of its claims examined, for each delivery
}

// subjectOf fills a store with a backlog, and with as much that is done.
func subjectOf(t *testing.T, d sqlstore.Dialect, n int, fill func(tb testing.TB, s *sqlstore.Store, n int)) *subject {
	t.Helper()
	s, db, _ := store(t, d)
	db.SetMaxOpenConns(1)
	loadDone(t, s, n)
	fill(t, s, n)
	if d == sqlstore.PostgreSQL {
		run(t, db, "VACUUM ANALYZE")
	}
	return &subject{s: s, db: db, d: d}
}

// claim adds some deliveries, claims a batch and settles it, and returns how
// long the claim took.
func (x *subject) claim(t *testing.T) time.Duration {
	t.Helper()
	ctx := context.Background()
	load(t, x.s, claimBatch, 10, func(i int) string { return fmt.Sprintf("live-%d", i%10) }, nil)
	before := rowsRead(t, x.db, x.d)
	start := time.Now()
	got, err := x.s.Claim(ctx, webhook.Claim{Limit: claimBatch, MaxBytes: 1 << 30, PerEndpoint: 50, Lease: time.Hour})
	took := time.Since(start)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) < claimBatch*9/10 {
		t.Errorf("Claim(Limit %d) = %d deliveries, want a full batch or nearly", claimBatch, len(got))
	}
	x.rows = max(x.rows, float64(rowsRead(t, x.db, x.d)-before)/claimBatch)
	if _, err := x.s.Settle(ctx, settlements(got)); err != nil {
		t.Fatal(err)
	}
	return took
}

// loadDone adds a history.
func loadDone(tb testing.TB, s *sqlstore.Store, n int) {
	tb.Helper()
	for from := 0; from < n; from += 1000 {
		b := &webhook.Batch{Message: message(fmt.Sprintf("done-%d-%d", time.Now().UnixNano(), from))}
		for i := range 1000 {
			b.Deliveries = append(b.Deliveries, webhook.Delivery{
				ID: fmt.Sprintf("dlv_%s_%d", b.Message.ID, i), MessageID: b.Message.ID, EndpointID: fmt.Sprintf("ep-%d", i),
				State: webhook.Cancelled, Reason: "done",
			})
		}
		if _, err := s.Enqueue(context.Background(), b); err != nil {
			tb.Fatal(err)
		}
	}
}

// rowsRead counts the rows that PostgreSQL read, by index or in sequence, of
// the tables that a claim chooses from. Those of the deliveries and messages
// that it brings are no choice.
func rowsRead(tb testing.TB, db *sql.DB, d sqlstore.Dialect) int64 {
	tb.Helper()
	if d != sqlstore.PostgreSQL {
		return 0
	}
	run(tb, db, "SELECT pg_stat_force_next_flush()")
	var n int64
	const query = `SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables
		WHERE schemaname = current_schema() AND relname IN ('outhook_queue', 'outhook_lane', 'outhook_mark')`
	if err := db.QueryRowContext(context.Background(), query).Scan(&n); err != nil {
		tb.Fatal(err)
	}
	return n
}

func TestBacklogs(t *testing.T) {
	large, small := sizes()
	for _, d := range dialects {
		most := dearest(d)
		for _, b := range backlogs {
			t.Run(d.String()+"/"+b.name, func(t *testing.T) {
				little, much := subjectOf(t, d, small, b.fill), subjectOf(t, d, large, b.fill)
				// In pairs, each the other way round than the one before, for
				// a machine that others use too.
				var ratios []float64
				var one, other []time.Duration
				for i := range pairs {
					var a, b time.Duration
					if i%2 == 0 {
						a, b = little.claim(t), much.claim(t)
					} else {
						b, a = much.claim(t), little.claim(t)
					}
					one, other = append(one, a), append(other, b)
					ratios = append(ratios, float64(b)/float64(a))
				}
				ratio := median(ratios)
				t.Logf("claim of %d: %v with %d pending and as many done, %v with %d, ratio %.2f; %.1f rows examined for each",
					claimBatch, median(other), large, median(one), small, ratio, much.rows)
				if much.rows > 4 {
					t.Errorf("a claim examined %.1f rows for each delivery, want 4 at most", much.rows)
				}
				if ratio > most {
					t.Errorf("a claim costs %.2f of what it costs with %d pending, want %.1f at most", ratio, small, most)
				}
			})
		}
	}
}

func median[T cmp.Ordered](of []T) T {
	slices.Sort(of)
	return of[len(of)/2]
}
