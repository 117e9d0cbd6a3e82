package pgxstore_test

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outhook/outhook/webhook/pgxstore"
	"github.com/outhook/outhook/webhook/storetest"
)

// TestConformance runs the large cases with 1,000 deliveries, and with 10,000
// where OUTHOOK_FULL is set; -short takes 200.
func TestConformance(t *testing.T) {
	volume := 1000
	switch {
	case os.Getenv("OUTHOOK_FULL") != "":
		volume = 10_000
	case testing.Short(): // as with the race detector
		volume = 200
	}
	for _, tt := range []struct {
		name   string
		change func(*pgxpool.Config)
	}{
		{name: "prepared statements"},
		{name: "behind a pooler without them", change: func(c *pgxpool.Config) {
			c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // most cases wait most of the time
			dsn := place(t)
			tables(t, pool(t, dsn, nil))
			storetest.Run(t, func(t *testing.T) storetest.Store {
				t.Helper()
				p := pool(t, dsn, tt.change)
				empty(t, p)
				s := open(t, p, pgxstore.Options{})
				return storetest.Store{
					Queue: s, Endpoints: s,
					Begin: func(ctx context.Context) (storetest.Tx, error) {
						tx, err := p.Begin(ctx)
						if err != nil {
							return storetest.Tx{}, err
						}
						return storetest.Tx{
							Outbox:   s.InTx(tx),
							Commit:   func() error { return tx.Commit(ctx) },
							Rollback: func() error { return tx.Rollback(ctx) },
						}, nil
					},
					Peer: func(t *testing.T) storetest.Store {
						t.Helper()
						peer := open(t, pool(t, dsn, tt.change), pgxstore.Options{})
						return storetest.Store{Queue: peer, Endpoints: peer}
					},
					Corrupt: func(ctx context.Context, id string) error {
						_, err := p.Exec(ctx, "UPDATE outhook_delivery SET inline = '{' WHERE id = $1", id)
						return err
					},
				}
			}, storetest.Options{Require: storetest.All, Volume: volume})
		})
	}
}
