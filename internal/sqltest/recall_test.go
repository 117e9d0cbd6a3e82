package sqltest_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/sqlstore"
)

var recallQuery = webhook.Query{Scopes: []webhook.Scope{"link:1"}, Type: "contact.created"}

// remembers matches and returns what the store then remembers.
func remembers(t *testing.T, s *sqlstore.Store) any {
	t.Helper()
	want, err := s.Match(t.Context(), recallQuery)
	if err != nil {
		t.Fatal(err)
	}
	found, check := s.Recall(s, recallQuery)
	found = slices.DeleteFunc(slices.Clone(found), func(e *webhook.Endpoint) bool { return !e.Matches(recallQuery) })
	if check == nil || !slices.Equal(found, want) {
		t.Fatalf("after a Match of %d endpoints, Recall = %d endpoints and %v to check by", len(want), len(found), check)
	}
	return check
}

// holds enqueues, and reports whether check held.
func holds(t *testing.T, s *sqlstore.Store, check any) bool {
	t.Helper()
	b := batch(strconv.FormatInt(time.Now().UnixNano(), 10), "", "ep")
	b.Recalled = check
	_, err := s.Enqueue(t.Context(), b)
	if err != nil && !errors.Is(err, webhook.ErrOutdated) {
		t.Fatal(err)
	}
	if got := len(claimAll(t, s)); got == 1 != (err == nil) {
		t.Errorf("Enqueue = %v, and %d deliveries are there", err, got)
	}
	return err == nil
}

func register(t *testing.T, s *sqlstore.Store, id string) {
	t.Helper()
	if _, err := s.Set(t.Context(), &webhook.Endpoint{ID: id, Name: id, Scope: "link:1", URL: "https://example.com/"}); err != nil {
		t.Fatal(err)
	}
}

// What was matched is out of date once somebody's change of it is committed, and
// not before.
func TestRecallGoesByCommits(t *testing.T) {
	s, db, _ := store(t, sqlstore.PostgreSQL)
	register(t, s, "ep")
	for _, tt := range []struct {
		name    string
		change  string
		changes bool
	}{
		{"update", `UPDATE outhook_endpoint SET reason = reason || 'x'`, true},
		{"the same row written anew", `UPDATE outhook_endpoint SET reason = reason`, true},
		{"two updates", `UPDATE outhook_endpoint SET status = 2; UPDATE outhook_endpoint SET status = 1`, true},
		{"within a savepoint", `SAVEPOINT a; UPDATE outhook_endpoint SET status = 2; RELEASE a`, true},
		{"taken back to a savepoint", `SAVEPOINT a; UPDATE outhook_endpoint SET status = 2; ROLLBACK TO a`, false},
		{"locked", `SELECT 1 FROM outhook_endpoint FOR UPDATE`, false},
		{"replaced", `CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT * FROM outhook_endpoint; DELETE FROM outhook_endpoint;
			INSERT INTO outhook_endpoint OVERRIDING SYSTEM VALUE SELECT * FROM kept`, true},
		{"another scope", `INSERT INTO outhook_endpoint (id, scope, ident, status, reason, record) VALUES ('other', 'link:2', 'other', 1, '', '{}')`, false},
		{"moved there", `UPDATE outhook_endpoint SET scope = '*' WHERE id = 'other'; UPDATE outhook_endpoint SET scope = 'link:1' WHERE id = 'other'`, true},
		{"moved away", `UPDATE outhook_endpoint SET scope = 'link:2' WHERE id = 'other'`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			check := remembers(t, s)
			tx, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.ExecContext(t.Context(), tt.change); err != nil {
				t.Fatal(err)
			}
			if !holds(t, s, check) {
				t.Error("out of date before the change is committed")
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			if held := holds(t, s, check); held == tt.changes {
				t.Errorf("after the change, held = %v", held)
			}
		})
	}
}

// What a transaction saw of its own is not remembered: it may never have been.
func TestRecallKnowsNothingOfTransactions(t *testing.T) {
	s, db, _ := store(t, sqlstore.PostgreSQL)
	register(t, s, "ep")
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(t.Context(), `UPDATE outhook_endpoint SET status = 2`); err != nil {
		t.Fatal(err)
	}
	found, err := s.InTx(tx).Match(t.Context(), recallQuery)
	if err != nil || len(found) != 1 || found[0].Status != webhook.Paused {
		t.Fatalf("Match in the transaction = %v, %v; want the endpoint, paused", found, err)
	}
	if _, check := s.Recall(s, recallQuery); check != nil {
		t.Error("what a transaction matched is remembered")
	}
}

// What another store, or nobody, gave to check by is an error, and stores nothing.
func TestRecallOfAnother(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.String(), func(t *testing.T) {
			s, _, p := store(t, d)
			foreign := []any{"link:1"}
			if d == sqlstore.PostgreSQL {
				foreign = append(foreign, remembers(t, bind(t, p.open(t), d)))
			}
			for _, check := range foreign {
				b := batch("foreign", "", "ep")
				b.Recalled = check
				if _, err := s.Enqueue(context.Background(), b); err == nil || errors.Is(err, webhook.ErrOutdated) {
					t.Errorf("Enqueue with a %T of another = %v, want an error of its own", check, err)
				}
			}
			if got := claimAll(t, s); len(got) > 0 {
				t.Errorf("%d deliveries are stored, want none", len(got))
			}
		})
	}
}

// An EnqueueAll tells which batches are out of date, and only what those were
// checked by is forgotten.
func TestRecallTellsWhich(t *testing.T) {
	s, _, _ := store(t, sqlstore.PostgreSQL)
	query := func(i int) webhook.Query {
		return webhook.Query{Scopes: []webhook.Scope{webhook.In("link", strconv.Itoa(i))}, Type: "contact.created"}
	}
	const n = 5
	var all []*webhook.Batch
	for i := range n {
		id := strconv.Itoa(i)
		e := &webhook.Endpoint{ID: id, Name: id, Scope: query(i).Scopes[0], URL: "https://example.com/"}
		if _, err := s.Set(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Match(t.Context(), query(i)); err != nil {
			t.Fatal(err)
		}
		for k := range 2 {
			b := batch(id+"_"+strconv.Itoa(k), "", id)
			_, b.Recalled = s.Recall(s, query(i))
			all = append(all, b)
		}
	}
	all = append(all, batch("unchecked", "", "x"))
	for _, i := range []string{"1", "3"} {
		if err := s.SetStatus(t.Context(), i, webhook.Paused, ""); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.EnqueueAll(t.Context(), all)
	var o *webhook.OutdatedError
	if !errors.As(err, &o) || !errors.Is(err, webhook.ErrOutdated) || !slices.Equal(o.Batches, []int{2, 3, 6, 7}) {
		t.Fatalf("EnqueueAll = %v, %+v; want ErrOutdated for 2, 3, 6 and 7", err, o)
	}
	for i := range n {
		if _, check := s.Recall(s, query(i)); (check != nil) != (i != 1 && i != 3) {
			t.Errorf("of scope %d there is %v to check by", i, check)
		}
	}
	rest := slices.Concat(all[:2], all[4:6], all[8:])
	if _, err := s.EnqueueAll(t.Context(), rest); err != nil {
		t.Errorf("EnqueueAll of the others = %v", err)
	}
	if got := len(claimAll(t, s)); got != len(rest) {
		t.Errorf("%d deliveries are stored, want %d", got, len(rest))
	}
}

// A type that embeds the store may choose among the endpoints, or make batches of
// its own: nothing is remembered for it.
func TestRecallIsNotInherited(t *testing.T) {
	s, _, _ := store(t, sqlstore.PostgreSQL)
	register(t, s, "ep")
	remembers(t, s)
	type embeds struct{ *sqlstore.Store }
	outer := embeds{s}
	if _, check := outer.Recall(outer, recallQuery); check != nil {
		t.Error("what the store remembers is given to a dispatcher of another store")
	}
	if _, check := s.Recall(nil, recallQuery); check != nil {
		t.Error("what the store remembers is given to a dispatcher without a queue")
	}
}
