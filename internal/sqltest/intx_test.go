package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/sqlstore"
)

func message(id string) *webhook.Message {
	m := &webhook.Message{ID: "msg_" + id, Type: "contact.created", Time: time.Now().Truncate(time.Microsecond)}
	m.Bodies = []webhook.Body{{Variant: "json"}}
	m.Bodies[0].ContentType, m.Bodies[0].Data = "application/json", []byte(`{"id":"`+id+`"}`)
	return m
}

func batch(id, dedup string, endpoints ...string) *webhook.Batch {
	b := &webhook.Batch{Message: message(id)}
	for _, e := range endpoints {
		b.Deliveries = append(b.Deliveries, webhook.Delivery{
			ID: "dlv_" + id + "_" + e, MessageID: b.Message.ID, EndpointID: e, Policy: "p", State: webhook.Pending, Dedup: dedup,
		})
	}
	return b
}

func endpoints(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("ep-%04d", i)
	}
	return out
}

func claimAll(t *testing.T, s *sqlstore.Store) []webhook.Claimed {
	t.Helper()
	got, err := s.Claim(context.Background(), webhook.Claim{Limit: 1000, MaxBytes: 1 << 30, PerEndpoint: 1000, Lease: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// A dispatch in the host's transaction costs a fixed number of statements,
// however many endpoints the event has: one on PostgreSQL.
func TestStatementsPerDispatch(t *testing.T) {
	want := map[sqlstore.Dialect]int{sqlstore.PostgreSQL: 1, sqlstore.SQLite: 6, sqlstore.MySQL: 6}
	for _, d := range dialects {
		t.Run(d.String(), func(t *testing.T) {
			ctx := context.Background()
			s, db, _ := store(t, d)
			for _, n := range []int{1, 1000, 1, 1000} {
				tx, err := db.BeginTx(ctx, nil)
				if err != nil {
					t.Fatal(err)
				}
				r := &recorder{tx: tx}
				o := s.InTx(r)
				if _, err := o.Enqueue(ctx, batch(strconv.FormatInt(time.Now().UnixNano(), 10), "", endpoints(n)...)); err != nil {
					t.Fatal(err)
				}
				if got := len(r.take()); got > want[d] {
					t.Errorf("Enqueue for %d endpoints = %d statements, want %d at most", n, got, want[d])
				}
				if _, err := o.Match(ctx, webhook.Query{Scopes: []webhook.Scope{webhook.In("link", "1")}, Type: "a"}); err != nil {
					t.Fatal(err)
				}
				if got := len(r.take()); got != 1 {
					t.Errorf("Match = %d statements, want 1", got)
				}
				if err := tx.Commit(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// With one connection, which the host's transaction holds, everything goes
// through it.
func TestOneConnection(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	p := newPlace(t, sqlstore.SQLite)
	db := p.open(t)
	db.SetMaxOpenConns(1)
	run(t, db, sqlstore.Schema(sqlstore.SQLite))
	s := bind(t, db, sqlstore.SQLite)
	scope := webhook.In("link", "1")
	if _, err := s.Set(ctx, &webhook.Endpoint{ID: "a", Scope: scope, URL: "https://example.com/"}); err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	o := s.InTx(tx)
	found, err := o.Match(ctx, webhook.Query{Scopes: []webhook.Scope{scope}, Type: "x"})
	if err != nil || len(found) != 1 {
		t.Fatalf("Match = %v, %v, want one endpoint", found, err)
	}
	if _, err := o.Enqueue(ctx, batch("1", "e", "a", "b")); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := claimAll(t, s); len(got) != 2 {
		t.Errorf("Claim = %d deliveries, want 2", len(got))
	}
}

// A transaction on a *sql.Conn will do as well.
func TestConn(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.String(), func(t *testing.T) {
			ctx := context.Background()
			s, db, _ := store(t, d)
			conn, err := db.Conn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			for _, end := range []string{"ROLLBACK", "COMMIT"} {
				if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
					t.Fatal(err)
				}
				if _, err := s.InTx(conn).Enqueue(ctx, batch("1", "e", "a")); err != nil {
					t.Fatal(err)
				}
				if _, err := conn.ExecContext(ctx, end); err != nil {
					t.Fatal(err)
				}
			}
			if got := claimAll(t, s); len(got) != 1 {
				t.Errorf("Claim = %d deliveries, want 1", len(got))
			}
		})
	}
}

// A transaction that saw a claim coming, and commits after that claim came and
// went, is found all the same: soon, since it leaves a mark behind.
func TestLateCommit(t *testing.T) {
	levels := []sql.IsolationLevel{sql.LevelReadCommitted, sql.LevelRepeatableRead}
	for _, d := range []sqlstore.Dialect{sqlstore.PostgreSQL, sqlstore.MySQL} {
		for _, level := range levels {
			for _, ordered := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v/%v/ordered=%v", d, level, ordered), func(t *testing.T) { lateCommit(t, d, level, ordered) })
			}
		}
	}
}

func lateCommit(t *testing.T, d sqlstore.Dialect, level sql.IsolationLevel, ordered bool) {
	t.Helper()
	ctx := context.Background()
	s, db, _ := store(t, d)
	early, late := batch("early", "", "a"), batch("late", "", "a")
	early.Deliveries[0].Ordered, late.Deliveries[0].Ordered = ordered, ordered
	if _, err := s.Enqueue(ctx, early); err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: level})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.InTx(tx).Enqueue(ctx, late); err != nil {
		t.Fatal(err)
	}
	got := claimAll(t, s)
	if len(got) != 1 {
		t.Fatalf("Claim = %d deliveries, want the one that is committed", len(got))
	}
	if _, err := s.Settle(ctx, settlements(got)); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); time.Since(start) < 300*time.Millisecond; time.Sleep(10 * time.Millisecond) {
		if got := claimAll(t, s); len(got) != 0 {
			t.Fatalf("Claim = %d deliveries, want none: nothing is committed", len(got))
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for len(got) > 0 {
		if time.Since(start) > 2*time.Second {
			t.Fatal("a delivery whose transaction committed late is not claimed within 2 s")
		}
		if got = claimAll(t, s); len(got) == 1 {
			break
		}
		got = make([]webhook.Claimed, 1)
		time.Sleep(5 * time.Millisecond)
	}
	t.Logf("claimed %v after the commit", time.Since(start).Round(time.Millisecond))
	if len(got) != 1 || got[0].Delivery.ID != "dlv_late_a" {
		t.Fatalf("Claim = %v, want the late delivery", got)
	}
	if _, err := s.Settle(ctx, settlements(got)); err != nil {
		t.Fatal(err)
	}
	// What watched is gone when nothing is left to watch for.
	left := -1
	for start := time.Now(); time.Since(start) < 5*time.Second; time.Sleep(20 * time.Millisecond) {
		claimAll(t, s)
		if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM outhook_mark").Scan(&left); err != nil {
			t.Fatal(err)
		}
		if left == 0 || d == sqlstore.MySQL {
			break
		}
	}
	if left != 0 && d != sqlstore.MySQL {
		t.Errorf("%d marks are left, want none", left)
	}
}

// The sweep finds what nothing leads to.
func TestSweep(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.String(), func(t *testing.T) {
			ctx := context.Background()
			s, db, p := store(t, d)
			b := batch("1", "", "a", "b")
			b.Deliveries[1].Ordered = true
			if _, err := s.Enqueue(ctx, b); err != nil {
				t.Fatal(err)
			}
			run(t, db, "DELETE FROM outhook_mark;\nDELETE FROM outhook_lane;\nUPDATE outhook_queue SET ready = NULL WHERE lane IS NOT NULL")
			seen := map[string]bool{}
			for start := time.Now(); len(seen) < 2 && time.Since(start) < 10*time.Second; time.Sleep(50 * time.Millisecond) {
				for _, c := range claimAll(t, s) {
					seen[c.Delivery.EndpointID] = true
				}
			}
			if len(seen) != 2 {
				t.Errorf("the sweep found %v, want a and b", seen)
			}
			_ = p
		})
	}
}

func TestSchemaErrors(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.String(), func(t *testing.T) {
			ctx := context.Background()
			db := newPlace(t, d).open(t)
			open := func() error {
				_, err := sqlstore.Open(ctx, db, sqlstore.Options{Dialect: d})
				return err
			}
			if err := open(); err == nil {
				t.Error("Open without a schema = nil, want an error")
			} else {
				t.Log(err)
			}
			run(t, db, sqlstore.Schema(d))
			if err := open(); err != nil {
				t.Errorf("Open = %v, want nil", err)
			}
			run(t, db, "UPDATE outhook_schema SET version = 99")
			if err := open(); err == nil {
				t.Error("Open with another version = nil, want an error")
			} else {
				t.Log(err)
			}
		})
	}
}

// A deferred transaction of SQLite that read first cannot write while another
// one did: the error says how to mend it, and the host may roll back.
func TestDeferred(t *testing.T) {
	ctx := context.Background()
	s, _, p := store(t, sqlstore.SQLite)
	p.dsn = p.dsn[:len(p.dsn)-len("&_pragma=busy_timeout(10000)")] + "&_pragma=busy_timeout(50)"
	deferred := p
	deferred.dsn = replaceOnce(p.dsn, "_txlock=immediate&", "")
	db := deferred.open(t)
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	o := s.InTx(tx)
	if _, err := o.Match(ctx, webhook.Query{Type: "x"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Enqueue(ctx, batch("other", "", "a")); err != nil {
		t.Fatal(err)
	}
	_, err = o.Enqueue(ctx, batch("mine", "", "a"))
	if err == nil {
		t.Fatal("Enqueue in a deferred transaction behind another writer = nil, want an error")
	}
	if text := err.Error(); !contains(text, "BEGIN IMMEDIATE") {
		t.Errorf("Enqueue = %v, want an error that names BEGIN IMMEDIATE", err)
	}
}

func TestRefusesDB(t *testing.T) {
	s, db, _ := store(t, sqlstore.SQLite)
	if _, err := s.InTx(db).Enqueue(context.Background(), batch("1", "", "a")); !errors.Is(err, sqlstore.ErrNoTransaction) {
		t.Errorf("Enqueue through a *sql.DB = %v, want ErrNoTransaction", err)
	}
	if got := claimAll(t, s); len(got) != 0 {
		t.Errorf("Claim = %d deliveries, want 0", len(got))
	}
}
