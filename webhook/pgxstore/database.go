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

// pipeline keeps back what nobody waits for until something that has a result is
// asked for, and sends all of it in one round trip. An error of the former comes
// with the latter; PostgreSQL runs nothing after it, nor lets the transaction
// commit.
type pipeline struct {
	conn conn
	kept []statement
}

type statement struct {
	text string
	args []any
	row  func(sqlcore.Rows) error // nil where it has no rows
}

// maxKept bounds what is kept back.
const maxKept = 32

func (p *pipeline) later(text string, args ...any) {
	p.kept = append(p.kept, statement{text: text, args: args})
}

// Exec implements sqlcore.Querier.
func (p *pipeline) Exec(ctx context.Context, query string, args ...any) error {
	return p.keep(ctx, statement{text: query, args: args})
}

// QueryLater implements sqlcore.Pipeliner.
func (p *pipeline) QueryLater(ctx context.Context, query string, args []any, row func(sqlcore.Rows) error) error {
	return p.keep(ctx, statement{text: query, args: args, row: row})
}

func (p *pipeline) keep(ctx context.Context, s statement) error {
	p.kept = append(p.kept, s)
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
	before := p.kept
	p.later(query, args...)
	results := p.send(ctx)
	if _, err := finish(results, before); err != nil {
		return nil, err
	}
	r, err := results.Query()
	if err != nil {
		return nil, errors.Join(err, unlike(closeBatch(results), err))
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

// closeBatch closes results for good: where their last rows ended in an error, pgx
// returns it from the first Close, and the connection is free after another one.
func closeBatch(results pgx.BatchResults) error {
	err := results.Close()
	if again := results.Close(); err == nil {
		err = again
	}
	return err
}

// flush sends what is kept back, and returns the tag of the last of it.
func (p *pipeline) flush(ctx context.Context) (pgconn.CommandTag, error) {
	sent := p.kept
	results := p.send(ctx)
	tag, err := finish(results, sent)
	if err != nil {
		return tag, err
	}
	return tag, closeBatch(results)
}

// finish reads the results of what was sent, and returns the last one's tag. After
// an error it has closed them all.
func finish(results pgx.BatchResults, sent []statement) (tag pgconn.CommandTag, err error) {
	for _, s := range sent {
		if s.row == nil {
			tag, err = results.Exec()
		} else {
			err = readRows(results, s.row)
		}
		if err != nil {
			return tag, errors.Join(err, unlike(closeBatch(results), err))
		}
	}
	return tag, nil
}

func readRows(results pgx.BatchResults, row func(sqlcore.Rows) error) error {
	r, err := results.Query()
	if err != nil {
		return err
	}
	defer r.Close()
	for r.Next() {
		if err := row(rows{Rows: r}); err != nil {
			return err
		}
	}
	return r.Err()
}

func (p *pipeline) send(ctx context.Context) pgx.BatchResults { //nolint:ireturn // pgx has nothing else
	var batch pgx.Batch
	for _, s := range p.kept {
		batch.Queue(s.text, s.args...)
	}
	p.kept = nil
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

var _ sqlcore.Pipeliner = (*pipeline)(nil)

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
