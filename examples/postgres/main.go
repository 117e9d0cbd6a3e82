// Command postgres is a host whose orders and their webhooks are written in one
// transaction, and sent by two worker processes that share the database.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outhook/outhook/examples/internal/kit"
	"github.com/outhook/outhook/retry"
	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/pgxstore"
)

// OrderPlaced is an event: the host's own struct, which says its type.
type OrderPlaced struct {
	ID       int64  `json:"id" webhook:"required"`
	Customer string `json:"customer"`
	Cents    int64  `json:"cents"`
}

// EventType implements webhook.Event.
func (OrderPlaced) EventType() string { return "order.placed" }

func shop() webhook.Scope { return webhook.In("shop", "1") }

// ordersTable is the host's own.
const ordersTable = `CREATE TABLE orders (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer text NOT NULL, cents bigint NOT NULL CHECK (cents > 0)
);
`

func main() { kit.Main(run) }

// flags are the example's own.
type flags struct {
	kit.Options

	database string
	worker   string
	orders   int
}

func run(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("postgres", flag.ContinueOnError)
	var f flags
	fs.StringVar(&f.database, "database", "postgres://postgres@127.0.0.1:5432/test?sslmode=disable",
		"the database's `URL`; the example works in a schema of its own, and drops it")
	fs.StringVar(&f.worker, "worker", "", "be the worker process of this `name`")
	fs.IntVar(&f.orders, "orders", 20, "place this many orders")
	var err error
	if f.Options, err = kit.Parse(fs, args); err != nil {
		return err
	}
	if f.worker != "" {
		return work(ctx, &f, out)
	}
	return tell(ctx, &f, out)
}

// work is a worker process: it sends what any process enqueued, until it is
// told to end. There may be any number of them.
func work(ctx context.Context, f *flags, out io.Writer) error {
	pool, err := pgxpool.New(ctx, f.database)
	if err != nil {
		return err
	}
	defer pool.Close()
	d, _, err := newDispatcher(ctx, pool, f, out)
	if err != nil {
		return err
	}
	return d.Run(ctx) // it listens for new work, and drains before it returns
}

func newDispatcher(ctx context.Context, pool *pgxpool.Pool, f *flags, out io.Writer) (*webhook.Dispatcher, *pgxstore.Store, error) {
	store, err := pgxstore.Open(ctx, pool, pgxstore.Options{})
	if err != nil {
		return nil, nil, err
	}
	policy := retry.AtLeastOnce()
	policy.Schedule = f.Schedule(policy.Schedule)
	d, err := webhook.New(webhook.Config{
		Endpoints:  store,
		Queue:      store,
		Policies:   []retry.Policy{policy},
		Transports: []webhook.Transport{f.Transport(out)},
		UserAgent:  "shop/" + f.worker,
		ClaimBatch: 4, // so that two workers share what a handful of orders is
	})
	return d, store, err
}

// placeOrder writes an order and its webhooks in one transaction: after it both
// are there, or neither.
func placeOrder(ctx context.Context, pool *pgxpool.Pool, d *webhook.Dispatcher, store *pgxstore.Store, e OrderPlaced) error {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, "INSERT INTO orders (customer, cents) VALUES ($1, $2) RETURNING id", e.Customer, e.Cents).Scan(&e.ID)
		if err != nil {
			return err
		}
		if _, err := d.DispatchTx(ctx, store.InTx(tx), e, shop()); err != nil {
			return err
		}
		return pay(e)
	})
	if err != nil {
		return err
	}
	d.Wake() // where this process sends as well; others have heard of it
	return nil
}

// pay stands for what else a transaction does, and may fail in.
func pay(e OrderPlaced) error {
	if e.Customer == "" {
		return fmt.Errorf("order %d: nobody pays for it", e.ID)
	}
	return nil
}
