package crash_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "modernc.org/sqlite"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/pgxstore"
	"github.com/outhook/outhook/webhook/sqlstore"
)

// allOf is a store with everything that the ready ones have.
type allOf interface { //nolint:interfacebloat // it stands for a type
	webhook.Queue
	webhook.EndpointStore
	webhook.EndpointAdmin
	webhook.BatchOutbox
	webhook.Extender
	webhook.RateLimiter
	webhook.History
	webhook.Canceler
	webhook.Counter
	webhook.Purger
}

// backend is the database of a host: a store, and a table of its own.
type backend struct {
	store allOf
	// inTx runs f in a transaction that also writes order n.
	inTx func(ctx context.Context, n int64, commit bool, f func(webhook.Outbox) error) error
	// orders lists what is in the table.
	orders func(ctx context.Context) (map[int64]bool, error)
	close  func()
}

const ordersTable = "CREATE TABLE orders (n BIGINT NOT NULL PRIMARY KEY)"

func openBackend(ctx context.Context, kind, dsn string) (*backend, error) {
	if kind == "SQLite" {
		return openSQLite(ctx, dsn)
	}
	return openPostgres(ctx, dsn)
}

func openSQLite(ctx context.Context, dsn string) (*backend, error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	s, err := sqlstore.Open(ctx, db, sqlstore.Options{Dialect: sqlstore.SQLite})
	if err != nil {
		return nil, err
	}
	return &backend{
		store: s,
		close: func() { _ = db.Close() },
		inTx: func(ctx context.Context, n int64, commit bool, f func(webhook.Outbox) error) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			if _, err := tx.ExecContext(ctx, "INSERT INTO orders (n) VALUES (?)", n); err != nil {
				return err
			}
			if err := f(s.InTx(tx)); err != nil || !commit {
				return err
			}
			return tx.Commit()
		},
		orders: func(ctx context.Context) (map[int64]bool, error) {
			rows, err := db.QueryContext(ctx, "SELECT n FROM orders")
			if err != nil {
				return nil, err
			}
			defer rows.Close()
			all := map[int64]bool{}
			for rows.Next() {
				var n int64
				if err := rows.Scan(&n); err != nil {
					return nil, err
				}
				all[n] = true
			}
			return all, rows.Err()
		},
	}, nil
}

func openPostgres(ctx context.Context, dsn string) (*backend, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.MaxConns = 8
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	s, err := pgxstore.Open(ctx, pool, pgxstore.Options{})
	if err != nil {
		return nil, err
	}
	return &backend{
		store: s,
		close: pool.Close,
		inTx: func(ctx context.Context, n int64, commit bool, f func(webhook.Outbox) error) error {
			tx, err := pool.Begin(ctx)
			if err != nil {
				return err
			}
			defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // after a commit it says so
			if _, err := tx.Exec(ctx, "INSERT INTO orders (n) VALUES ($1)", n); err != nil {
				return err
			}
			if err := f(s.InTx(tx)); err != nil || !commit {
				return err
			}
			return tx.Commit(ctx)
		},
		orders: func(ctx context.Context) (map[int64]bool, error) {
			rows, _ := pool.Query(ctx, "SELECT n FROM orders") // CollectRows has its error
			list, err := pgx.CollectRows(rows, pgx.RowTo[int64])
			all := make(map[int64]bool, len(list))
			for _, n := range list {
				all[n] = true
			}
			return all, err
		},
	}, nil
}

// place makes an empty database with the tables, which goes with the test.
func place(t *testing.T, kind string) string {
	t.Helper()
	ctx := context.Background()
	if kind == "SQLite" {
		dsn := "file:" + t.TempDir() + "/host.db?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)"
		db, err := sql.Open("sqlite", dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		for _, text := range append(strings.Split(sqlstore.Schema(sqlstore.SQLite), ";\n"), ordersTable) {
			if strings.TrimSpace(text) == "" {
				continue
			}
			if _, err := db.ExecContext(ctx, text); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		return dsn
	}
	base := os.Getenv("OUTHOOK_POSTGRES")
	if base == "" {
		base = "postgres://postgres@127.0.0.1:5432/test?sslmode=disable"
	}
	name := fmt.Sprintf("outhook_%x", rand.Uint64())
	run(t, base, "CREATE SCHEMA "+name)
	t.Cleanup(func() { run(t, base, "DROP SCHEMA "+name+" CASCADE") })
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", name)
	q.Set("application_name", name)
	u.RawQuery = q.Encode()
	run(t, u.String(), pgxstore.Schema()+ordersTable)
	return u.String()
}

func run(t *testing.T, dsn, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	if _, err := c.PgConn().Exec(ctx, text).ReadAll(); err != nil {
		t.Fatalf("%.80s: %v", text, err)
	}
}

// openDeliveries lists what is not final, as message/endpoint.
func openDeliveries(ctx context.Context, h webhook.History) (map[string]bool, error) {
	open := map[string]bool{}
	q := webhook.HistoryQuery{States: []webhook.State{webhook.Pending, webhook.Running, webhook.Held}, Limit: 1000}
	for {
		page, next, err := h.Deliveries(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range page {
			open[page[i].MessageID+"/"+page[i].EndpointID] = true
		}
		if next == "" {
			return open, nil
		}
		q.Cursor = next
	}
}
