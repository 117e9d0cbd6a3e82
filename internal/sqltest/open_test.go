package sqltest_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/outhook/outhook/webhook/sqlstore"
)

var dialects = []sqlstore.Dialect{sqlstore.SQLite, sqlstore.PostgreSQL, sqlstore.MySQL}

// place is an empty place for the tables of one test.
type place struct {
	driver, dsn string
	dialect     sqlstore.Dialect
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

func unique() string { return fmt.Sprintf("outhook_%x", rand.Uint64()) }

func run(tb testing.TB, db *sql.DB, text string) {
	tb.Helper()
	for stmt := range strings.SplitSeq(text, ";\n") {
		if strings.TrimSpace(stmt) == "" {
			continue
		}
		if _, err := db.ExecContext(context.Background(), stmt); err != nil {
			tb.Fatalf("%s: %v", stmt, err)
		}
	}
}

// newPlace makes a file, a schema or a database, which goes with the test.
func newPlace(tb testing.TB, d sqlstore.Dialect) place {
	tb.Helper()
	switch d {
	case sqlstore.SQLite:
		file := filepath.Join(tb.TempDir(), "store.db")
		return place{driver: "sqlite", dialect: d, dsn: "file:" + file +
			"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)"}
	case sqlstore.PostgreSQL:
		base := env("OUTHOOK_POSTGRES", "postgres://postgres@127.0.0.1:5432/test?sslmode=disable")
		name := unique()
		admin(tb, "pgx", base, "CREATE SCHEMA "+name, "DROP SCHEMA "+name+" CASCADE")
		u, err := url.Parse(base)
		if err != nil {
			tb.Fatal(err)
		}
		q := u.Query()
		q.Set("search_path", name)
		u.RawQuery = q.Encode()
		return place{driver: "pgx", dialect: d, dsn: u.String()}
	case sqlstore.MySQL:
		base := env("OUTHOOK_MYSQL", "root@tcp(127.0.0.1:3306)/")
		name := unique()
		admin(tb, "mysql", base, "CREATE DATABASE "+name, "DROP DATABASE "+name)
		return place{driver: "mysql", dialect: d, dsn: base + name + "?charset=utf8mb4"}
	}
	tb.Fatalf("unknown dialect %v", d)
	return place{}
}

func admin(tb testing.TB, driver, dsn, create, drop string) {
	tb.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := db.ExecContext(context.Background(), create); err != nil {
		tb.Fatalf("%s: %v", create, err)
	}
	tb.Cleanup(func() {
		if _, err := db.ExecContext(context.Background(), drop); err != nil {
			tb.Errorf("%s: %v", drop, err)
		}
		_ = db.Close()
	})
}

// open opens a pool.
func (p place) open(tb testing.TB) *sql.DB {
	tb.Helper()
	db, err := sql.Open(p.driver, p.dsn)
	if err != nil {
		tb.Fatal(err)
	}
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

// store opens a store on a new place.
func store(tb testing.TB, d sqlstore.Dialect) (*sqlstore.Store, *sql.DB, place) {
	tb.Helper()
	p := newPlace(tb, d)
	db := p.open(tb)
	run(tb, db, sqlstore.Schema(d))
	return bind(tb, db, d), db, p
}

func bind(tb testing.TB, db *sql.DB, d sqlstore.Dialect) *sqlstore.Store {
	tb.Helper()
	s, err := sqlstore.Open(context.Background(), db, sqlstore.Options{Dialect: d})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}
