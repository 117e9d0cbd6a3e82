package sqltest_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/sqlstore"
)

// ballast keeps the sweep busy, which would find what is forgotten.
func ballast(t *testing.T, s *sqlstore.Store) {
	t.Helper()
	if err := s.Park(context.Background(), []webhook.Park{{EndpointID: "ballast", For: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	load(t, s, 500, 500, func(int) string { return "ballast" }, nil)
}

// commitsLate commits what must be claimed soon after, and not by the sweep.
func commitsLate(t *testing.T, s *sqlstore.Store, tx *sql.Tx) {
	t.Helper()
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); len(claimAll(t, s)) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > 4*time.Second {
			t.Fatal("a delivery whose transaction committed late is not claimed within 4 s")
		}
	}
}

// A transaction that outlasts a park is found after its commit, where the lane
// stays for its failures.
func TestLateCommitOverPark(t *testing.T) {
	for _, d := range []sqlstore.Dialect{sqlstore.PostgreSQL, sqlstore.MySQL} {
		t.Run(d.String(), func(t *testing.T) { lateCommitOverPark(t, d) })
	}
}

func lateCommitOverPark(t *testing.T, d sqlstore.Dialect) {
	t.Helper()
	ctx := context.Background()
	s, db, _ := store(t, d)
	ballast(t, s)
	load(t, s, 1, 1, func(int) string { return "a" }, nil)
	failing := settlements(claimAll(t, s))
	failing[0].State, failing[0].Health = webhook.Failed, webhook.Failing
	if _, err := s.Settle(ctx, failing); err != nil {
		t.Fatal(err)
	}
	claimAll(t, s)
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.InTx(tx).Enqueue(ctx, batch("late", "", "a")); err != nil {
		t.Fatal(err)
	}
	if err := s.Park(ctx, []webhook.Park{{EndpointID: "a", For: 50 * time.Millisecond}}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(80 * time.Millisecond)
	if got := claimAll(t, s); len(got) > 0 {
		t.Fatalf("Claim = %d deliveries, want none: nothing is committed", len(got))
	}
	commitsLate(t, s, tx)
}

// What watches for late transactions by number waits for the latest number too,
// which is that of no transaction that has ended.
func TestLateCommitWithLatestNumber(t *testing.T) {
	ctx := context.Background()
	s, db, _ := store(t, sqlstore.PostgreSQL)
	ballast(t, s)
	load(t, s, 1, 1, func(int) string { return "a" }, nil)
	for _, text := range []string{
		`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.3); RETURN NEW; END $$`,
		`CREATE TRIGGER slow BEFORE INSERT ON outhook_mark FOR EACH ROW WHEN (NEW.level = 1) EXECUTE FUNCTION slow()`,
	} {
		run(t, db, text)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	begun := make(chan error, 1)
	time.AfterFunc(100*time.Millisecond, func() {
		_, err := s.InTx(tx).Enqueue(ctx, batch("late", "", "a"))
		begun <- err
	})
	if got := claimAll(t, s); len(got) != 1 {
		t.Fatalf("Claim = %d deliveries, want the one that is committed", len(got))
	}
	if err := <-begun; err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); time.Since(start) < 200*time.Millisecond; time.Sleep(10 * time.Millisecond) {
		if got := claimAll(t, s); len(got) > 0 {
			t.Fatalf("Claim = %d deliveries, want none: nothing is committed", len(got))
		}
	}
	commitsLate(t, s, tx)
}

// PostgreSQL gives a transaction its number as it writes first. What watches for
// late ones by number must not miss an Enqueue that is long in taking its
// argument apart.
func TestLargeEnqueueBesideClaim(t *testing.T) {
	const n = 10_000
	ctx := context.Background()
	s, db, p := store(t, sqlstore.PostgreSQL)
	ballast(t, s)
	peer := bind(t, p.open(t), sqlstore.PostgreSQL)
	of := endpoints(n)
	for _, wait := range []time.Duration{30, 40, 50, 60} {
		load(t, s, 1, 1, func(int) string { return "a" }, nil)
		large := batch(time.Now().Format("150405.000000"), "", of...)
		for i := range large.Deliveries {
			large.Deliveries[i].EndpointID = "a"
		}
		done := make(chan error, 1)
		go func() {
			_, err := peer.Enqueue(ctx, large)
			done <- err
		}()
		time.Sleep(wait * time.Millisecond)
		seen := 0
		for seen = -len(claimAll(t, s)); len(done) == 0; time.Sleep(2 * time.Millisecond) {
			seen += len(claimAll(t, s))
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		for start := time.Now(); seen < n-1 && time.Since(start) < 5*time.Second; time.Sleep(2 * time.Millisecond) {
			seen += len(claimAll(t, s))
		}
		if seen < n-1 {
			t.Errorf("%v into a large Enqueue beside a claim: %d of %d deliveries are claimed", wait*time.Millisecond, seen, n)
		}
		run(t, db, "DELETE FROM outhook_queue WHERE endpoint_id = 'a';\nDELETE FROM outhook_lane WHERE endpoint_id = 'a';\nDELETE FROM outhook_mark")
	}
}
