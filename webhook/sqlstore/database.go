package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"

	"github.com/outhook/outhook/webhook/internal/sqlcore"
)

// querier is a Tx as sqlcore wants it.
type querier struct{ tx Tx }

func (q querier) Exec(ctx context.Context, query string, args ...any) error {
	_, err := q.tx.ExecContext(ctx, query, args...)
	return err
}

func (q querier) Query(ctx context.Context, query string, args ...any) (sqlcore.Rows, error) { //nolint:ireturn // sqlcore's seam
	return q.tx.QueryContext(ctx, query, args...) //nolint:rowserrcheck // the caller does
}

// ExecEach implements sqlcore.Repeater. Some drivers start a goroutine for each
// call that can be cancelled, so the context is looked at between the calls.
func (q querier) ExecEach(ctx context.Context, query string, n int, args func(i int) []any) error {
	one := func(ctx context.Context, args ...any) (sql.Result, error) {
		return q.tx.ExecContext(ctx, query, args...)
	}
	if p, ok := q.tx.(preparer); ok {
		stmt, err := p.PrepareContext(ctx, query)
		if err != nil {
			return err
		}
		defer stmt.Close() //nolint:errcheck // the connection's fault would show in its next statement
		one = stmt.ExecContext
	}
	whole := context.WithoutCancel(ctx)
	for i := range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := one(whole, args(i)...); err != nil {
			return err
		}
	}
	return nil
}

type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// database is a pool of connections.
type database struct {
	querier
	db      *sql.DB
	dialect Dialect
	// writer is the right to write, on SQLite, which has one writer: there, who
	// finds the lock taken sleeps longer and longer and looks again.
	writer chan struct{}
}

// Tx implements sqlcore.DB.
func (d *database) Tx(ctx context.Context, f func(sqlcore.Querier) error) error {
	if d.dialect == SQLite {
		return d.immediate(ctx, f)
	}
	tx, err := d.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	if err := f(querier{tx}); err != nil {
		_ = tx.Rollback() // err says more
		return err
	}
	return tx.Commit()
}

// immediate is a transaction that has SQLite's write lock from the beginning,
// which database/sql cannot say.
func (d *database) immediate(ctx context.Context, f func(sqlcore.Querier) error) error {
	select {
	case d.writer <- struct{}{}:
		defer func() { <-d.writer }()
	case <-ctx.Done():
		return ctx.Err()
	}
	conn, err := d.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // back to the pool
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		// A caller who went away may have left it begun all the same.
		if ctx.Err() != nil {
			undo(ctx, conn)
		}
		return err
	}
	if err = f(querier{conn}); err == nil {
		if _, err = conn.ExecContext(ctx, "COMMIT"); err == nil {
			return nil
		}
	}
	undo(ctx, conn)
	return err
}

// undo rolls back, or sees to it that nobody gets the connection any more.
func undo(ctx context.Context, conn *sql.Conn) {
	if _, err := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); err != nil {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}
