package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/go-sql-driver/mysql" // registers "mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // registers "pgx"
	_ "modernc.org/sqlite"             // registers "sqlite"

	"github.com/outhook/outhook/webhook/pgxstore"
	"github.com/outhook/outhook/webhook/sqlstore"
)

// place is an empty schema, database or file, for one run.
type place struct {
	dialect sqlstore.Dialect
	driver  string
	dsn     string
	drop    func() error
}

func fromEnv(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

func postgresURL() string {
	return fromEnv("OUTHOOK_POSTGRES", "postgres://postgres@127.0.0.1:5432/test?sslmode=disable")
}

func mariaDBAddress() string { return fromEnv("OUTHOOK_MYSQL", "root@tcp(127.0.0.1:3306)/") }

// newPlace makes a place that nobody else uses.
func newPlace(ctx context.Context, d sqlstore.Dialect) (*place, error) {
	name := "outhook_bench_" + strings.ToLower(rand.Text()[:12])
	switch d {
	case sqlstore.SQLite:
		dir, err := os.MkdirTemp("", name)
		if err != nil {
			return nil, err
		}
		return &place{
			dialect: d, driver: "sqlite", drop: func() error { return os.RemoveAll(dir) },
			dsn: "file:" + filepath.Join(dir, "bench.db") +
				"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)",
		}, nil
	case sqlstore.PostgreSQL:
		base := postgresURL()
		u, err := url.Parse(base)
		if err != nil {
			return nil, fmt.Errorf("OUTHOOK_POSTGRES: %w", err)
		}
		q := u.Query()
		q.Set("search_path", name)
		u.RawQuery = q.Encode()
		return makePlace(ctx, &place{dialect: d, driver: "pgx", dsn: u.String()}, base, "CREATE SCHEMA "+name, "DROP SCHEMA "+name+" CASCADE")
	case sqlstore.MySQL:
		base := mariaDBAddress()
		return makePlace(ctx, &place{dialect: d, driver: "mysql", dsn: base + name + "?charset=utf8mb4"}, base, "CREATE DATABASE "+name, "DROP DATABASE "+name)
	}
	return nil, fmt.Errorf("no database for %v", d)
}

func makePlace(ctx context.Context, p *place, base, create, drop string) (*place, error) {
	if err := p.admin(ctx, base, create); err != nil {
		return nil, err
	}
	p.drop = func() error { return p.admin(context.WithoutCancel(ctx), base, drop) }
	return p, nil
}

func (p *place) admin(ctx context.Context, dsn, text string) (err error) {
	db, err := sql.Open(p.driver, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, text); err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	return nil
}

// connections is how many a pool may open.
const connections = 8

// open opens a pool and makes the tables of schema.
func (p *place) open(ctx context.Context, schema string) (*sql.DB, error) {
	db, err := sql.Open(p.driver, p.dsn)
	if err != nil {
		return nil, errors.Join(err, p.drop())
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	if err := runAll(ctx, db, schema); err != nil {
		return nil, errors.Join(err, db.Close(), p.drop())
	}
	return db, nil
}

// runAll runs statements that end with a semicolon at the end of a line.
func runAll(ctx context.Context, db *sql.DB, text string) error {
	for stmt := range strings.SplitSeq(text, ";\n") {
		if strings.TrimSpace(stmt) == "" {
			continue
		}
		if _, err := db.ExecContext(ctx, stmt); err != nil {
			return fmt.Errorf("%s: %w", stmt, err)
		}
	}
	return nil
}

// calm lets the server write what it put off, and look at the new rows, before
// the clock starts.
func calm(ctx context.Context, db *sql.DB, d sqlstore.Dialect) error {
	switch d {
	case sqlstore.SQLite:
		return runAll(ctx, db, "PRAGMA wal_checkpoint(TRUNCATE)")
	case sqlstore.PostgreSQL:
		return runAll(ctx, db, "ANALYZE;\nCHECKPOINT;\n")
	case sqlstore.MySQL:
	}
	return nil
}

// openSQL opens the product's store on a new place.
func openSQL(d sqlstore.Dialect) opener {
	return func(ctx context.Context) (*opened, error) {
		p, err := newPlace(ctx, d)
		if err != nil {
			return nil, err
		}
		db, err := p.open(ctx, sqlstore.Schema(d))
		if err != nil {
			return nil, err
		}
		end := func() error { return errors.Join(db.Close(), p.drop()) }
		s, err := sqlstore.Open(ctx, db, sqlstore.Options{Dialect: d})
		if err != nil {
			return nil, errors.Join(err, end())
		}
		return &opened{store: s, ready: func(ctx context.Context) error { return calm(ctx, db, d) }, end: end}, nil
	}
}

// openPgx opens the product's store through pgx on a new place.
func openPgx(ctx context.Context) (*opened, error) {
	p, err := newPlace(ctx, sqlstore.PostgreSQL)
	if err != nil {
		return nil, err
	}
	db, err := p.open(ctx, pgxstore.Schema())
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, errors.Join(err, p.drop())
	}
	o, err := p.pgx(ctx, nil)
	if err != nil {
		return nil, errors.Join(err, p.drop())
	}
	closePool := o.end
	o.end = func() error { return errors.Join(closePool(), p.drop()) }
	return o, nil
}

// pgx opens a store on a place that has its tables, as one process of many
// does.
func (p *place) pgx(ctx context.Context, trace pgx.QueryTracer) (*opened, error) {
	pool, err := p.pool(ctx, trace)
	if err != nil {
		return nil, err
	}
	s, err := pgxstore.Open(ctx, pool, pgxstore.Options{})
	if err != nil {
		pool.Close()
		return nil, err
	}
	return &opened{
		store: s, ready: (&pgTable{pool: pool}).calm,
		end:   func() error { pool.Close(); return nil },
		again: func(ctx context.Context) (*opened, error) { return p.pgx(ctx, nil) },
		place: p,
	}, nil
}

func (p *place) pool(ctx context.Context, trace pgx.QueryTracer) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(p.dsn)
	if err != nil {
		return nil, err
	}
	c.MaxConns, c.ConnConfig.Tracer = connections, trace
	return pgxpool.NewWithConfig(ctx, c)
}
