package sqltest_test

import (
	"context"
	"os"
	"testing"

	"github.com/outhook/outhook/webhook/sqlstore"
	"github.com/outhook/outhook/webhook/storetest"
)

func TestConformance(t *testing.T) {
	// 1,000 deliveries in the large cases; OUTHOOK_FULL takes 10,000, -short 200.
	volume := 1000
	switch {
	case os.Getenv("OUTHOOK_FULL") != "":
		volume = 10_000
	case testing.Short(): // as with the race detector
		volume = 200
	}
	for _, d := range dialects {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel() // most of it waits for a disk
			require := storetest.All &^ storetest.Listener
			if d != sqlstore.PostgreSQL {
				require &^= storetest.Recall
			}
			storetest.Run(t, func(t *testing.T) storetest.Store {
				t.Helper()
				s, db, p := store(t, d)
				return storetest.Store{
					Queue: s, Endpoints: s,
					Begin: func(ctx context.Context) (storetest.Tx, error) {
						tx, err := db.BeginTx(ctx, nil)
						if err != nil {
							return storetest.Tx{}, err
						}
						return storetest.Tx{Outbox: s.InTx(tx), Commit: tx.Commit, Rollback: tx.Rollback}, nil
					},
					Peer: func(t *testing.T) storetest.Store {
						t.Helper()
						peer := bind(t, p.open(t), d)
						return storetest.Store{Queue: peer, Endpoints: peer}
					},
					Corrupt: func(ctx context.Context, id string) error {
						mark := "?"
						if d == sqlstore.PostgreSQL {
							mark = "$1"
						}
						_, err := db.ExecContext(ctx, "UPDATE outhook_delivery SET inline = '{' WHERE id = "+mark, id)
						return err
					},
				}
			}, storetest.Options{Require: require, Volume: volume})
		})
	}
}
