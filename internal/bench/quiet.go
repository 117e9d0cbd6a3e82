package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/outhook/outhook/webhook/pgxstore"
	"github.com/outhook/outhook/webhook/sqlstore"
)

const (
	factQueries = "queries a second by the server's own count"
	factSent    = "statements a second that the client sent"
)

// quiets are the scenarios of a dispatcher that has nothing to do.
func quiets() []scenario {
	quiet := func(name, about string, open func(context.Context) (*watched, error)) scenario {
		return scenario{
			Name: "quiet/" + name, N: 12, Short: 3, Of: cpu, Repeat: 1,
			About:  "CPU a second of an idle dispatcher on " + about,
			Floor:  "the server alone: what others ask it is in its count",
			Limits: []limit{{Fact: factQueries, Most: 20}, {Fact: factSent, Most: 20}},
			Open: func(_ context.Context, e *env) ([]arm, func() error, error) {
				return []arm{{Name: "floor", Run: watch(e, open, false)}, {Name: "default", Run: watch(e, open, true)}}, nil, nil
			},
		}
	}
	return []scenario{
		quiet("postgres", "PostgreSQL, through pgxstore; the server counts transactions", watchPostgres),
		quiet("mariadb", "MariaDB, through sqlstore", watchMariaDB),
	}
}

// watched is a store, and what its server counts.
type watched struct {
	*opened
	count func(ctx context.Context) (int, error)
	sent  *atomic.Int64 // by the client; stays 0 where nobody counts
}

// watch waits for l.n seconds.
func watch(e *env, open func(context.Context) (*watched, error), run bool) func(context.Context, load) (sample, error) {
	return func(ctx context.Context, l load) (_ sample, err error) {
		x, err := open(ctx)
		if err != nil {
			return sample{}, err
		}
		p := &product{wire: newWire(e), policy: stored, open: func(context.Context) (*opened, error) { return x.opened, nil }}
		r, err := p.start(ctx, nil)
		if err != nil {
			return sample{}, err
		}
		if run {
			r.work(ctx)
		}
		defer func() { err = errors.Join(err, r.stop()) }()
		if err := rest(ctx, 2*time.Second); err != nil { // what the start asked is counted by then
			return sample{}, err
		}
		m, err := startMeter(ctx)
		if err != nil {
			return sample{}, err
		}
		asked, err := x.count(ctx)
		if err != nil {
			return sample{}, err
		}
		said := x.sent.Load()
		if err := rest(ctx, time.Duration(l.n)*time.Second); err != nil {
			return sample{}, err
		}
		now, err := x.count(ctx)
		said = x.sent.Load() - said
		s, stopErr := m.stop(l.n)
		s.Facts = map[string]float64{factQueries: s.per(float64(now - asked))}
		if said > 0 {
			s.Facts[factSent] = s.per(float64(said))
		}
		return s, errors.Join(err, stopErr)
	}
}

// statements counts what goes to the server.
type statements struct{ n atomic.Int64 }

// TraceQueryStart implements pgx.QueryTracer.
func (t *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	t.n.Add(1)
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (*statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart implements pgx.BatchTracer.
func (*statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

// TraceBatchQuery implements pgx.BatchTracer.
func (t *statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) { t.n.Add(1) }

// TraceBatchEnd implements pgx.BatchTracer.
func (*statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// watchPostgres opens a store in a database of its own, since PostgreSQL counts
// by database.
func watchPostgres(ctx context.Context) (*watched, error) {
	base := postgresURL()
	name := "outhook_bench_" + strings.ToLower(rand.Text()[:12])
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("OUTHOOK_POSTGRES: %w", err)
	}
	u.Path = "/" + name
	p, err := makePlace(ctx, &place{dialect: sqlstore.PostgreSQL, driver: "pgx", dsn: u.String()}, base, "CREATE DATABASE "+name, "DROP DATABASE "+name+" WITH (FORCE)")
	if err != nil {
		return nil, err
	}
	made, err := p.open(ctx, pgxstore.Schema())
	if err != nil {
		return nil, err
	}
	t := &statements{}
	o, err := p.pgx(ctx, t)
	admin, openErr := sql.Open(p.driver, base)
	if err := errors.Join(err, openErr, made.Close()); err != nil {
		return nil, errors.Join(err, p.drop())
	}
	closePool := o.end
	o.end = func() error { return errors.Join(closePool(), admin.Close(), p.drop()) }
	return &watched{
		opened: o, sent: &t.n,
		count: func(ctx context.Context) (n int, err error) {
			err = admin.QueryRowContext(ctx, "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = $1", name).Scan(&n)
			return n, err
		},
	}, nil
}

// watchMariaDB opens a store on a server that counts for all its clients
// together.
func watchMariaDB(ctx context.Context) (*watched, error) {
	o, err := openSQL(sqlstore.MySQL)(ctx)
	if err != nil {
		return nil, err
	}
	admin, err := sql.Open("mysql", mariaDBAddress())
	if err != nil {
		return nil, errors.Join(err, o.end())
	}
	end := o.end
	o.end = func() error { return errors.Join(admin.Close(), end()) }
	return &watched{
		opened: o, sent: &atomic.Int64{},
		count: func(ctx context.Context) (n int, err error) {
			var name string
			err = admin.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE 'Questions'").Scan(&name, &n)
			return n, err
		},
	}, nil
}
