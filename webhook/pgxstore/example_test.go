package pgxstore_test

import (
	"context"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/pgxstore"
)

// example opens a pool on a schema that goes when the connection does.
func example(ctx context.Context) *pgxpool.Pool {
	dsn := os.Getenv("OUTHOOK_POSTGRES")
	if dsn == "" {
		dsn = "postgres://postgres@127.0.0.1:5432/test?sslmode=disable"
	}
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		panic(err)
	}
	config.MaxConns = 1
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, "SET search_path = pg_temp")
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		panic(err)
	}
	return pool
}

func Example() {
	ctx := context.Background()
	pool := example(ctx)
	defer pool.Close()
	if _, err := pool.Exec(ctx, pgxstore.Schema(), pgx.QueryExecModeSimpleProtocol); err != nil {
		fmt.Println(err)
		return
	}
	store, err := pgxstore.Open(ctx, pool, pgxstore.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = store.Set(ctx, &webhook.Endpoint{
		ID: "ep_1", Scope: webhook.In("list", "7"), URL: "https://receiver.example/hook", Encoder: "json", Status: webhook.Active,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := webhook.New(webhook.Config{Endpoints: store, Queue: store})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, commit := range []bool{false, true} {
		tx, err := pool.Begin(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		// The host's own statements go here.
		receipt, err := d.DispatchTx(ctx, store.InTx(tx), added{ID: "1"}, webhook.In("list", "7"))
		if err == nil && commit {
			err = tx.Commit(ctx)
		} else {
			_ = tx.Rollback(ctx)
		}
		counts, _ := store.Counts(ctx)
		fmt.Println("deliveries:", len(receipt.Deliveries), "committed:", commit, "pending:", counts.Pending, err)
	}
	// Output:
	// deliveries: 1 committed: false pending: 0 <nil>
	// deliveries: 1 committed: true pending: 1 <nil>
}

// The host puts the text of Schema into its own migrations.
func ExampleSchema() {
	fmt.Println(pgxstore.Schema()[:29])
	// Output:
	// CREATE TABLE outhook_schema (
}
