package memstore

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/outhook/outhook/webhook"
)

// Tx collects what is enqueued through [Store.InTx]. All of it is stored by
// Commit, at once, or nothing, ever. A Tx may be used concurrently.
//
// A transaction locks nothing: what somebody else stored before its Commit,
// under the same endpoint and Dedup, is left as it is, and the transaction's
// own delivery is left out.
type Tx struct {
	store *Store

	mu      sync.Mutex
	done    bool
	batches []*webhook.Batch
	open    int // deliveries in batches, at most
	size    int // bytes in batches, at most
	ids     map[string]bool
	dedups  map[[2]string]string // endpoint and Dedup to the id
}

// Begin begins a transaction. One that is neither committed nor rolled back
// costs nothing but its memory.
func (s *Store) Begin() *Tx {
	return &Tx{store: s, ids: make(map[string]bool), dedups: make(map[[2]string]string)}
}

// Commit stores all that was enqueued. After webhook.ErrFull nothing is
// stored, and the transaction goes on: the host may try again or roll back.
// After Commit or Rollback it returns ErrTxDone.
//
// The dispatcher does not see a Commit: tell it by its Wake.
func (tx *Tx) Commit() error {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.done {
		return ErrTxDone
	}
	s := tx.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.room(tx.batches); err != nil {
		return err
	}
	s.giveWay(tx.batches)
	now := s.now()
	for _, b := range tx.batches {
		s.insert(b, now)
	}
	tx.end()
	return nil
}

// Rollback drops all that was enqueued. After Commit or Rollback it does
// nothing.
func (tx *Tx) Rollback() {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	tx.end()
}

func (tx *Tx) end() {
	tx.done, tx.batches, tx.ids, tx.dedups = true, nil, nil, nil
}

// InTx binds tx, which Begin of the same Store returned, to be given to
// DispatchTx. The Outbox is a webhook.Matcher too.
func (s *Store) InTx(tx *Tx) webhook.Outbox { return outbox{store: s, tx: tx} }

type outbox struct {
	store *Store
	tx    *Tx
}

var (
	_ webhook.Outbox  = outbox{}
	_ webhook.Matcher = outbox{}
)

// Match implements webhook.Matcher. Endpoints are not part of a transaction.
func (o outbox) Match(ctx context.Context, q webhook.Query) ([]*webhook.Endpoint, error) {
	return o.store.Match(ctx, q)
}

// Enqueue implements webhook.Outbox.
func (o outbox) Enqueue(ctx context.Context, b *webhook.Batch) ([]webhook.Existing, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.tx == nil || o.tx.store != o.store {
		return nil, errors.New("memstore: the transaction is not of this store; use one that its Begin returned")
	}
	if err := check(b); err != nil {
		return nil, err
	}
	tx, s := o.tx, o.store
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.done {
		return nil, ErrTxDone
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Whether it fits is asked again by Commit; this spares the host a vain
	// transaction.
	open, size := sum(b)
	if !s.fits(tx.open+open, tx.size+size) {
		if err := s.room(append(slices.Clip(tx.batches), b)); err != nil {
			return nil, err
		}
	}
	kept, existing := tx.keep(b)
	tx.batches = append(tx.batches, kept)
	open, size = sum(kept)
	tx.open += open
	tx.size += size
	return existing, nil
}

// keep returns what of b is new, in the store and in the transaction, and what
// is there already.
func (tx *Tx) keep(b *webhook.Batch) (*webhook.Batch, []webhook.Existing) {
	kept := &webhook.Batch{Message: b.Message}
	var existing []webhook.Existing
	for i := range b.Deliveries {
		d := &b.Deliveries[i]
		id, there := tx.there(d)
		if !there {
			tx.ids[d.ID] = true
			if d.Dedup != "" {
				tx.dedups[[2]string{d.EndpointID, d.Dedup}] = d.ID
			}
			kept.Deliveries = append(kept.Deliveries, *d)
		} else if id != "" {
			existing = append(existing, webhook.Existing{Index: i, ID: id})
		}
	}
	return kept, existing
}

// there reports whether d is there already, and, if that is for its Dedup, the
// id of what is there.
func (tx *Tx) there(d *webhook.Delivery) (id string, there bool) {
	if d.Dedup != "" {
		if id, ok := tx.dedups[[2]string{d.EndpointID, d.Dedup}]; ok {
			return id, true
		}
	}
	if r := tx.store.existing(d); r != nil {
		if d.Dedup != "" && r.dedup() == d.Dedup {
			return r.id, true
		}
		return "", true
	}
	return "", tx.ids[d.ID]
}
