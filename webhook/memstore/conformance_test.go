package memstore_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/outhook/outhook/webhook/memstore"
	"github.com/outhook/outhook/webhook/storetest"
)

// offered is all that a store in memory can have.
const offered = storetest.All &^ (storetest.BatchOutbox | storetest.Listener | storetest.Recall | storetest.Corruption)

func open(*testing.T) storetest.Store {
	s := memstore.New(memstore.Options{})
	return handle(s)
}

func handle(s *memstore.Store) storetest.Store {
	return storetest.Store{
		Queue:     s,
		Endpoints: s,
		Begin: func(context.Context) (storetest.Tx, error) {
			tx := s.Begin()
			return storetest.Tx{
				Outbox: s.InTx(tx),
				Commit: tx.Commit,
				Rollback: func() error {
					tx.Rollback()
					return nil
				},
			}, nil
		},
		Peer: func(*testing.T) storetest.Store { return handle(s) },
	}
}

func TestConformance(t *testing.T) {
	storetest.Run(t, open, storetest.Options{Require: offered, Around: synctest.Test})
}
