package pgxstore

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outhook/outhook/webhook/internal/sqlcore"
)

// conn runs statements: a pool, a connection or a transaction.
type conn interface {
	Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// querier is a conn as sqlcore wants it.
type querier struct{ conn conn }

func (q querier) Exec(ctx context.Context, query string, args ...any) error {
	_, err := q.conn.Exec(ctx, query, args...)
	return err
}

func (q querier) Query(ctx context.Context, query string, args ...any) (sqlcore.Rows, error) { //nolint:ireturn // as sqlcore wants it
	r, err := q.conn.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return rows{Rows: r}, nil
}

// pipeline keeps back what has no result until something that has one is asked
// for, and sends all of it in one round trip. An error of the former comes with
// the latter; PostgreSQL runs nothing after it, nor lets the transaction commit.
type pipeline struct {
	conn conn
	kept []statement
}

type statement struct {
	text string
	args []any
}

// maxKept bounds what is kept back.
const maxKept = 32

func (p *pipeline) later(text string, args ...any) {
	p.kept = append(p.kept, statement{text: text, args: args})
}

// Exec implements sqlcore.Querier.
func (p *pipeline) Exec(ctx context.Context, query string, args ...any) error {
	p.later(query, args...)
	if len(p.kept) < maxKept {
		return nil
	}
	_, err := p.flush(ctx)
	return err
}

// Query implements sqlcore.Querier.
func (p *pipeline) Query(ctx context.Context, query string, args ...any) (sqlcore.Rows, error) { //nolint:ireturn // as sqlcore wants it
	if len(p.kept) == 0 {
		return querier{p.conn}.Query(ctx, query, args...)
	}
	n := len(p.kept)
	p.later(query, args...)
	results := p.send(ctx)
	for range n {
		if _, err := results.Exec(); err != nil {
			return nil, errors.Join(err, unlike(results.Close(), err))
		}
	}
	r, err := results.Query()
	if err != nil {
		return nil, errors.Join(err, unlike(results.Close(), err))
	}
	return rows{Rows: r, batch: results}, nil
}

// unlike leaves out an error that says the same once more.
func unlike(err, first error) error {
	if err != nil && err.Error() == first.Error() {
		return nil
	}
	return err
}

// flush sends what is kept back, and returns the tag of the last of it.
func (p *pipeline) flush(ctx context.Context) (pgconn.CommandTag, error) {
	n := len(p.kept)
	results := p.send(ctx)
	var tag pgconn.CommandTag
	for range n {
		var err error
		if tag, err = results.Exec(); err != nil {
			return tag, errors.Join(err, unlike(results.Close(), err))
		}
	}
	return tag, results.Close()
}

func (p *pipeline) send(ctx context.Context) pgx.BatchResults { //nolint:ireturn // pgx has nothing else
	var batch pgx.Batch
	for _, s := range p.kept {
		batch.Queue(s.text, s.args...)
	}
	p.kept = p.kept[:0]
	return p.conn.SendBatch(ctx, &batch)
}

// database is a pool as sqlcore wants it.
type database struct{ pool *pgxpool.Pool }

// Exec implements sqlcore.Querier.
func (d database) Exec(ctx context.Context, query string, args ...any) error {
	return querier{d.pool}.Exec(ctx, query, args...)
}

// Query implements sqlcore.Querier.
func (d database) Query(ctx context.Context, query string, args ...any) (sqlcore.Rows, error) { //nolint:ireturn // as sqlcore wants it
	return querier{d.pool}.Query(ctx, query, args...)
}

// Tx implements sqlcore.DB. Neither the beginning nor the end of the
// transaction costs a round trip of its own.
func (d database) Tx(ctx context.Context, f func(sqlcore.Querier) error) error {
	c, err := d.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release()
	p := &pipeline{conn: c}
	p.later("BEGIN ISOLATION LEVEL READ COMMITTED")
	if err = f(p); err == nil {
		p.later("COMMIT")
		var tag pgconn.CommandTag
		tag, err = p.flush(ctx)
		if err == nil && tag.String() == "ROLLBACK" {
			err = pgx.ErrTxCommitRollback
		}
	}
	if err != nil {
		undo(ctx, c)
	}
	return err
}

// undo rolls back. What it leaves behind after an error of its own, the pool
// closes: it takes no connection back that is in a transaction.
func undo(ctx context.Context, c *pgxpool.Conn) {
	if c.Conn().IsClosed() || c.Conn().PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, _ = c.Exec(ctx, "ROLLBACK") // the error that led here says more
}
