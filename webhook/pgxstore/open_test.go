package pgxstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outhook/outhook/webhook"
	"github.com/outhook/outhook/webhook/pgxstore"
)

// place makes a schema of its own in the database at OUTHOOK_POSTGRES, which
// goes with the test, and returns its URL.
func place(tb testing.TB) string {
	tb.Helper()
	base := os.Getenv("OUTHOOK_POSTGRES")
	if base == "" {
		base = "postgres://postgres@127.0.0.1:5432/test?sslmode=disable"
	}
	name := fmt.Sprintf("outhook_%x", rand.Uint64())
	admin(tb, base, "CREATE SCHEMA "+name)
	tb.Cleanup(func() { admin(tb, base, "DROP SCHEMA "+name+" CASCADE") })
	u, err := url.Parse(base)
	if err != nil {
		tb.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}

func admin(tb testing.TB, dsn, text string) {
	tb.Helper()
	ctx := context.Background()
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	if _, err := c.Exec(ctx, text); err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
}

// pool opens a pool; change may be nil.
func pool(tb testing.TB, dsn string, change func(*pgxpool.Config)) *pgxpool.Pool {
	tb.Helper()
	c, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	c.MaxConns = 16
	if change != nil {
		change(c)
	}
	p, err := pgxpool.NewWithConfig(context.Background(), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.Close)
	return p
}

// tables makes the tables.
func tables(tb testing.TB, p *pgxpool.Pool) {
	tb.Helper()
	if _, err := p.Exec(context.Background(), pgxstore.Schema(), pgx.QueryExecModeSimpleProtocol); err != nil {
		tb.Fatal(err)
	}
}

// empty removes what an earlier case left, which is faster than new tables.
func empty(tb testing.TB, p *pgxpool.Pool) {
	tb.Helper()
	for _, table := range []string{"endpoint", "message", "delivery", "queue", "lane", "mark", "final", "attempt", "rate"} {
		if _, err := p.Exec(context.Background(), "DELETE FROM outhook_"+table); err != nil {
			tb.Fatal(err)
		}
	}
}

func open(tb testing.TB, p *pgxpool.Pool, o pgxstore.Options) *pgxstore.Store {
	tb.Helper()
	s, err := pgxstore.Open(context.Background(), p, o)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// A type that embeds the store may choose among the endpoints: nothing is
// remembered for it.
func TestRecallIsNotInherited(t *testing.T) {
	p := pool(t, place(t), nil)
	tables(t, p)
	s := open(t, p, pgxstore.Options{})
	q := webhook.Query{Scopes: []webhook.Scope{"link:1"}, Type: "a"}
	if _, err := s.Match(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	type embeds struct{ *pgxstore.Store }
	outer := embeds{s}
	_, own := s.Recall(s, q)
	if _, check := outer.Recall(outer, q); check != nil || own == nil {
		t.Errorf("there is %v to check by for the store, and %v for a type that embeds it; want something, and nothing", own, check)
	}
}
