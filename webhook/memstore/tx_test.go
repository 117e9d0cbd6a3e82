package memstore_test

import (
	"slices"
	"testing"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/memstore"
)

// deduped gives all of b the same Dedup, always the same one.
func deduped(b *webhook.Batch) *webhook.Batch {
	for i := range b.Deliveries {
		b.Deliveries[i].Dedup = "e"
	}
	return b
}

func TestTx(t *testing.T) {
	s := memstore.New(memstore.Options{})
	tx := s.Begin()
	enqueue(t, s.InTx(tx), "1 a", "2 a")
	wantClaim(t, s, webhook.Claim{})
	if list, _, err := s.Deliveries(t.Context(), webhook.HistoryQuery{}); err != nil || len(list) > 0 {
		t.Errorf("before Commit Deliveries = %v, %v, want none", ids(list), err)
	}
	enqueue(t, s, "3 a")
	if err := tx.Commit(); err != nil {
		t.Errorf("Commit = %v", err)
	}
	tx.Rollback() // does nothing any more
	wantClaim(t, s, webhook.Claim{}, "3", "1", "2")
	wantErr(t, "second Commit", tx.Commit(), memstore.ErrTxDone)
	_, err := s.InTx(tx).Enqueue(t.Context(), batch("4 a"))
	wantErr(t, "Enqueue after Commit", err, memstore.ErrTxDone)
}

func TestTxRollback(t *testing.T) {
	s := memstore.New(memstore.Options{MaxPending: 1})
	tx := s.Begin()
	b := deduped(batch("1 a"))
	if existing, err := s.InTx(tx).Enqueue(t.Context(), b); err != nil || existing != nil {
		t.Fatalf("Enqueue = %v, %v", existing, err)
	}
	tx.Rollback()
	wantErr(t, "Commit after Rollback", tx.Commit(), memstore.ErrTxDone)
	if c, err := s.Counts(t.Context()); err != nil || c != (webhook.Counts{}) {
		t.Errorf("Counts = %+v, %v, want none", c, err)
	}
	if _, _, err := s.Delivery(t.Context(), "1"); err == nil {
		t.Error("a delivery of a rolled-back transaction is there")
	}
	// Neither its room nor its Dedup is taken.
	if existing, err := s.Enqueue(t.Context(), deduped(batch("2 a"))); err != nil || existing != nil {
		t.Errorf("Enqueue = %v, %v, want none existing, no error", existing, err)
	}
	wantClaim(t, s, webhook.Claim{}, "2")
}

func TestTxDedup(t *testing.T) {
	s := memstore.New(memstore.Options{})
	if _, err := s.Enqueue(t.Context(), deduped(batch("1 a"))); err != nil {
		t.Fatal(err)
	}
	tx := s.Begin()
	o := s.InTx(tx)
	for _, tt := range []struct {
		name  string
		batch *webhook.Batch
		want  []webhook.Existing
	}{
		{name: "in the store", batch: deduped(batch("2 a", "3 b")), want: []webhook.Existing{{Index: 0, ID: "1"}}},
		{name: "in the transaction", batch: deduped(batch("4 c", "5 b")), want: []webhook.Existing{{Index: 1, ID: "3"}}},
		{name: "retry", batch: batch("6 d", "6 d")},
	} {
		if got, err := o.Enqueue(t.Context(), tt.batch); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: Enqueue = %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
	// Somebody else is first.
	if _, err := s.Enqueue(t.Context(), deduped(batch("7 c"))); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Errorf("Commit = %v", err)
	}
	wantClaim(t, s, webhook.Claim{}, "1", "7", "3", "6")
}

func TestTxFull(t *testing.T) {
	s := memstore.New(memstore.Options{MaxPending: 2})
	tx := s.Begin()
	enqueue(t, s.InTx(tx), "1 a", "2 a")
	_, err := s.InTx(tx).Enqueue(t.Context(), batch("3 a"))
	wantErr(t, "Enqueue beyond the bound", err, webhook.ErrFull)
	enqueue(t, s, "4 a")
	wantErr(t, "Commit beyond the bound", tx.Commit(), webhook.ErrFull)
	end(t, s, wantClaim(t, s, webhook.Claim{}, "4"))
	if err := tx.Commit(); err != nil {
		t.Errorf("Commit when there is room = %v", err)
	}
	wantClaim(t, s, webhook.Claim{}, "1", "2")
}

func TestTxOfAnother(t *testing.T) {
	s, other := memstore.New(memstore.Options{}), memstore.New(memstore.Options{})
	for name, tx := range map[string]*memstore.Tx{"another store": other.Begin(), "nil": nil} {
		if _, err := s.InTx(tx).Enqueue(t.Context(), batch("1 a")); err == nil {
			t.Errorf("Enqueue in a transaction of %s returned no error", name)
		}
	}
}

func TestTxMatch(t *testing.T) {
	s := memstore.New(memstore.Options{})
	register(t, s, 3)
	m, ok := s.InTx(s.Begin()).(webhook.Matcher)
	if !ok {
		t.Fatal("the Outbox is no webhook.Matcher")
	}
	found, err := m.Match(t.Context(), webhook.Query{Scopes: []webhook.Scope{webhook.In("link", "1")}, Type: "x"})
	if err != nil || len(found) != 1 || found[0].ID != "ep1" {
		t.Errorf("Match = %v, %v, want ep1", found, err)
	}
}

// TestTxSparesHistory shows that a transaction that is rolled back does not
// even cost the history its place.
func TestTxSparesHistory(t *testing.T) {
	s := memstore.New(memstore.Options{MaxBytes: 150})
	enqueue(t, s, "1 a")
	end(t, s, wantClaim(t, s, webhook.Claim{}, "1"))
	tx := s.Begin()
	enqueue(t, s.InTx(tx), "2 a")
	tx.Rollback()
	wantState(t, s, "1", webhook.Delivered)
	tx = s.Begin()
	enqueue(t, s.InTx(tx), "3 a")
	if err := tx.Commit(); err != nil {
		t.Errorf("Commit = %v", err)
	}
	_, _, err := s.Delivery(t.Context(), "1")
	wantErr(t, "Delivery(1) after the commit", err, webhook.ErrNotFound)
	wantState(t, s, "3", webhook.Pending)
}
